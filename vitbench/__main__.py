"""The one door: without a command it opens the app, anything else goes to `vitbench.cli`."""

import sys


def main() -> int:
    """The console script `vitbench`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].partition("=")[0] in ("--store", "--run"):
        from screens.app import open_app

        return open_app(arguments)
    from vitbench.cli import main as run_command

    code = run_command(arguments)
    if code == 0 and (follow_up := opens_after(arguments)) is not None:
        from screens.app import open_app

        return open_app(follow_up)
    return code


def opens_after(arguments: list[str]) -> list[str] | None:
    """The app's arguments, if it opens after this command: after `vitbench demo` in a terminal."""
    if arguments[0] != "demo" or {"--headless", "--help", "-h"} & set(arguments):
        return None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    return [*arguments[1:], "--run", "last"]


if __name__ == "__main__":
    sys.exit(main())
