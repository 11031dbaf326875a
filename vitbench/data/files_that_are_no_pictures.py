"""What files are that Pillow does not know, by their names and by their first bytes, with what to do."""

from PIL import Image

OTHERS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC is read with pillow-heif: pip install 'vitbench[heif]'"),
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"),
        "a camera's raw file: develop it to JPEG first",
    ),
    ".svg": "a drawing, not pixels: export it as PNG first",
    ".jxl": "JPEG XL is not read: convert it to JPEG or PNG first",
}
"""Pictures that Pillow alone cannot read, with what to do."""

_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
"""Brands of HEIF (ISO/IEC 23008-12) in a file's first box."""
HEAD = 132
"""Bytes from which a file can be told that Pillow does not know."""
_TEXTS = {
    b"version https://git-lfs": "a pointer of Git LFS instead of the picture: run git lfs pull",
    b"<!doctype html": "a web page, as servers send it in the place of a picture: download it again",
    b"<html": "a web page, as servers send it in the place of a picture: download it again",
    b"<svg": OTHERS[".svg"],
    b"<?xml": "a text in XML instead of a picture, maybe the message of a server: download it again",
    b"{": "a text in JSON instead of a picture, maybe the message of a server: download it again",
    b"%pdf": "a PDF: write its pages out as PNG first",
}
"""By the first letters, lower case, of what is no picture though it is called like one."""


def told_by(head: bytes) -> str | None:
    """What a file is by its first bytes, whatever it is called, with what to do; None where they say nothing."""
    if head.startswith(b"\xff\x0a") or head[4:8] == b"JXL ":
        return OTHERS[".jxl"]
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF:
        return "the file is cut short or damaged" if "HEIF" in Image.OPEN else OTHERS[".heic"]
    if head[128:132] == b"DICM":
        return "DICOM is not read: write its pixels as PNG or TIFF of 16 bits first"
    if head.startswith((b"II*\0", b"MM\0*")):
        return (
            "a TIFF of a kind that is not read, such as floating point of 16 or 64 bits or in colour: write it with"
            " 8 or 16 bits, or grey with 32"
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((reason for start, reason in _TEXTS.items() if text.startswith(start)), None)


def picture_by_bytes(head: bytes) -> str:
    """Which picture a file begins as, though it may not be called like one; empty if it is none."""
    starts = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP"}
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((name for start, name in starts.items() if head.startswith(start)), "")
