"""All that is declared, with what it is and whose: what `vitbench extensions` prints, and docs/reference.md has.

`python -m vitbench.reference` writes docs/reference.md anew.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from vitbench.declarations import all_kinds
from vitbench.methods.base import Method
from vitbench.text import clean

SCREENS = "vitbench.screens"
"""The entry points of screens, which only the app imports."""


def records(*, packages: bool = True) -> Iterator[dict[str, Any]]:
    """What is declared: kind, name, summary, package ("vitbench" for its own), options, caution."""
    for declared in all_kinds():
        for name in declared if packages else [one.name for one in declared.own()]:
            one = declared[name]
            yield {
                "kind": declared.kind,
                "name": name,
                "summary": getattr(one, "summary", None) or one.phrase,
                "package": declared.package_of(name),
                "options": [option.described() for option in one.own_options().values()]
                if isinstance(one, Method)
                else [f"{key}: {words}" for key, words in getattr(one, "options", {}).items()],
                "caution": getattr(one, "caution", ""),
            }
    for point in sorted(entry_points(group=SCREENS), key=lambda point: point.name) if packages else ():
        package = point.dist.name if point.dist is not None else ""
        yield {"kind": "screen", "name": point.name, "summary": "", "package": package, "options": [], "caution": ""}


def lines(*, packages: bool = True) -> Iterator[str]:
    """The same as a list in Markdown, a heading for each kind."""
    kind = ""
    for record in records(packages=packages):
        if record["kind"] != kind:
            kind = record["kind"]
            yield from ("", f"## {kind.capitalize()}s", "")
        whose = "" if record["package"] == "vitbench" else f" (of the package {record['package']})"
        summary = f": {record['summary']}" if record["summary"] else ""
        yield clean(f"- `{record['name']}`{summary}{whose}")
        yield from (clean(f"  - {words}") for words in record["options"])
        if record["caution"]:
            yield clean(f"  - {record['caution']}")


def document() -> str:
    """docs/reference.md."""
    start = (
        "# What there is\n\nWritten by `python -m vitbench.reference`; a test compares it with the declarations."
        " `vitbench extensions` prints the same with what installed packages add ([extending](extending.md)).\n"
    )
    return start + "\n".join(lines(packages=False)) + "\n"


def main() -> int:
    """Writes docs/reference.md of the checkout."""
    file = Path(__file__).parent.parent / "docs" / "reference.md"
    file.write_text(document(), encoding="utf-8")
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
