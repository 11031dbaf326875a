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
from pathlib import Path, PurePath

import numpy as np
from PIL import ExifTags, Image

from vitbench.data.files_that_are_no_pictures import HEAD, OTHERS, told_by
from vitbench.data.large_pictures import LARGE, ONE_LARGE_PICTURE
from vitbench.data.value_range import ValueRange, eight_bits, own_range, values_of
from vitbench.errors import UserError
from vitbench.files.reading import PICTURE, Unreadable, read_bytes

LARGEST = 89_478_485
"""Pixels, where no setting says otherwise. Pillow's own limit: 256 MiB of RGB. A larger picture is refused, be it
honest or a decompression bomb."""

LIMIT_VARIABLE = "VITBENCH_LARGEST_PICTURE"
"""The environment variable that sets the limit, in millions of pixels."""

_TIFF_DEPTHS = 258
"""The tag BitsPerSample."""
_TIFF_PHOTOMETRIC = 262
"""The tag PhotometricInterpretation."""

_STRIP = 2**20
"""Pixels that are converted at once."""

# Formats whose reader starts another program (EPS runs Ghostscript) or cannot decode at all.
_REFUSED = {"EPS", "MPEG", "WMF", "BUFR", "GRIB", "HDF5", "STUB"}

# EXIF orientation (CIPA DC-008, tag 0x0112) to what makes the picture upright.
TURNS = {
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
    """Endings of file names (lower case, with the dot) that stand for a picture, even one that needs a library more."""
    formats = set(_formats())
    return (
        frozenset(OTHERS)
        | {ending for ending, name in Image.registered_extensions().items() if name in formats}
        | {".mpo"}
    )


_allowed: list[float] = []
"""What a recipe allows, in millions of pixels; empty where it says nothing."""


def allow_pictures(megapixels: float | None) -> None:
    """Sets the limit that a recipe names (`data.largest_picture`), for this process and those that it forks; None
    leaves it to the environment variable again."""
    _allowed[:] = [] if megapixels is None else [megapixels]


def largest_picture() -> int:
    """The most pixels that are read. Raises UserError if the environment variable is not a number."""
    if _allowed:
        return int(_allowed[0] * 1e6)
    said = os.environ.get(LIMIT_VARIABLE, "")
    if not said:
        return LARGEST
    try:
        limit = float(said)
    except ValueError:
        limit = 0.0
    if not 0 < limit <= 4000:
        raise UserError(f"{LIMIT_VARIABLE} = {said} must be a number of millions of pixels, at most 4000.")
    return int(limit * 1e6)


def open_picture(path: str | os.PathLike[str], value_range: ValueRange | None = None) -> Image.Image:
    """The picture as RGB, turned as its EXIF data say; of an animation the first frame.

    Transparent parts show white. Pictures of 16 bits or floating point go from black to white over `value_range`, that
    of their data set; without one each keeps its own.
    Raises UnreadablePicture.
    """
    with ExitStack() as turn:
        return decode_picture(read_file(path, turn), os.fsdecode(path), value_range)


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


def decode_picture(content: bytes, name: str, value_range: ValueRange | None = None) -> Image.Image:
    """As `open_picture`, from the bytes of a file called `name`."""
    with ExitStack() as turn:
        picture = load_picture(content, name, turn)
        del content  # of a large picture, as large as its pixels
        return as_seen(picture, name, value_range)


def load_picture(content: bytes, name: str, turn: ExitStack | None = None) -> Image.Image:
    """The first frame, decoded to the last byte, in the file's own mode and not turned. Raises UnreadablePicture.

    Of large pictures only one at a time is decoded, until `turn` is closed: else each thread could take 1 GB.
    """
    _silence_libtiff()
    limit = largest_picture()
    head = content[:HEAD]
    try:
        # Pillow refuses by itself what is twice as large, before its size can be asked.
        Image.MAX_IMAGE_PIXELS = limit
        stream = io.BytesIO(content)
        del content
        picture = Image.open(stream, formats=_formats())
        width, height = picture.size
        if width * height > limit:
            raise UnreadablePicture(name, _too_large(width, height))
        if turn is not None and width * height > LARGE:
            turn.enter_context(ONE_LARGE_PICTURE)
        picture.load()
        if width * height > LARGE:
            # The file goes before the picture is converted; the EXIF data are asked for first, since they lie in it.
            orientation_of(picture)
            stream.close()
    except _BROKEN as error:
        advice = OTHERS.get(PurePath(name).suffix.lower())
        known = advice or told_by(head) if isinstance(error, Image.UnidentifiedImageError) else None
        raise UnreadablePicture(name, known or _reason(error)) from error
    return picture


def as_seen(picture: Image.Image, name: str, value_range: ValueRange | None = None) -> Image.Image:
    """A loaded picture turned as its EXIF data say, as RGB. Raises UnreadablePicture."""
    try:
        orientation = orientation_of(picture)
        seen = as_rgb(picture, value_range)
        return seen.transpose(TURNS[orientation]) if orientation in TURNS else seen
    except _BROKEN as error:
        raise UnreadablePicture(name, _reason(error)) from error


def is_rotated(picture: Image.Image) -> bool:
    """Whether the EXIF data of a loaded picture turn or mirror it."""
    return orientation_of(picture) != 1


def is_sequence(picture: Image.Image) -> bool:
    """Whether a loaded picture is the first of several frames or pages. A camera's MPO holds views of one picture."""
    try:
        return picture.format != "MPO" and bool(getattr(picture, "is_animated", False))
    except _BROKEN:
        return False  # its file is closed, as that of a large picture, or what follows is damaged


def as_rgb(picture: Image.Image, value_range: ValueRange | None = None) -> Image.Image:
    """A picture of any mode as RGB."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith(("I", "F")):
        return _by_strips(picture, _to_eight_bits(picture, value_range))
    if picture.has_transparency_data:
        return _by_strips(picture, _on_white)
    return picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    coloured = picture.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(white, coloured)


def not_finite(picture: Image.Image) -> int:
    """How many values of a picture in floating point are no numbers, or infinite."""
    if not picture.mode.startswith("F"):
        return 0
    return sum(int(np.count_nonzero(~np.isfinite(np.asarray(strip)))) for strip in _strips(picture))


def is_deep_colour(picture: Image.Image, head: bytes) -> bool:
    """Whether a file has 16 bits for each of several channels, of which Pillow reads the upper 8; `head` are its first
    bytes."""
    if picture.mode.startswith(("I", "F")):
        return False
    if picture.format == "PNG":
        return head[24:25] == b"\x10"
    depths = getattr(picture, "tag_v2", {}).get(_TIFF_DEPTHS, ())
    return picture.format == "TIFF" and isinstance(depths, tuple) and max(depths, default=8) == 16


def deep_range(picture: Image.Image) -> ValueRange:
    """The lowest and the highest finite value of a picture of more than 8 bits."""
    ranges = [values_of(np.asarray(strip)) for strip in _strips(picture)]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def is_negative(picture: Image.Image) -> bool:
    """Whether 0 is white in a TIFF (WhiteIsZero), which Pillow minds for pictures of 8 bits alone."""
    return picture.format == "TIFF" and getattr(picture, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == 0


def _to_eight_bits(picture: Image.Image, value_range: ValueRange | None) -> Callable[[Image.Image], Image.Image]:
    """How to bring grey values of 16 or 32 bits or floating point to 8; Pillow itself clips them to white."""
    if value_range is None:
        kind = np.asarray(picture.crop((0, 0, 1, 1))).dtype.kind
        value_range = own_range(kind, *deep_range(picture))
    known, turned = value_range, picture.mode.startswith("I") and is_negative(picture)
    return lambda strip: Image.fromarray(eight_bits(np.asarray(strip), known) ^ (255 * turned))


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


def orientation_of(picture: Image.Image) -> int:
    """How the EXIF data of a loaded picture turn or mirror it (CIPA DC-008); 1 is not at all."""
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except _BROKEN:
        # Damaged EXIF data turn nothing; the picture itself is whole.
        return 1
    return value if value in TURNS else 1


def _too_large(width: int, height: int) -> str:
    size = f"{width} x {height} pixels are" if width else "it has"
    wanted = -(-width * height // 1_000_000)
    more = (
        f" {LIMIT_VARIABLE}={wanted} reads it, or in a recipe data.largest_picture = {wanted}"
        if width
        else f" {LIMIT_VARIABLE} sets them, or in a recipe data.largest_picture"
    )
    return f"{size} more than the {largest_picture():,} pixels that are read;{more}"


@cache
def _register_others() -> None:
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()


def _formats() -> list[str]:
    Image.init()
    _register_others()
    return [name for name in Image.OPEN if name not in _REFUSED]


def _reason(error: BaseException) -> str:
    if isinstance(error, UnreadablePicture):
        return error.reason
    if isinstance(error, Image.DecompressionBombError):
        return _too_large(0, 0)
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not a picture"
    if "truncated" in str(error) or isinstance(error, EOFError):
        return "the file is cut short"
    return f"cannot be decoded ({error or type(error).__name__})"
