"""Any picture as RGB, judged by pixels that are known; and hostile files refused by name."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from vitbench.data.index import open_index
from vitbench.data.pictures import (
    LARGEST,
    UnreadablePicture,
    allow_pictures,
    decode_picture,
    is_rotated,
    load_picture,
    open_picture,
    picture_extensions,
)
from vitbench.errors import UserError

# pytest turns on again what vitbench silences.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def encoded(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def pixels(content: bytes) -> np.ndarray:
    picture = decode_picture(content, "picture")
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA", "WEBP"])
def test_lossless_formats_give_their_pixels(form):
    options = {"lossless": True} if form == "WEBP" else {}
    assert np.array_equal(pixels(encoded(Image.fromarray(COLOURS), form, **options)), COLOURS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation):
    """Each orientation undone by numpy: EXIF says where row 0 and column 0 are in the picture as it is seen."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = encoded(Image.fromarray(COLOURS), exif=exif)
    upright = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.swapaxes(0, 1),
        6: COLOURS.swapaxes(0, 1)[:, ::-1],
        7: COLOURS[::-1, ::-1].swapaxes(0, 1),
        8: COLOURS.swapaxes(0, 1)[::-1],
    }[orientation]
    assert np.array_equal(pixels(content), upright)
    assert is_rotated(load_picture(content, "picture")) == (orientation != 1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_meaningless_orientations_turn_nothing(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    assert np.array_equal(pixels(encoded(Image.fromarray(COLOURS), exif=exif)), COLOURS)


def test_tiff_is_turned_once():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    assert np.array_equal(pixels(encoded(Image.fromarray(COLOURS), "TIFF", exif=exif)), COLOURS.swapaxes(0, 1)[:, ::-1])


def test_damaged_exif_keeps_the_picture():
    content = encoded(Image.fromarray(COLOURS), exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f junk")
    assert np.array_equal(pixels(content), COLOURS)


def test_sixteen_bits_keep_their_range():
    wide = np.linspace(0, 65535, 16 * 12).reshape(12, 16).round().astype(np.uint16)
    grey = pixels(encoded(Image.fromarray(wide)))
    assert np.abs(grey[..., 0] - wide / 257).max() <= 0.5
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_floating_point_keeps_its_range():
    values = np.linspace(0, 1, 16 * 12, dtype=np.float32).reshape(12, 16)
    assert np.abs(pixels(encoded(Image.fromarray(values), "TIFF"))[..., 1] - values * 255).max() <= 0.5
    wide = pixels(encoded(Image.fromarray(values * 5000 - 1000), "TIFF"))[..., 1]
    assert np.abs(wide - values * 255).max() <= 0.51


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_other_modes(mode):
    """A uniform grey survives any mode."""
    level = 255 if mode == "1" else 153
    content = encoded(Image.new("RGB", (8, 8), (level,) * 3).convert(mode), "TIFF" if mode[0] in "CY" else "PNG")
    assert load_picture(content, "picture").mode == mode
    assert np.abs(pixels(content).astype(int) - level).max() <= 1


def test_transparency_shows_white():
    alpha = np.zeros((12, 16), dtype=np.uint8)
    alpha[:, 8:] = 255
    half = pixels(encoded(Image.fromarray(np.dstack([COLOURS, alpha]))))
    assert (half[:, :8] == 255).all()
    assert np.array_equal(half[:, 8:], COLOURS[:, 8:])

    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert (pixels(encoded(palette, transparency=1)) == 255).all()
    assert (pixels(encoded(palette, transparency=0)) == (10, 20, 30)).all()
    # A colour that counts as transparent in an RGB picture.
    keyed = pixels(encoded(Image.fromarray(np.full((4, 4, 3), 7, np.uint8)), transparency=(7, 7, 7)))
    assert (keyed == 255).all()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame(form):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    assert (pixels(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)) == (255, 0, 0)).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.9])
