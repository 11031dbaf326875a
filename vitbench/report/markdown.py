"""A report as Markdown, with its figures beside it."""

from collections.abc import Iterator

from vitbench.report.document import (
    Block,
    Code,
    Document,
    FigureBlock,
    Heading,
    Listing,
    Missing,
    Paragraph,
    TableBlock,
)
from vitbench.report.escaping import fenced, markdown


def to_markdown(document: Document) -> str:
    """The whole report; figures are `figures/NAME.png`."""
    parts = [f"# {markdown(document.title)}", markdown(document.subtitle)]
    number = 0
    for place, section in enumerate(document.sections, start=1):
        parts.append(f"## {place}. {markdown(section.title)}")
        for block in section.blocks:
            number += isinstance(block, FigureBlock)
            parts += _block(block, number)
    return "\n\n".join(parts) + "\n"


def _block(block: Block, number: int) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield _line(text)
        case Heading(text):
            yield f"### {markdown(text)}"
        case Listing(items):
            yield "\n".join(f"- {_line(item)}" for item in items)
        case TableBlock(head, rows, caption):
            lines = [_row(head), "|---" * len(head) + "|", *map(_row, rows)]
            yield "\n".join(lines)
            if caption:
                yield f"*{_line(caption)}*"
        case Code(text, language):
            yield fenced(text, language)
        case FigureBlock(name, caption, _, _):
            yield f"![{markdown(caption)}](figures/{name}.png)"
            yield f"*Figure {number}. {_line(caption)}* ([PDF](figures/{name}.pdf))"
        case Missing(what, command):
            how = f" To get it: {_inline(command)}" if command else ""
            yield f"> **Missing.** {_line(what)}{how}"


def _line(text: str) -> str:
    """Text that does not begin a list, a heading or a quotation."""
    escaped = markdown(text)
    if escaped[:2] in ("- ", "+ "):
        return f"\\{escaped}"
    head, dot, rest = escaped.partition(". ")
    return f"{head}\\. {rest}" if dot and head.isdecimal() else escaped


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(markdown(cell.replace("\n", " ")) for cell in cells) + " |"


def _inline(command: str) -> str:
    """A command as code; a backtick in it would end the code."""
    return f"`{command}`" if "`" not in command else markdown(command)
