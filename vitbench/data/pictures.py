"""Any picture file as RGB: every mode, EXIF rotation honoured, hostile files refused by name."""

import ctypes
import io
import logging
import os
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from vitbench.data.large_pictures import LARGE, ONE_LARGE_PICTURE
from vitbench.errors import UserError
from vitbench.files.reading import PICTURE, Unreadable, read_bytes

LARGEST = 89_478_485
"""Pixels. Pillow's own limit: 256 MiB of RGB. A larger picture is refused, be it honest or a decompression bomb."""

_STRIP = 2**20
"""Pixels that are converted at once."""

# Formats whose reader starts another program (EPS runs Ghostscript) or cannot decode at all.
_REFUSED = {"EPS", "MPEG", "WMF", "BUFR", "GRIB", "HDF5", "STUB"}

# EXIF orientation (CIPA DC-008, tag 0x0112) to what makes the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's readers raise on broken files. Some formats' readers let errors of their parsing through as they are.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

# What Pillow logs would go to stderr where nobody set up logging; its exceptions say the same.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# What Pillow warns of (bombs, odd EXIF data) is judged here, or harmless; it would be printed over a screen.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UnreadablePicture(UserError):
    """A file that cannot be read as a picture; `reason` says why without the file's name."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}.")
        self.file, self.reason = file, reason


def picture_extensions() -> frozenset[str]:
    """Endings of file names (lower case, with the dot) that stand for a picture that can be opened here."""
    formats = set(_formats())
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in formats)


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """The picture as RGB, turned as its EXIF data say; of an animation the first frame.

    Transparent parts show white. 16-bit and floating-point pictures keep their whole range.
    Raises UnreadablePicture.
    """
    with ExitStack() as turn:
        return decode_picture(read_file(path, turn), os.fsdecode(path))


def read_file(path: str | os.PathLike[str], turn: ExitStack | None = None) -> bytes:
    """The bytes of a regular file. Raises UnreadablePicture if there is none, nothing in it, or too much.

    Of large files only one at a time is read, until `turn` is closed.
    """
    try:
        with suppress(OSError, ValueError):
            if turn is not None and Path(path).stat().st_size > LARGE:
                turn.enter_context(ONE_LARGE_PICTURE)
        content = read_bytes(path, PICTURE)
    except Unreadable as error:
        raise UnreadablePicture(os.fsdecode(path), error.reason) from error
    if not content:
        raise UnreadablePicture(os.fsdecode(path), "the file is empty")
    return content


def decode_picture(content: bytes, name: str) -> Image.Image:
    """As `open_picture`, from the bytes of a file called `name`."""
    with ExitStack() as turn:
        picture = load_picture(content, name, turn)
        del content  # of a large picture, as large as its pixels
        return as_seen(picture, name)


def load_picture(content: bytes, name: str, turn: ExitStack | None = None) -> Image.Image:
    """The first frame, decoded to the last byte, in the file's own mode and not turned. Raises UnreadablePicture.

    Of large pictures only one at a time is decoded, until `turn` is closed: else each thread could take 1 GB.
    """
    _silence_libtiff()
    try:
        stream = io.BytesIO(content)
        del content
        picture = Image.open(stream, formats=_formats())
        width, height = picture.size
        if width * height > LARGEST:
            raise UnreadablePicture(name, f"{width} x {height} pixels are more than the {LARGEST:,} that are read")
        if turn is not None and width * height > LARGE:
            turn.enter_context(ONE_LARGE_PICTURE)
        picture.load()
        if width * height > LARGE:
            # The file goes before the picture is converted; the EXIF data are asked for first, since they lie in it.
            _orientation(picture)
            stream.close()
    except _BROKEN as error:
        raise UnreadablePicture(name, _reason(error)) from error
    return picture


def as_seen(picture: Image.Image, name: str) -> Image.Image:
    """A loaded picture turned as its EXIF data say, as RGB. Raises UnreadablePicture."""
    try:
        orientation = _orientation(picture)
        seen = as_rgb(picture)
        return seen.transpose(_TURNS[orientation]) if orientation in _TURNS else seen
    except _BROKEN as error:
        raise UnreadablePicture(name, _reason(error)) from error


def is_rotated(picture: Image.Image) -> bool:
    """Whether the EXIF data of a loaded picture turn or mirror it."""
    return _orientation(picture) != 1


def as_rgb(picture: Image.Image) -> Image.Image:
    """A picture of any mode as RGB."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith(("I", "F")):
        return _by_strips(picture, _to_eight_bits(picture))
    if picture.has_transparency_data:
        return _by_strips(picture, _on_white)
    return picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    coloured = picture.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(white, coloured)


def _to_eight_bits(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """How to bring grey values of 16 or 32 bits or floating point to 8, where Pillow's own conversion clips to white.

    Integers within 16 bits are scaled by 257, as a 16-bit file means them; floating point within 0 and 1 by 255;
    anything else from its own minimum to its own maximum.
    """
    ranges = [(float(numbers.min()), float(numbers.max())) for numbers in map(_numbers, _strips(picture))]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    kind = np.asarray(picture.crop((0, 0, 1, 1))).dtype.kind
    if kind in "iu" and low >= 0 and high <= 65535:
        zero, factor = 0.0, 1 / 257
    elif kind == "f" and low >= 0 and high <= 1:
        zero, factor = 0.0, 255.0
    else:
        zero, factor = low, 255 / max(high - low, 1e-12)

    def convert(strip: Image.Image) -> Image.Image:
        return Image.fromarray(((_numbers(strip) - zero) * factor).round().clip(0, 255).astype(np.uint8))

    return convert


def _numbers(strip: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(strip).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _strips(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture in strips of whole rows: float64 copies of all of it would be many times as large as the picture."""
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        yield picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _by_strips(picture: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture as RGB, converted strip by strip."""
    whole, top = Image.new("RGB", picture.size), 0
    for strip in _strips(picture):
        whole.paste(convert(strip).convert("RGB"), (0, top))
        top += strip.height
    return whole


@cache
def _silence_libtiff() -> None:
    """libtiff writes what it thinks of a damaged file to stderr, across a screen; Pillow's exception says it too."""
    # Pillow has the library loaded with its decoders; only then is it certain that this is the copy that it uses.
    Image.init()
    with suppress(OSError, AttributeError):
        loaded = {line.split(maxsplit=5)[-1].strip() for line in Path("/proc/self/maps").read_text().splitlines()}
        for path in loaded:
            if Path(path).name.startswith("libtiff"):
                library = ctypes.CDLL(path)
                for handler in ("TIFFSetWarningHandler", "TIFFSetErrorHandler"):
                    function = getattr(library, handler)
                    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
                    function(None)


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except _BROKEN:
        # Damaged EXIF data turn nothing; the picture itself is whole.
        return 1
    return value if value in _TURNS else 1


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _REFUSED]


def _reason(error: BaseException) -> str:
    if isinstance(error, UnreadablePicture):
        return error.reason
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the {LARGEST:,} that are read"
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not a picture"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return "the file is cut short"
    return f"cannot be decoded ({error or type(error).__name__})"