def test_a_cut_file_is_refused(form, share):
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = encoded(noise, form)
    with pytest.raises(UnreadablePicture):
        decode_picture(content[: int(len(content) * share)], "cut")


def test_refusals_say_what_is_wrong(tmp_path):
    def reason(content: bytes) -> str:
        file = tmp_path / "picture.jpg"
        file.write_bytes(content)
        with pytest.raises(UnreadablePicture) as caught:
            open_picture(file)
        assert "picture.jpg" in str(caught.value)
        return caught.value.reason

    assert reason(b"") == "the file is empty"
    assert reason(b"once upon a time") == "not a picture"
    jpeg = encoded(Image.fromarray(COLOURS).resize((200, 200)), "JPEG")
    assert reason(jpeg[:-200]) == "the file is cut short"
    with pytest.raises(UnreadablePicture, match="No such file"):
        open_picture(tmp_path / "none.jpg")
    with pytest.raises(UnreadablePicture, match="folder"):
        open_picture(tmp_path)
    with pytest.raises(UnreadablePicture):
        open_picture("nul\0byte.jpg")


def test_bombs_are_refused_before_they_are_decoded():
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    for width, height in ((10_000, LARGEST // 10_000 + 1), (65_500, 65_500)):
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        with pytest.raises(UnreadablePicture, match="pixels"):
            decode_picture(bomb, "bomb.png")


def test_postscript_never_starts_ghostscript():
    """Pillow would run the program `gs` on it, whatever the file is called."""
    with pytest.raises(UnreadablePicture, match="not a picture"):
        decode_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n", "kind.jpg")


def test_noise_is_never_more_than_refused():
    """Damaged headers and bodies of every format: refused or decoded, nothing else."""
    originals = [
        encoded(Image.fromarray(COLOURS), form) for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "ICO")
    ]
    rng = np.random.default_rng(1)
    decoded = 0
    for original in originals:
        for _ in range(60):
            damaged = bytearray(original)
            for place in rng.integers(0, len(damaged), 4):
                damaged[place] = rng.integers(256)
            with contextlib.suppress(UnreadablePicture):
                assert decode_picture(bytes(damaged), "damaged").mode == "RGB"
                decoded += 1
    assert 20 < decoded < 60 * len(originals)


@pytest.mark.parametrize("name", ["pipe", "folder", "zero", "x" * 300, "nul\0"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(UnreadablePicture):
        open_picture(tmp_path / name)


def test_a_sparse_file_is_refused_by_its_size(tmp_path):
    with (tmp_path / "sparse.jpg").open("wb") as stream:
        stream.truncate(20 * 2**30)
    with pytest.raises(UnreadablePicture, match="at most 537 MB are read"):
        open_picture(tmp_path / "sparse.jpg")


@pytest.mark.parametrize("mode", ["float", "16 bits", "transparent"])
def test_strips_give_what_the_whole_picture_gives(mode, monkeypatch):
    grey = {
        "float": RNG.normal(0, 40, (37, 23)).astype(np.float32),
        "16 bits": RNG.integers(0, 65536, (37, 23), dtype=np.uint16),
        "transparent": RNG.integers(0, 256, (37, 23, 4), dtype=np.uint8),
    }[mode]
    content = encoded(Image.fromarray(grey), "PNG" if mode != "float" else "TIFF")
    whole = pixels(content)
    monkeypatch.setattr("vitbench.data.pictures._STRIP", 50)
    assert np.array_equal(pixels(content), whole)


def test_large_float_pictures_take_little_memory_each_in_its_turn(tmp_path):
    """36 megapixels of float32 are 144 MB; three float64 copies were 860 MB, times the threads."""
    Image.fromarray(np.zeros((6000, 6000), dtype=np.float32)).save(tmp_path / "large.tif")
    program = (
        "import resource, sys, threading\n"
        "from vitbench.data.pictures import open_picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "threads = [threading.Thread(target=open_picture, args=(sys.argv[1],)) for _ in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "large.tif")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 550


def test_decoders_write_nothing_to_the_terminal(tmp_path):
    """libtiff speaks to file descriptor 2 itself, which only a process of its own shows."""
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "TIFF", compression="tiff_lzw")
    for place in range(8, len(buffer.getvalue()), 3):
        damaged = bytearray(buffer.getvalue())
        damaged[place] ^= 0xFF
        (tmp_path / f"{place}.tif").write_bytes(damaged)
    program = (
        "import sys, pathlib\n"
        "from vitbench.data.pictures import UnreadablePicture, open_picture\n"
        "refused = 0\n"
        "for file in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: open_picture(file)\n"
        "    except UnreadablePicture: refused += 1\n"
        "print(refused)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10
    assert done.stderr == ""


def test_pictures_that_need_more_say_what_to_do(tmp_path):
    for name, words in (("a.heic", "pillow-heif"), ("b.nef", "develop it"), ("c.svg", "export it")):
        (tmp_path / name).write_bytes(b"\0" * 64)
        assert f".{name[2:]}" in picture_extensions()
        with pytest.raises(UnreadablePicture, match=words):
            open_picture(tmp_path / name)


def test_the_limit_of_pixels_is_a_setting(tmp_path, monkeypatch):
    Image.new("L", (1200, 1000)).save(tmp_path / "large.png")
    monkeypatch.setenv("VITBENCH_LARGEST_PICTURE", "1")
    with pytest.raises(UnreadablePicture, match="VITBENCH_LARGEST_PICTURE=2 reads it"):
        open_picture(tmp_path / "large.png")
    monkeypatch.setenv("VITBENCH_LARGEST_PICTURE", "2")
    assert open_picture(tmp_path / "large.png").size == (1200, 1000)
    monkeypatch.setenv("VITBENCH_LARGEST_PICTURE", "1")
    allow_pictures(1.5)  # a recipe's data.largest_picture
    try:
        assert open_picture(tmp_path / "large.png").size == (1200, 1000)
    finally:
        allow_pictures(None)
    with pytest.raises(UnreadablePicture, match=r"or in a recipe data.largest_picture = 2"):
        open_picture(tmp_path / "large.png")
    monkeypatch.setenv("VITBENCH_LARGEST_PICTURE", "many")
    with pytest.raises(UserError, match="must be a number"):
        open_picture(tmp_path / "large.png")


def test_a_range_of_grey_values_is_that_of_the_data_set(tmp_path):
    ramp = np.linspace(0, 4080, 64, dtype=np.uint16)[None].repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "twelve.png")
    assert len(np.unique(np.asarray(open_picture(tmp_path / "twelve.png")))) < 20
    seen = np.asarray(open_picture(tmp_path / "twelve.png", (0.0, 4095.0)))
    assert len(np.unique(seen)) == 64
    assert seen.max() == 254


def test_files_of_several_frames_are_said(tmp_path):
    def frames():
        return [Image.new("RGB", (8, 6), (40 * n, 0, 0)) for n in range(3)]

    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for picture, ending in zip(frames(), ("tif", "gif", "png"), strict=True):
            picture.save(tmp_path / "data" / label / f"one.{ending}")
    for name in ("a/stack.tif", "a/film.gif", "a/film.webp", "a/film.png", "b/views.mpo"):
        first, *others = frames()
        first.save(tmp_path / "data" / name, save_all=True, append_images=others)
    index = open_index(str(tmp_path / "data"), store=tmp_path / "store")
    said = {problem.file for problem in index.problems if "several frames or pages" in problem.reason}
    assert said == {f"a/{name}" for name in ("stack.tif", "film.gif", "film.webp", "film.png")}
    again = open_index(str(tmp_path / "data"), store=tmp_path / "store")  # as it is remembered
    assert again.problems == index.problems
