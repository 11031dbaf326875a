"""Tables of labels as programs and people write them; one that is not used is named with the reason."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench.data.encodings import decode
from vitbench.data.layouts import recognise
from vitbench.errors import UserError

_drawn = np.random.default_rng(2)


def draw(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_drawn.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(root / name)


def found(root: Path, chosen: str = "") -> dict[str, str | None]:
    return {entry.file: entry.label for entry in recognise(root, chosen).entries}


EXPECTED = {f"images/{n}.jpg": "dog" if n % 2 else "cat" for n in range(6)}
ROWS = [(f"{n}.jpg", "dog" if n % 2 else "cat") for n in range(6)]


def lines(header: str, row: str) -> str:
    return header + "".join(
        row.format(file=file, stem=file[:-4], label=label, n=file[0]) + "\n" for file, label in ROWS
    )


TABLES = {
    "semicolons": lines("filename;label\n", "{file};{label}"),
    "tabs in a CSV": lines("filename\tlabel\n", "{file}\t{label}"),
    "bars": lines("filename|label\n", "{file}|{label}"),
    "blanks after commas": lines("filename, label\n", "{file}, {label}"),
    "an index before": lines(",filename,label\n", "{n},{file},{label}"),
    "no header": lines("", "{file},{label}"),
    "no header, semicolons, another machine": lines("", "C:\\photos\\images\\{file};{label}"),
    "absolute path of another machine": lines("image_path,class\n", "/home/bob/data/images/{file},{label}"),
    "id": lines("id,breed\n", "{stem},{label}"),
    "image_id": lines("image_id,label\n", "{file},{label}"),
    "Image and Id": lines("Image,Id\n", "{file},{label}"),
    "no ending": lines("id_code,diagnosis\n", "{stem},{label}"),
    "quoted": lines('"filename","label"\n', '"{file}","{label}"'),
    "upper case names": lines("filename,label\n", "IMAGES/{file},{label}").replace(".jpg", ".JPG"),
    "camel case": lines("imagePath,className\n", "{file},{label}"),
    "label first": lines("label,file\n", "{label},{file}"),
    "trailing comma": lines("filename,label,\n", "{file},{label},"),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_any_dialect(tmp_path, name, encoding):
    draw(tmp_path, *EXPECTED)
    (tmp_path / "labels.csv").write_bytes(TABLES[name].encode(encoding))
    assert found(tmp_path) == EXPECTED


def test_one_hot_columns(tmp_path):
    draw(tmp_path, *EXPECTED)
    (tmp_path / "t.csv").write_text(
        "image,cat,dog\n" + "".join(f"{f[:-4]},{float(k == 'cat')},{float(k == 'dog')}\n" for f, k in ROWS)
    )
    assert found(tmp_path) == EXPECTED
    (tmp_path / "t.csv").write_text("image,cat,dog\n" + "".join(f"{f[:-4]},1,1\n" for f, _ in ROWS))
    with pytest.raises(UserError, match="several classes for one picture"):
        recognise(tmp_path)


@pytest.mark.parametrize(("column", "true"), [("is_valid", "val"), ("is_test", "test"), ("split", "")])
def test_splits_in_a_column(tmp_path, column, true):
    draw(tmp_path, *EXPECTED)
    values = ["train", "valid"] if column == "split" else ["False", "True"]
    rows = "".join(f"{f},{k},{values[n % 2]}\n" for n, (f, k) in enumerate(ROWS))
    (tmp_path / "t.csv").write_text(f"name,label,{column}\n{rows}")
    assert {entry.split for entry in recognise(tmp_path).entries} == {"train", true or "val"}


@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("cp1252", "café"),
        ("cp1252", "l’été “chaud”"),
        ("cp1251", "кошка"),
        ("koi8_r", "кошка"),
        ("cp866", "собака бежит"),
        ("mac_roman", "café"),
        ("cp850", "grüner Käfer"),
        ("cp1250", "żółta łąka"),
        ("cp1253", "σκύλος"),
        ("cp1254", "ağaç ışık"),
        ("cp1255", "כלב חום"),
        ("cp1256", "كلب بني"),
        ("gb18030", "一只小猫在睡觉"),
        ("shift_jis", "ねこです"),
        ("shift_jis", "猫"),
    ],
)
def test_local_encodings_are_found_and_said(tmp_path, encoding, label):
    draw(tmp_path, *EXPECTED)
    text = "filename,label\n" + "".join(f"{f},{label if k == 'cat' else 'dog'}\n" for f, k in ROWS)
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    layout = recognise(tmp_path)
    assert {entry.label for entry in layout.entries} == {label, "dog"}
    assert any("not UTF-8" in note for note in layout.notes)
    assert {entry.label for entry in recognise(tmp_path, f"table:encoding={encoding}").entries} == {label, "dog"}


def test_an_encoding_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="line 2"):
        decode("a\nbäb\n".encode("cp1252"), "t.csv", "utf-8")
    with pytest.raises(UserError, match="There is no encoding"):
        decode(b"a", "t.csv", "utf-99")


def test_several_tables(tmp_path):
    draw(tmp_path, *EXPECTED, "test/9.jpg")
    (tmp_path / "labels.csv").write_text(TABLES["id"])
    (tmp_path / "labels_old.csv").write_text("id,breed\n0,cow\n1,cow\n")
    (tmp_path / "sizes.csv").write_text("width,height\n1,2\n")
    (tmp_path / "sample_submission.csv").write_text("id,breed\n9,cat\n")
    layout = recognise(tmp_path)
    assert {entry.file: entry.label for entry in layout.entries} == EXPECTED
    said = "\n".join(layout.notes)
    for name in ("labels_old.csv is not used", "sizes.csv is not used", "sample_submission.csv is not used"):
        assert name in said
    assert [entry.file for entry in layout.unlabelled] == ["test/9.jpg"]
    assert found(tmp_path, "table:name=labels_old.csv") == {"images/0.jpg": "cow", "images/1.jpg": "cow"}


def test_where_the_label_is_open_the_choice_is_named(tmp_path):
    draw(tmp_path, *EXPECTED)
    rows = "".join(f"{f},{n},{'mf'[n % 2]},{'abc'[n % 3]}\n" for n, (f, _) in enumerate(ROWS))
    (tmp_path / "t.csv").write_text(f"file,age,gender,race\n{rows}")
    with pytest.raises(UserError, match="--as table:label=age"):
        recognise(tmp_path)
    assert set(found(tmp_path, "table:label=gender").values()) == {"m", "f"}
    with pytest.raises(UserError, match="no column 'colour'"):
        recognise(tmp_path, "table:label=colour")


def test_a_name_that_may_be_several_pictures_is_left_out(tmp_path):
    draw(tmp_path, "a/0.jpg", "b/0.jpg", "a/1.jpg", "b/2.jpg")
    (tmp_path / "t.csv").write_text("file,label\n0.jpg,cat\n1.jpg,dog\n2.jpg,cat\n")
    layout = recognise(tmp_path)
    assert {entry.file: entry.label for entry in layout.entries} == {"a/1.jpg": "dog", "b/2.jpg": "cat"}
    assert any("may be 2 pictures" in problem.reason for problem in layout.problems)


def test_pictures_with_several_labels_are_doubted(tmp_path):
    draw(tmp_path, *EXPECTED)
    (tmp_path / "t.csv").write_text("filename,label\n" + "".join(f"{f},cat\n{f},dog\n" for f, _ in ROWS))
    layout = recognise(tmp_path)
    assert any(doubt.stops_training and "several labels" in doubt.reason for doubt in layout.doubts)
    assert sum("named twice" in problem.reason for problem in layout.problems) == len(ROWS)


def test_a_spreadsheet_is_named_with_what_to_do(tmp_path):
    draw(tmp_path, "images/IMG_1.jpg", "images/IMG_2.jpg")
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"labels\.xlsx is a spreadsheet: save it as CSV"):
        recognise(tmp_path)


def test_a_split_first_without_a_header_and_a_list_with_the_path_last(tmp_path):
    draw(tmp_path / "a", *EXPECTED)
    parts = ("TRAIN", "VALIDATION", "TEST")
    rows = "".join(f"{parts[n % 3]},gs://bucket/images/{f},{k}\n" for n, (f, k) in enumerate(ROWS))
    (tmp_path / "a" / "import.csv").write_text(rows)
    assert found(tmp_path / "a") == EXPECTED
    assert {entry.split for entry in recognise(tmp_path / "a").entries} == {"train", "val", "test"}
    draw(tmp_path / "b", *EXPECTED)
    (tmp_path / "b" / "train.lst").write_text("".join(f"{n}\t{k}\timages/{f}\n" for n, (f, k) in enumerate(ROWS)))
    assert found(tmp_path / "b") == EXPECTED


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"conversations": []}, "carry no labels"),
        ({"conversations": [{"from": "human", "value": "What is it?"}]}, "carry no labels"),
        ({"tags": ["cat", "indoors"]}, "lists several labels for one picture .tags.*multilabel"),
        ({"tags": ["cat"]}, "lists several labels for one picture"),
    ],
)
def test_a_list_is_no_label(tmp_path, column, words):
    """An empty one, one of objects, of several, of one."""
    draw(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "list.json").write_text(json.dumps([{"image": name, **column} for name in ("a.jpg", "b.jpg")]))
    with pytest.raises(UserError, match=words):
        recognise(tmp_path)


def test_an_empty_list_beside_full_ones_is_no_label_either(tmp_path):
    draw(tmp_path, "a.jpg", "b.jpg")
    rows = [{"image": "a.jpg", "tags": []}, {"image": "b.jpg", "tags": ["cat", "dog"]}]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match="lists several labels"):
        recognise(tmp_path)
    assert {entry.file: entry.labels for entry in recognise(tmp_path, "table:several=yes").entries} == {
        "a.jpg": (),
        "b.jpg": ("cat", "dog"),
    }


def test_a_column_whose_values_hardly_repeat_is_no_label(tmp_path):
    names = [f"images/{n}.jpg" for n in range(12)]
    draw(tmp_path, *names)
    remarks = ["sharp", *(f"seen on day {n}" for n in range(10)), "sharp"]
    rows = (f"{n}.jpg,{remarks[n]},{'dog' if n % 2 else 'cat'}" for n in range(12))
    (tmp_path / "table.csv").write_text("image,when,sort\n" + "\n".join(rows) + "\n")
    assert found(tmp_path) == {name: "dog" if n % 2 else "cat" for n, name in enumerate(names)}


def test_the_column_named_for_the_file_counts_though_some_pictures_are_missing(tmp_path):
    draw(tmp_path, *(f"images/{n}.jpg" for n in range(2, 6)), *(f"small/s{n}.jpg" for n in range(6)))
    rows = (f"images/{n}.jpg,small/s{n}.jpg,{'dog' if n % 2 else 'cat'}" for n in range(6))
    (tmp_path / "table.csv").write_text("filename,other,label\n" + "\n".join(rows) + "\n")
    assert found(tmp_path) == {f"images/{n}.jpg": "dog" if n % 2 else "cat" for n in range(2, 6)}
