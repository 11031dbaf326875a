"""Scenes as files: the same bytes again, COCO's masks are the drawn ones, mistakes leave nothing behind."""

import hashlib
import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from vitbench.cli import main
from vitbench.data.scenes import NEW_KINDS, SPLITS, describe, drawing, render, scene_of
from vitbench.data.scenes.annotations import run_lengths
from vitbench.data.scenes.export import write_scenes
from vitbench.data.scenes.samples import draw_samples
from vitbench.data.scenes.scene import is_held_out
from vitbench.errors import UserError
from vitbench.paths import sample_images

ARGUMENTS = ["--count", "40", "--size", "48", "--kinds", "new", "--seed", "4"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "set"
    assert main(["scenes", str(folder), *ARGUMENTS]) == 0
    return folder


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truths(folder, split):
    return [json.loads(row) for row in (folder / "annotations" / f"scenes_{split}.jsonl").read_text().splitlines()]


def decoded(segmentation):
    """A mask from COCO's run lengths, by their definition: columns first, zeros first."""
    height, width = segmentation["size"]
    mask, position = np.zeros((height, width), dtype=bool), 0
    for number, length in enumerate(segmentation["counts"]):
        for pixel in range(position, position + length):
            mask[pixel % height, pixel // height] = number % 2 == 1
        position += length
    assert position == height * width
    return mask


def test_files_are_the_same_bytes_again_and_another_seed_gives_others(written, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    again.mkdir()  # An empty folder may stand there already.
    assert main(["scenes", str(again), *ARGUMENTS]) == 0
    assert main(["scenes", str(other), *ARGUMENTS[:-1], "5"]) == 0
    assert digests(written) == digests(again)
    assert len(digests(written)) == 40 + 3 * len(SPLITS)
    assert not set(digests(written).values()) & set(digests(other).values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "other"]


@pytest.mark.parametrize("split", SPLITS)
def test_a_file_shows_the_scene_that_its_truth_tells(written, split):
    rows = truths(written, split)
    assert sorted(row["file_name"] for row in rows) == sorted(path.name for path in (written / split).iterdir())
    for index, row in enumerate(rows):
        scene = scene_of(split, index, seed=4, kinds="new", width=48, height=48)
        assert (np.asarray(Image.open(written / split / row["file_name"])) == render(scene).pixels).all()
        assert row["file_name"].split("_")[0] == row["label"] == scene.label
        assert row["caption"] == str(describe(scene)) == " ".join(word["text"] for word in row["words"])
        colours = {thing["kind"]: thing["colour"] for thing in row["scene"]["objects"]}
        assert is_held_out(row["label"], colours[row["label"]]) == (split == "test_heldout")
        assert len(row["labels"]) == len(colours)


@pytest.mark.parametrize("split", SPLITS)
def test_coco_masks_are_the_drawn_masks(written, split):
    document = json.loads((written / "annotations" / f"instances_{split}.json").read_text())
    names = {category["id"]: category["name"] for category in document["categories"]}
    assert tuple(names.values()) == NEW_KINDS
    for image in document["images"]:
        scene = scene_of(split, image["id"], seed=4, kinds="new", width=48, height=48)
        masks = render(scene).masks
        annotations = [row for row in document["annotations"] if row["image_id"] == image["id"]]
        assert [names[row["category_id"]] for row in annotations] == [thing.kind for thing in scene.objects]
        for row, mask in zip(annotations, masks, strict=True):
            assert (decoded(row["segmentation"]) == mask).all()
            assert row["area"] == mask.sum()
            ys, xs = np.nonzero(mask)
            assert row["bbox"] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
    ids = [row["id"] for row in document["annotations"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("split", SPLITS)
def test_captions_are_the_sentences(written, split):
    document = json.loads((written / "annotations" / f"captions_{split}.json").read_text())
    files = {image["id"]: image["file_name"] for image in document["images"]}
    captions = {files[row["image_id"]]: row["caption"] for row in document["annotations"]}
    assert captions == {row["file_name"]: row["caption"] + "." for row in truths(written, split)}


@pytest.mark.parametrize("mask", [np.zeros((3, 4), bool), np.ones((3, 4), bool), np.eye(5, dtype=bool)])
def test_run_lengths_of_empty_full_and_diagonal_masks(mask):
    assert (decoded({"size": mask.shape, "counts": run_lengths(mask)}) == mask).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "at least 10 scenes"),
        (["--kinds", "old"], "choose base or new"),
        (["--size", "5"], "32 to 4096"),
        (["--seed", "-1"], "0 or more"),
    ],
)
def test_mistakes_are_one_sentence(arguments, message, tmp_path, capsys):
    assert main(["scenes", str(tmp_path / "x"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_there_already_stays_as_it_is(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    (tmp_path / "file").write_text("a file")
    for place in ("mine", "file"):
        assert main(["scenes", str(tmp_path / place), "--count", "10"]) == 2
        assert "name a new folder" in capsys.readouterr().err
    assert main(["scenes", str(tmp_path / "file" / "below"), "--count", "10"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "three years"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_an_interrupted_writing_leaves_nothing(tmp_path):
    def interrupt(done, total, what):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "set", count=20, size=32, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_scenes(tmp_path / "set", count=20, size=32)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def two_processes(monkeypatch):
    """As on two cores, for a set that is small enough for a test: its training part is drawn by two processes."""
    monkeypatch.setattr(drawing, "usable_cores", lambda: 2)
    monkeypatch.setattr(drawing, "_WORTH_A_PROCESS", 10)
    started = []
    popen = subprocess.Popen

    def noted(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return started


def test_two_processes_draw_the_same_bytes_as_one(written, two_processes, tmp_path):
    assert main(["scenes", str(tmp_path / "set"), *ARGUMENTS]) == 0
    assert len(two_processes) == 2
    assert digests(tmp_path / "set") == digests(written)
    assert [process.poll() is None for process in two_processes] == [False, False]


def test_processes_end_with_who_asked_them(two_processes, tmp_path):
    def interrupt(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "set", count=40, size=32, progress=interrupt)
    assert len(two_processes) == 2
    assert [process.poll() is None for process in two_processes] == [False, False]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            lambda folder, processes: [path.rename(folder / "gone") for path in folder.glob(".set*/train")],
            "No such file",
        ),
        (lambda folder, processes: processes[1].kill(), "was ended"),
    ],
)
def test_what_stops_a_process_is_said_and_leaves_no_set(trouble, said, two_processes, tmp_path):
    def at_first(done, total, what):
        if done == 1:
            trouble(tmp_path, two_processes)

    with pytest.raises(UserError, match=said):
        write_scenes(tmp_path / "set", count=900, size=32, progress=at_first)
    assert not [path for path in tmp_path.iterdir() if path.name != "gone"]


def test_the_sample_pictures_are_drawn_again_to_the_same_bytes(tmp_path):
    names = draw_samples(tmp_path)
    assert digests(tmp_path) == digests(sample_images())
    sizes = [Image.open(tmp_path / name).size for name in names]
    assert 12 <= len(names) <= 20
    assert {max(size) for size in sizes} == {384}
    assert sum(width > height for width, height in sizes) >= 3
    assert sum(width < height for width, height in sizes) >= 3
    rows = json.loads((tmp_path / "truth.json").read_text())
    assert len({row["label"] for row in rows}) == len(rows)
    for row, (width, height) in zip(rows, sizes, strict=True):
        masks = [decoded(instance["segmentation"]) for instance in row["instances"]]
        assert {mask.shape for mask in masks} == {(height, width)}
        assert len(masks) == len(row["scene"]["objects"])
