"""What the documents show: their fences, the commands in them, and the commands in running text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NEEDS = {"network", "gpu", "slurm"}
"""What a fence may say that it needs; it is then parsed and not run."""
_FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}(?! )(.*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`(vitbench [^`\n]+)`(?!`)")
_PROGRAM = {"vitbench", ".venv/bin/vitbench"}


@dataclass(frozen=True)
class Fence:
    """A fence of a document."""

    language: str
    needs: frozenset[str]
    text: str


def fences(document: Path) -> Iterator[Fence]:
    """All fences of a document."""
    for language, rest, text in _FENCE.findall(document.read_text()):
        needs = [word.removeprefix("needs=") for word in rest.split() if word.startswith("needs=")]
        yield Fence(language, frozenset(name for one in needs for name in one.split(",")), text)


def commands(document: Path) -> list[list[str]]:
    """The arguments of each `vitbench` in fences and indented lines."""
    outside = _FENCE.sub("", document.read_text())
    lines = [line for fence in fences(document) for line in fence.text.replace("\\\n", " ").splitlines()]
    return [words for line in (*lines, *_INDENTED.findall(outside)) for words in commands_of_line(line)]


def commands_of_line(line: str) -> Iterator[list[str]]:
    """The arguments of each `vitbench` that a line of shell starts."""
    line = line.strip().removeprefix("$ ")
    if "vitbench" not in line or line.startswith(("#", "[", '"')):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        words = list(lexer)
    except ValueError:  # no line of shell
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if not set(word) <= set(";&|<>"):
            command.append(word)
            continue
        while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
            command.pop(0)
        if command and command[0] in _PROGRAM:
            yield command[1:]
        command = []


def inline_commands(document: Path) -> list[list[str]]:
    """The arguments of each `vitbench ...` in running text, where they may be incomplete."""
    outside = _FENCE.sub("", document.read_text())
    return [words for text in _INLINE.findall(outside) for words in commands_of_line(text)]
