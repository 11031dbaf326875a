"""Text from outside in Markdown and HTML: letters only, never markup."""

import html
import re

from vitbench.text import clean

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def markdown(text: str) -> str:
    """One line of text in which no sign of Markdown has a meaning."""
    return _SIGNS.sub(r"\\\1", clean(text))


def page(text: str) -> str:
    """One line of text in which no sign of HTML has a meaning, also inside quoted attributes."""
    return html.escape(clean(text), quote=True)


def fenced(text: str, language: str = "") -> str:
    """A block of code, whose fence is longer than any row of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
