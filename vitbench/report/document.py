"""What a report is made of: sections of blocks. Texts are plain; the renderers escape them."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """Sentences that belong together."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A title inside a section."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Sentences below each other."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class TableBlock:
    """Rows of texts under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Text as it is, such as commands."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class FigureBlock:
    """A picture: `png` is on the page, both are files `figures/NAME.png` and `.pdf`. `caption` tells what it shows."""

    name: str
    caption: str
    png: bytes
    pdf: bytes


@dataclass(frozen=True)
class Missing:
    """Evidence that there is not: `what`, a sentence, and the command that gets it (empty where none can)."""

    what: str
    command: str = ""


Block = Paragraph | Heading | Listing | TableBlock | Code | FigureBlock | Missing


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The whole report; `subtitle` says of what and when."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    def figures(self) -> Iterator[FigureBlock]:
        """All figures, in order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, FigureBlock))
