"""Names of any bytes, Unicode form, case and blanks, in folders, tables and lists: found, or said."""

import os
import unicodedata

import pytest
from PIL import Image

from vitbench.data.layouts import recognise

COMPOSED = "café"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
LATIN = os.fsdecode(b"caf\xe9")


def draw(root, *names):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(root / name, format="JPEG")


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("cat", "cat "), True),
        (("cat", "cat\u200b"), True),
        (("cat", "\uff43at"), True),
        (("sea lion", "sea  lion"), True),
        ((COMPOSED, DECOMPOSED), True),
        (("cat", "cut"), False),
    ],
)
def test_classes_that_look_the_same_are_named(names, alike, tmp_path):
    draw(tmp_path, *(f"{name}/{number}.jpg" for name in names for number in range(3)))
    doubts = [str(doubt) for doubt in recognise(tmp_path).doubts]
    assert any("equal but for case, blanks or Unicode form" in doubt for doubt in doubts) == alike


@pytest.mark.parametrize(
    ("folder", "written"),
    [
        (LATIN, b"caf\xe9"),
        (DECOMPOSED, COMPOSED.encode()),
        (COMPOSED, DECOMPOSED.encode()),
        (COMPOSED, b"caf\xe9"),
        ("green tea", b"green%20tea"),
    ],
)
def test_lists_of_splits_find_names_of_any_bytes(folder, written, tmp_path):
    draw(tmp_path, *(f"images/{one}/{number}.jpg" for one in (folder, "milk") for number in range(4)))
    for split, numbers in (("train", range(3)), ("test", [3])):
        lines = [written + b"/%d.jpg\nmilk/%d.jpg\n" % (number, number) for number in numbers]
        (tmp_path / f"{split}.txt").write_bytes(b"".join(lines))
    splits = {entry.file: entry.split for entry in recognise(tmp_path).entries}
    assert splits == {
        f"images/{one}/{number}.jpg": "test" if number == 3 else "train"
        for one in (folder, "milk")
        for number in range(4)
    }


def test_a_table_finds_the_picture_that_is_written_so(tmp_path):
    draw(tmp_path, f"img/{COMPOSED}.jpg", f"img/{DECOMPOSED}.jpg", "img/One.jpg", "img/one.jpg")
    draw(tmp_path, "img/a b.jpg")
    rows = [f"{COMPOSED}.jpg,a", f"{DECOMPOSED}.jpg,b", "One.jpg,a", "one.jpg,b", "a%20b.jpg,b"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    layout = recognise(tmp_path)
    assert not layout.problems
    assert {entry.file: entry.label for entry in layout.entries} == {
        f"img/{COMPOSED}.jpg": "a",
        f"img/{DECOMPOSED}.jpg": "b",
        "img/One.jpg": "a",
        "img/one.jpg": "b",
        "img/a b.jpg": "b",
    }
