"""The one door: without a command it opens the app, anything else goes to `vitbench.cli`."""

import sys


def main() -> int:
    """The console script `vitbench`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("--store",) or arguments[0].startswith("--store="):
        from screens.app import open_app

        return open_app(arguments)
    from vitbench.cli import main as run_command

    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
