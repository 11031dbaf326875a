"""The decoded cache: exact, made once, and whole or absent whatever happens while it is made."""

import multiprocessing
import os
import pickle
import resource
import time
from multiprocessing.queues import SimpleQueue

import numpy as np
import pytest
from pictures_for_tests import course

from vitbench.data.cache import open_cache
from vitbench.data.index import open_index
from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.resizing import FixedResize, ShortSide
from vitbench.data.split import with_validation
from vitbench.errors import UserError

SQUASH = FixedResize(Preprocessing(32, 24))
# A fork has its imports already.
FORK = multiprocessing.get_context("fork")


def make_in_process(index, store, pause: float, lines: SimpleQueue) -> None:
    """Makes the cache slowly and says how far it is, and at last how many pictures it decoded."""
    decoded = []

    def progress(done: int, total: int, what: str) -> None:
        if what.startswith("decoding"):
            decoded.append(done)
            lines.put(done)
            time.sleep(pause)

    open_cache(index, SQUASH, store=store, progress=progress)
    lines.put(f"{len(decoded)} decoded")


@pytest.fixture
def index(tmp_path, store):
    return open_index(str(course(tmp_path / "pets")), store=store)


@pytest.mark.parametrize(
    "resizing",
    [
        SQUASH,
        FixedResize(Preprocessing(24, 40, "crop", 0.9, "bicubic")),
        ShortSide(20, "bilinear"),
        ShortSide(35, "bicubic"),
        ShortSide(100, "bicubic"),
    ],
)
def test_equals_decoding_byte_for_byte(index, store, resizing):
    cache = open_cache(index, resizing, store=store)
    expected = [resizing.apply(open_picture(index.path(sample))) for sample in index.samples]
    for position, pixels in enumerate(expected):
        assert np.array_equal(cache.picture(position), pixels)
        assert pixels.shape[:2] == resizing.size(index.samples[position].width, index.samples[position].height)
    positions = np.array([7, 0, 29, 7])
    if isinstance(resizing, FixedResize):
        assert np.array_equal(cache.gather(positions), np.stack([expected[position] for position in positions]))
    again = pickle.loads(pickle.dumps(cache))
    assert np.array_equal(again.picture(3), expected[3])
    assert len(pickle.dumps(cache)) < 5000


def test_made_once_and_shared_by_every_split_and_copy(index, store, tmp_path):
    def forbidden(done: int, total: int, what: str) -> None:
        raise AssertionError(what)

    made = []
    open_cache(index, SQUASH, store=store, progress=lambda done, total, what: made.append((done, total)))
    assert made == [(done, 30) for done in range(1, 31)]
    open_cache(index, SQUASH, store=store, progress=forbidden)
    open_cache(with_validation(index, fraction=0.5, seed=1), SQUASH, store=store, progress=forbidden)
    # Normalisation comes after the cache; another interpolation does not.
    open_cache(index, FixedResize(Preprocessing(32, 24, mean=(0, 0, 0))), store=store, progress=forbidden)
    with pytest.raises(AssertionError, match="decoding"):
        open_cache(index, FixedResize(Preprocessing(32, 24, interpolation="bicubic")), store=store, progress=forbidden)


def test_interrupted_leaves_nothing(index, store):
    def interrupt(done: int, total: int, what: str) -> None:
        if done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_cache(index, SQUASH, store=store, progress=interrupt)
    assert list((store / "cache").iterdir()) == []


def test_killed_while_it_is_made(index, store):
    lines = FORK.SimpleQueue()
    process = FORK.Process(target=make_in_process, args=(index, store, 0.05, lines))
    process.start()
    while lines.get() != 9:
        pass
    process.kill()
    process.join()
    (left,) = (child for child in (store / "cache").iterdir() if child.is_dir())
    assert left.suffix == ".tmp"
    cache = open_cache(index, SQUASH, store=store)
    assert list((store / "cache").iterdir()) == [cache.folder]
    for position, sample in enumerate(index.samples):
        assert np.array_equal(cache.picture(position), SQUASH.apply(open_picture(index.path(sample))))


def test_two_processes_make_it_once(index, store):
    lines = FORK.SimpleQueue()
    processes = [FORK.Process(target=make_in_process, args=(index, store, 0.02, lines)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    said = [lines.get() for _ in range(32)]
    assert sorted(line for line in said if isinstance(line, str)) == ["0 decoded", "30 decoded"]


def test_a_full_disk_gets_a_sentence_and_leaves_nothing(index, store):
    """RLIMIT_FSIZE stops a file from growing as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UserError, match="no room for the decoded pictures"):
            open_cache(index, SQUASH, store=store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [child for child in (store / "cache").iterdir() if child.is_dir()]
    open_cache(index, SQUASH, store=store)


def test_a_picture_that_changed_meanwhile_is_not_cached(index, store):
    file = index.path(index.samples[12])
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="has changed since it was indexed"):
        open_cache(index, SQUASH, store=store)
    file.unlink()
    with pytest.raises(UserError, match=file.name):
        open_cache(index, SQUASH, store=store)
    assert not [child for child in (store / "cache").iterdir() if child.is_dir()]


def test_a_damaged_cache_is_named(index, store):
    cache = open_cache(index, SQUASH, store=store)
    os.truncate(cache.folder / "pixels.bin", 1000)
    with pytest.raises(UserError, match="damaged"):
        open_cache(index, SQUASH, store=store)


def test_a_folder_that_may_not_be_written(index, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    with pytest.raises(UserError, match="decoded pictures"):
        open_cache(index, SQUASH, store=blocked)
