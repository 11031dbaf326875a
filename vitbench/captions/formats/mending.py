"""What programs leave in captions that is not language: marks of begin and end, HTML, a wrong decoding, and `nan`."""

import html
import re

_MARKS = (
    r"startseq|endseq|<start>|<end>|<s>|</s>|<bos>|<eos>|<sos>|\[CLS\]|\[SEP\]|<\|startoftext\|>|<\|endoftext\|>|<pad>"
)
_AT_THE_ENDS = re.compile(rf"^(?:\s*(?:{_MARKS})(?=\s|$))+|(?:(?<=\s)(?:{_MARKS})\s*)+$", re.IGNORECASE)
_TAG = re.compile(r"</?(?:br|p|b|i|u|em|strong|span|div|a|font|li|ul)\b[^<>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-f]{1,6}|[a-z]{2,8}\d{0,2});", re.IGNORECASE)
_MISREAD = re.compile("[\u00c2\u00c3][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122]|\u00e2\u20ac|\u00e2\u0080")
"""What UTF-8 of accents and quotation marks looks like, read as cp1252 or Latin-1."""
_PERHAPS = re.compile("[&<\\[\u00c2\u00c3\u00e2]|seq", re.IGNORECASE)
_NOTHING = ("nan", "null", "none", "n/a", "na", "<na>", "undefined", "[]")

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[@-~]|[\x00-\x08\x0e-\x1b\x7f]")
"""Codes of terminals, and characters of control other than those that part lines and words."""

CONTROL = "characters of control, such as U+001B, are taken out: *"
MARKS = "marks of begin or end, such as startseq, are taken off: *"
HTML = "HTML, such as &quot; or <br>, is read as the characters that it stands for: *"
MISREAD = "UTF-8 that a program had read as Latin-1 (Ã© for é) is read as UTF-8: *"


def is_nothing(caption: str) -> bool:
    """Whether a caption is what programs write for a missing one: `nan`, `null`."""
    return caption.strip().lower() in _NOTHING


def mended(caption: str) -> tuple[str, list[str]]:
    """The caption as a person meant it, and what was changed, each as one of the sentences above."""
    changes = []
    if _CONTROL.search(caption):
        caption = _CONTROL.sub("", caption)
        changes.append(CONTROL)
    if not _PERHAPS.search(caption):
        return caption, changes
    if _MISREAD.search(caption) and (repaired := _as_utf8(caption)) is not None:
        caption = repaired
        changes.append(MISREAD)
    if _ENTITY.search(caption) or _TAG.search(caption):
        plain = html.unescape(_TAG.sub(" ", caption))
        if plain != caption:
            caption = plain
            changes.append(HTML)
    if (bare := _AT_THE_ENDS.sub("", caption)) != caption:
        caption = bare
        changes.append(MARKS)
    return caption, changes


def _as_utf8(text: str) -> str | None:
    """The text whose UTF-8 was read as cp1252 (with Latin-1 for what that lacks); None if it was not."""
    try:
        encoded = b"".join(_byte(character) for character in text)
        return encoded.decode("utf-8")
    except UnicodeError:
        return None


def _byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeError:
        return character.encode("latin-1")
