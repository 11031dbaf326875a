"""What a look at every file finds, and that it is taken once."""

import json
import shutil

import numpy as np
import pytest
from pictures_for_tests import course, draw
from PIL import ExifTags, Image

from vitbench.data import scan
from vitbench.data.index import open_index
from vitbench.data.summary import report, summarise


@pytest.fixture
def root(tmp_path):
    return course(tmp_path / "pets")


@pytest.fixture
def looked(monkeypatch):
    """Names of the files that were opened."""
    names = []
    original = scan.probe_picture
    monkeypatch.setattr(scan, "probe_picture", lambda path: (names.append(path.name), original(path))[1])
    return names


def test_bad_files_are_left_out_by_name(root, store):
    train = root / "train"
    (train / "0_0.jpg").write_bytes((train / "0_0.jpg").read_bytes()[:-150])
    (train / "1_1.jpg").write_bytes(b"")
    (train / "2_2.jpg").write_text("<html>404</html>")
    (train / "0_3.jpg").unlink()
    (train / "0_3.jpg").symlink_to("nowhere")
    (train / "1_99.jpg").mkdir()
    index = open_index(str(root), store=store)
    assert {problem.file: problem.reason for problem in index.problems} == {
        "train/0_0.jpg": "the file is cut short",
        "train/1_1.jpg": "the file is empty",
        "train/2_2.jpg": "a web page, as servers send it in the place of a picture: download it again",
        "train/0_3.jpg": "No such file or directory",
    }
    assert len(index.split("train")) == 23 - 4
    assert not {sample.file for sample in index.samples} & {problem.file for problem in index.problems}


def test_sizes_modes_and_rotation(tmp_path, store):
    root = tmp_path / "pictures"
    root.mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("L", (20, 10)).save(root / "a_1.jpg", exif=exif)
    Image.new("RGBA", (7, 9)).save(root / "a_2.png")
    first, second = open_index(str(root), store=store).samples
    assert (first.width, first.height, first.mode, first.rotated) == (10, 20, "L", True)
    assert (second.width, second.height, second.mode, second.rotated) == (7, 9, "RGBA", False)


def test_each_file_is_opened_once_and_a_changed_one_again(root, store, looked):
    first = open_index(str(root), store=store)
    assert sorted(looked) == sorted(file.name for file in root.rglob("*.jpg"))
    looked.clear()
    assert open_index(str(root), store=store) == first
    assert looked == []

    draw(root / "train" / "0_0.jpg", 777, 99, 98)
    draw(root / "train" / "5_500.jpg", 778)
    (root / "val" / "1_1.jpg").unlink()
    changed = open_index(str(root), store=store)
    assert sorted(looked) == ["0_0.jpg", "5_500.jpg"]
    assert next(sample for sample in changed.samples if sample.file == "train/0_0.jpg").width == 99
    assert "5" in changed.classes
    assert changed.fingerprint != first.fingerprint


def test_damaged_memory_means_looking_again(root, store, looked):
    first = open_index(str(root), store=store)
    (memory,) = (store / "indexes").iterdir()
    whole = memory.read_text()
    for damage in (whole[:100], "[]", "{}", json.dumps({"form": 1, "files": {"train/0_0.jpg": [1]}}), "\0"):
        memory.write_text(damage)
        looked.clear()
        assert open_index(str(root), store=store) == first
        assert len(looked) == len(first.samples)


def test_an_interrupted_look_is_remembered(root, store, looked):
    class EnoughError(Exception):
        pass

    def interrupt(done: int, total: int, what: str) -> None:
        assert total == 30
        if done == 20:
            raise EnoughError

    with pytest.raises(EnoughError):
        open_index(str(root), store=store, progress=interrupt)
    looked.clear()
    seen = []
    open_index(str(root), store=store, progress=lambda done, total, what: seen.append((done, total)))
    assert len(looked) == 10
    assert seen == [(done, 10) for done in range(1, 11)]


def test_a_store_that_cannot_be_written_is_no_hindrance(root, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "indexes").write_text("a file in the folder's place")
    assert len(open_index(str(root), store=blocked).samples) == 30


def test_the_fingerprint_is_of_names_labels_splits_and_contents(root, tmp_path, store):
    first = open_index(str(root), store=store).fingerprint
    shutil.copytree(root, tmp_path / "copy")
    assert open_index(str(tmp_path / "copy"), store=store).fingerprint == first
    fingerprints = {first}
    changes = [
        lambda copy: (copy / "train" / "0_0.jpg").rename(copy / "train" / "0_00.jpg"),
        lambda copy: (copy / "train" / "0_0.jpg").rename(copy / "train" / "1_0.jpg"),
        lambda copy: (copy / "train" / "0_0.jpg").rename(copy / "val" / "0_0.jpg.jpg"),
        lambda copy: draw(copy / "train" / "0_0.jpg", 4242),
        lambda copy: (copy / "val" / "0_0.jpg").unlink(),
    ]
    for number, change in enumerate(changes):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(root, copy)
        change(copy)
        fingerprints.add(open_index(str(copy), store=store).fingerprint)
    assert len(fingerprints) == 1 + len(changes)


def test_labels_that_training_and_evaluation_do_not_share(root, store):
    draw(root / "val" / "7_1.jpg", 1)
    draw(root / "train" / "8_1.jpg", 2)
    index = open_index(str(root), store=store)
    assert {(problem.file, problem.left_out) for problem in index.problems} == {
        ("val/7_1.jpg", False),
        ("train/8_1.jpg", False),
    }
    assert index.classes == ("0", "1", "2", "7", "8")
    assert len(index.samples) == 32


def test_a_picture_in_both_parts_is_named(root, store):
    shutil.copy(root / "train" / "1_4.jpg", root / "val" / "1_400.jpg")
    (problem,) = open_index(str(root), store=store).problems
    assert (problem.file, problem.left_out) == ("val/1_400.jpg", False)
    assert "train/1_4.jpg" in problem.reason


def test_summary_counts(root, store):
    (root / "train" / "0_0.jpg").write_bytes(b"")
    summary = summarise(open_index(str(root), store=store))
    by_hand = {str(label): {"train": 0, "val": 0} for label in range(3)}
    for file in root.rglob("*.jpg"):
        if file.stat().st_size:
            by_hand[file.name[0]][file.parent.name] += 1
    assert summary.counts == by_hand
    assert summary.sizes.width == (40, 48, 56)
    assert summary.sizes.height[0::2] == (30, 39)
    text = report(summary)
    assert "train/0_0.jpg: the file is empty" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("all"))
    assert row == ["all", "22", "7"]
    assert json.loads(json.dumps(summary.to_dict()))["pictures"] == {"train": 22, "val": 7}


def test_positions_and_splits_agree(root, store):
    index = open_index(str(root), store=store)
    for split in index.splits:
        assert [index.samples[position] for position in index.positions(split)] == index.split(split)
    together = np.concatenate([index.positions(split) for split in index.splits])
    assert sorted(together) == list(range(len(index.samples)))
    assert index.split("no such split") == []
