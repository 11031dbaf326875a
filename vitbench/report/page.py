"""A report as one HTML page: pictures inside, light or dark as the reader's system, and made to be printed."""

import base64
import html
import io
from collections.abc import Iterator

from PIL import Image

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
from vitbench.report.escaping import page
from vitbench.text import clean_lines

_STYLE = """
:root { color-scheme: light dark; --text: #1b1b1f; --faint: #5a5a66; --back: #ffffff; --line: #d5d5dd;
        --soft: #f3f3f7; --warn: #8a4b00; --warnback: #fff4e2; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e6e6ec; --faint: #a3a3b2; --back: #17171b; --line: #3a3a44; --soft: #222229;
          --warn: #ffc37a; --warnback: #33260f; } }
body { font: 16px/1.55 "Source Serif 4", Georgia, "Times New Roman", serif; color: var(--text);
       background: var(--back); max-width: 46rem; margin: 2.5rem auto; padding: 0 1.2rem; }
h1, h2, h3 { font-family: system-ui, "Helvetica Neue", Arial, sans-serif; line-height: 1.25; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.25rem; margin-top: 2.4rem; }
h3 { font-size: 1rem; margin-top: 1.6rem; } .subtitle { color: var(--faint); margin-top: 0; }
figure { margin: 1.6rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; display: block; background: #ffffff; width: var(--width, auto); }
@media screen { figure img { width: calc(var(--width, auto) * 1.35); } }
figcaption, caption { font-size: .88rem; color: var(--faint); text-align: left; margin-top: .5rem; }
.scroll { overflow-x: auto; margin: 1.2rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; break-inside: avoid; }
caption { caption-side: bottom; padding-top: .4rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
pre { break-before: avoid; break-inside: avoid; }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; white-space: pre-wrap;
      overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; font-size: .88em; }
.missing { border-left: .25rem solid var(--warn); background: var(--warnback); padding: .5rem .9rem; }
.cell { white-space: nowrap; }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt; }
  figure { margin: 1rem 0; } figure img { max-height: 165mm; max-width: 100%; object-fit: contain;
    object-position: left; } table { font-size: 8pt; }
  h2, h3 { break-after: avoid; } .scroll { overflow: visible; } }
@page { size: A4; margin: 22mm 20mm; @bottom-center { content: counter(page); font-size: 9pt; color: #5a5a66; } }
"""


def to_html(document: Document) -> str:
    """The whole report in one file without anything from elsewhere."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src'
        " 'unsafe-inline'\">",
        f"<title>{page(document.title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{page(document.title)}</h1>",
        f'<p class="subtitle">{page(document.subtitle)}</p>',
    ]
    number = 0
    for place, section in enumerate(document.sections, start=1):
        lines.append(f"<section><h2>{place}. {page(section.title)}</h2>")
        for block in section.blocks:
            number += isinstance(block, FigureBlock)
            lines += _block(block, number)
        lines.append("</section>")
    return "\n".join([*lines, "</body>", "</html>"]) + "\n"


def _block(block: Block, number: int) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield f"<p>{page(text)}</p>"
        case Heading(text):
            yield f"<h3>{page(text)}</h3>"
        case Listing(items):
            yield f"<ul>{''.join(f'<li>{page(item)}</li>' for item in items)}</ul>"
        case TableBlock(head, rows, caption):
            names = "".join(f"<th>{page(cell)}</th>" for cell in head)
            body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
            below = f"<caption>{page(caption)}</caption>" if caption else ""
            table = f"<table>{below}<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
            yield f'<div class="scroll">{table}</div>'
        case Code(text, _):
            yield f"<pre><code>{_code(text)}</code></pre>"
        case FigureBlock(name, caption, png, _):
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            style = f' style="--width: {_width(png):.0f}mm"' if _width(png) else ""
            yield f'<figure id="{page(name)}"><img{style} src="{source}" alt="{page(caption)}">'
            yield f"<figcaption>Figure {number}. {page(caption)}</figcaption></figure>"
        case Missing(what, command):
            how = f" To get it: <code>{page(command)}</code>" if command else ""
            yield f'<p class="missing"><strong>Missing.</strong> {page(what)}{how}</p>'


def _cell(text: str) -> str:
    """A cell of a table; a line break in it stays, and numbers are not broken elsewhere."""
    numbers = "\n" in text or len(text) < 12
    lines = "<br>".join(page(line) for line in text.split("\n"))
    return f'<td class="cell">{lines}</td>' if numbers else f"<td>{lines}</td>"


def _width(png: bytes) -> float:
    """Millimetres on paper, from what the picture says of itself; 0 if not known. A screen shows it a third larger."""
    try:
        with Image.open(io.BytesIO(png)) as picture:
            dpi = float(picture.info.get("dpi", (0, 0))[0])
            return 25.4 * picture.width / dpi if dpi > 0 else 0.0
    except (OSError, ValueError):
        return 0.0


def _code(text: str) -> str:
    return html.escape(clean_lines(text))
