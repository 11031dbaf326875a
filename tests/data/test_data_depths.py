"""Pictures of 12 to 64 bits, whole numbers and floating point, in several forms and together: right, or a sentence."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vitbench.data.index import open_index
from vitbench.data.layouts import recognise
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError


def twelve_bits(seed):
    return np.random.default_rng(seed).integers(0, 4096, (16, 16)).astype(np.uint16)


def fractions(seed, odd=0):
    values = np.random.default_rng(seed).random((16, 16)).astype(np.float32)
    values.flat[:odd] = np.resize([np.nan, np.inf, -np.inf], odd)
    return values


def save(array, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(file)


def tiff(file, values, photometric=1):
    """An uncompressed TIFF of grey [H, W] or colour [H, W, 3] values of any kind, which Pillow cannot write."""
    channels = 1 if values.ndim == 2 else 3
    bits, kind = 8 * values.dtype.itemsize, {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    behind = 8 + 2 + 10 * 12 + 4
    lists = struct.pack("<3H", *[bits] * 3) + struct.pack("<3H", *[kind] * 3)
    own = (bits, kind) if channels == 1 else (behind, behind + 6)
    height, width = values.shape[:2]
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, own[0]), (259, 3, 1, 1)),
        *((262, 3, 1, 2 if channels == 3 else photometric), (273, 4, 1, behind + 12), (277, 3, 1, channels)),
        *((278, 4, 1, height), (279, 4, 1, values.nbytes), (339, 3, channels, own[1])),
    ]
    directory = struct.pack("<H", 10) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"II*\0\x08\0\0\0" + directory + lists + values.tobytes())


def png_in_colour(file, values):
    """A PNG of 16 bits a channel from uint16 [H, W, 3]."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def index_of(root, store, **more):
    return open_index(str(root), store=store, **more)


def in_classes(root, write, count=2):
    """A picture by `write(file without ending, number)` in each of two class folders."""
    for number in range(2 * count):
        write(root / "ab"[number % 2] / str(number), number)


def test_values_that_are_no_numbers_are_named(tmp_path, store):
    in_classes(tmp_path / "d", lambda file, n: save(fractions(n, odd=5 * (n == 1)), file.with_suffix(".tif")))
    save(np.full((8, 8), np.nan, np.float32), tmp_path / "d" / "a" / "empty.tif")
    index = index_of(tmp_path / "d", store)
    assert {problem.file: problem.reason for problem in index.problems} == {
        "a/empty.tif": "holds no finite number",
        "b/1.tif": "holds 5 values that are no finite numbers: black, or white",
    }
    seen = np.asarray(open_picture(tmp_path / "d" / "b" / "1.tif", index.value_range))[..., 0].ravel()
    assert seen[:3].tolist() == [0, 255, 0]


def test_floating_point_beside_whole_numbers_does_not_train_silently(tmp_path, store):
    in_classes(tmp_path / "d", lambda file, n: save((twelve_bits, fractions)[n // 2](n), file.with_suffix(".tif")))
    (doubt,) = index_of(tmp_path / "d", store).doubts
    assert doubt.stops_training
    assert "2 pictures in floating point (up to" in doubt.reason
    assert not index_of(tmp_path / "d", store, value_range=(0.0, 4095.0)).doubts


def test_deep_grey_beside_eight_bits_is_said(tmp_path, store):
    def write(file, number):
        save(
            twelve_bits(number) if number > 1 else (twelve_bits(number) >> 4).astype(np.uint8), file.with_suffix(".png")
        )

    in_classes(tmp_path / "d", write)
    index = index_of(tmp_path / "d", store)
    assert any("2 pictures of more than 8 bits beside 2 of 8" in note for note in index.notes)
    assert index.value_range == (0.0, 4095.0)


@pytest.mark.parametrize("form", ["png", "tif"])
def test_few_bits_in_colours_of_sixteen_are_doubted(form, tmp_path, store):
    """Pillow reads the upper 8 of 16 bits: of 12 bits 16 shades are left."""
    write = {"png": png_in_colour, "tif": tiff}[form]
    for name, factor in (("dark", 1), ("full", 16)):
        in_classes(
            tmp_path / name,
            lambda file, n, factor=factor: write(
                file.with_suffix(f".{form}"), np.stack([twelve_bits(3 * n + k) * factor for k in range(3)], axis=-1)
            ),
        )
    (doubt,) = index_of(tmp_path / "dark", store).doubts
    assert doubt.stops_training
    assert "16 shades are left" in doubt.reason
    full = index_of(tmp_path / "full", store)
    assert not full.doubts
    assert "4 pictures in colour with 16 bits a channel: the upper 8 are read." in full.notes


def test_a_negative_of_sixteen_bits_is_turned(tmp_path, store):
    """WhiteIsZero, as X-ray machines write it; Pillow turns pictures of 8 bits alone."""
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    for number, photometric in enumerate((1, 0)):
        tiff(tmp_path / "d" / "ab"[number] / "1.tif", values, photometric)
    index = index_of(tmp_path / "d", store)
    black, white = (np.asarray(open_picture(index.path(sample), index.value_range)) for sample in index.samples)
    assert (black.astype(int) + white == 255).all()
    assert black[0, 0, 0] < black[-1, -1, 0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jpg", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "JPEG XL is not read"),
        ("a.jpg", b"\xff\x0a" + bytes(99), "JPEG XL is not read"),
        ("a.png", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300), "pillow-heif|cut short or damaged"),
        ("a.tif", bytes(128) + b"DICM" + bytes(99), "DICOM is not read"),
        ("a.jpg", b"<!DOCTYPE html><html>404", "a web page, as servers send it"),
        ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS .*: run git lfs pull"),
        ("a.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a drawing, not pixels"),
        ("a.jpg", b'{"error": "rate limit"}', "a text in JSON instead of a picture"),
        ("a.tif", None, "a TIFF of a kind that is not read"),
    ],
)
def test_a_file_is_told_by_its_bytes_where_its_name_says_another_thing(name, content, said, tmp_path):
    if content is None:
        tiff(tmp_path / name, fractions(0).astype(np.float64))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        open_picture(tmp_path / name)


def test_a_camera_s_pair_of_pictures_is_a_picture(tmp_path, store):
    picture = Image.fromarray(np.full((16, 16, 3), 90, np.uint8))
    for kind in "ab":
        (tmp_path / "d" / kind).mkdir(parents=True)
        picture.save(tmp_path / "d" / kind / "1.mpo", save_all=True, append_images=[picture])
    assert [sample.file for sample in index_of(tmp_path / "d", store).samples] == ["a/1.mpo", "b/1.mpo"]


def test_pictures_without_an_ending_are_told_by_their_bytes(tmp_path):
    draw = Image.new("RGB", (4, 4))
    draw.save(tmp_path / "0001", "PNG")
    with pytest.raises(UserError, match=r"0001 is a PNG by its bytes: give such files the ending .png"):
        recognise(tmp_path)
