"""Any picture file as RGB: every mode, EXIF rotation honoured, hostile files refused by name."""

import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from vitbench.errors import UserError

LARGEST = 89_478_485
"""Pixels. Pillow's own limit: 256 MiB of RGB. A larger picture is refused, be it honest or a decompression bomb."""

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
    return decode_picture(read_file(path), str(path))


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. Raises UnreadablePicture if there is none, or nothing in it."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadablePicture(str(path), error.strerror or "cannot be read") from error
    except ValueError as error:
        raise UnreadablePicture(str(path), "the name cannot be a file's") from error
    if not content:
        raise UnreadablePicture(str(path), "the file is empty")
    return content


def decode_picture(content: bytes, name: str) -> Image.Image:
    """As `open_picture`, from the bytes of a file called `name`."""
    return as_seen(load_picture(content, name), name)


def load_picture(content: bytes, name: str) -> Image.Image:
    """The first frame, decoded to the last byte, in the file's own mode and not turned. Raises UnreadablePicture."""
    try:
        picture = Image.open(io.BytesIO(content), formats=_formats())
        width, height = picture.size
        if width * height > LARGEST:
            raise UnreadablePicture(name, f"{width} x {height} pixels are more than the {LARGEST:,} that are read")
        picture.load()
    except _BROKEN as error:
        raise UnreadablePicture(name, _reason(error)) from error
    return picture


def as_seen(picture: Image.Image, name: str) -> Image.Image:
    """A loaded picture turned as its EXIF data say, as RGB. Raises UnreadablePicture."""
    try:
        orientation = _orientation(picture)
        return as_rgb(picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture)
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
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of 16 or 32 bits or floating point as uint8, where Pillow's own conversion clips them to white.

    Integers within 16 bits are scaled by 257, as a 16-bit file means them; floating point within 0 and 1 by 255;
    anything else from its own minimum to its own maximum.
    """
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        scaled = numbers / 257
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        scaled = numbers * 255
    else:
        scaled = (numbers - low) * (255 / max(high - low, 1e-12))
    return scaled.round().astype(np.uint8)


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
