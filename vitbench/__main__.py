"""The one door: without a command it opens the app, anything else goes to `vitbench.cli`."""

import os
import sys

from vitbench.imports import without_collection
from vitbench.output import open_standard_streams


def main() -> int:
    """The console script `vitbench`."""
    # Threads that wait for each other by spinning take the core from the one they wait for where others compute too:
    # a training with 2 threads beside one busy process was 1.6 times as fast with this, and as fast alone.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # pydantic would look through every installed package for plugins, at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    open_standard_streams()
    arguments = store_last(sys.argv[1:])
    if not arguments or arguments[0].partition("=")[0] in ("--store", "--run"):
        with without_collection():
            from screens.app import open_app

        return open_app(arguments)
    from vitbench.cli import main as run_command
    from vitbench.deferred_compiler import defer_compiler

    defer_compiler()
    code = run_command(arguments)
    if code == 0 and (follow_up := opens_after(arguments)) is not None:
        from screens.app import open_app

        return open_app(follow_up, logs=arguments[0] == "watch")
    return code


def store_last(arguments: list[str]) -> list[str]:
    """`--store DIR` may stand before a command too, though it belongs to the command."""
    own = 2 if arguments[:1] == ["--store"] else int(bool(arguments) and arguments[0].startswith("--store="))
    command = arguments[own:]
    return [*command, *arguments[:own]] if command and not command[0].startswith("-") else arguments


def opens_after(arguments: list[str]) -> list[str] | None:
    """The app's arguments, if it opens after this command: after `vitbench demo` and `watch` in a terminal."""
    if arguments[0] not in ("demo", "watch") or {"--headless", "--list", "--json", "--help", "-h"} & set(arguments):
        return None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    return [*arguments[1:], "--run", "last"] if arguments[0] == "demo" else arguments[1:]


if __name__ == "__main__":
    sys.exit(main())
