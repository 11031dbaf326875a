"""A validation split: stratified, repeatable, and written so that a resumed run finds it again."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures_for_tests import course, draw
from PIL import Image

from vitbench.data.index import open_index
from vitbench.data.split import read_own_split, read_split, validation_part, with_validation, write_split
from vitbench.errors import UserError


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=200),
    st.floats(0.01, 0.99),
    st.integers(0, 2**63 - 1),
)
def test_each_class_gives_its_share(labels, fraction, seed):
    labels = np.array(labels)
    chosen = validation_part(labels, fraction=fraction, seed=seed)
    for label in np.unique(labels):
        members = int((labels == label).sum())
        validating = int(chosen[labels == label].sum())
        if members == 1:
            assert validating == 0
        else:
            assert 1 <= validating <= members - 1
            assert abs(validating - fraction * members) <= 1
    assert np.array_equal(chosen, validation_part(labels, fraction=fraction, seed=seed))


def test_the_seed_decides_and_each_class_by_itself():
    labels = np.repeat([0, 1], 50)
    first, second = (validation_part(labels, fraction=0.2, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first, second)
    # More pictures of one class change nothing in the other.
    more = validation_part(np.repeat([0, 1], [50, 70]), fraction=0.2, seed=0)
    assert np.array_equal(more[:50], first[:50])


def test_only_where_there_is_none(tmp_path, store):
    index = open_index(str(course(tmp_path / "pets")), store=store)
    assert with_validation(index, fraction=0.5, seed=0) is index
    for number in range(20):
        draw(tmp_path / "flat" / f"{number % 4}_{number}.jpg", number)
    flat = with_validation(open_index(str(tmp_path / "flat"), store=store), fraction=0.2, seed=0)
    assert (len(flat.split("train")), len(flat.split("val"))) == (16, 4)
    assert sorted(sample.label for sample in flat.split("val")) == [0, 1, 2, 3]
    assert flat.fingerprint == open_index(str(tmp_path / "flat"), store=store).fingerprint
    assert "4 pictures was drawn" in flat.sentence


def test_a_test_part_is_never_touched(tmp_path, store):
    for split in ("train", "test"):
        for number in range(12):
            draw(tmp_path / "pets" / split / f"{number % 2}_{number}.jpg", number + 100 * (split == "test"))
    index = open_index(str(tmp_path / "pets"), store=store)
    split = with_validation(index, fraction=0.25, seed=0)
    assert [len(split.split(name)) for name in ("train", "val", "test")] == [8, 4, 12]
    assert split.split("test") == index.split("test")
    only_test = replace(index, samples=tuple(index.split("test")))
    with pytest.raises(UserError, match="no pictures to train on"):
        with_validation(only_test, fraction=0.25, seed=0)


def test_written_and_read_again(tmp_path, store):
    root = tmp_path / "pets"
    for number in range(10):
        draw(root / f"a,\n\"b'_{number}.jpg", number)
    (root / "c_1.jpg").write_bytes(b"")
    index = open_index(str(root), store=store)
    split = with_validation(index, fraction=0.3, seed=7)
    file = tmp_path / "split.csv"
    write_split(split, file)
    assert read_split(index, file).samples == split.samples
    assert "c_1.jpg,,,the file is empty" in file.read_text()

    draw(root / "a_99.jpg", 99)
    with pytest.raises(UserError, match=r"1 are new.*a_99"):
        read_split(open_index(str(root), store=store), file)
    (root / "a_99.jpg").unlink()
    next(root.glob("*_3.jpg")).unlink()
    with pytest.raises(UserError, match="1 are gone"):
        read_split(open_index(str(root), store=store), file)


def test_a_picture_replaced_with_its_size_and_time_kept_is_seen(tmp_path, store):
    """As `cp -p` and `rsync` replace it: the remembered look must not stand for it."""
    root = tmp_path / "d"
    for kind in "ab":
        (root / "train" / kind).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (number, ord(kind), 0)).save(root / "train" / kind / f"{number}.bmp")
    split = with_validation(open_index(str(root), store=store), fraction=0.25, seed=0)
    write_split(split, tmp_path / "split.csv")
    changed = split.path(split.split("val")[0])
    facts = changed.stat()
    Image.new("RGB", (8, 8), "white").save(changed)
    os.utime(changed, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (changed.stat().st_size, changed.stat().st_mtime_ns) == (facts.st_size, facts.st_mtime_ns)
    with pytest.raises(UserError, match="has other contents"):
        read_own_split(open_index(str(root), store=store), tmp_path / "split.csv", "val")
