"""What is found again by a key is what was meant: files by their bytes, networks by their modules."""

import gc
import os
from pathlib import Path

from torch import nn

from vitbench.compose.keys import file_key, module_key, reference_key


def hub_folder(folder: Path) -> Path:
    """A model of the hub's cache with two commits, the first of them main."""
    for commit in ("1a", "2b"):
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "model.safetensors").write_bytes(b"weights")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("1a")
    return folder


def test_a_reference_follows_the_files_that_it_names(tmp_path):
    hub = hub_folder(tmp_path / "models--a--b")
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"one")
    references = (str(hub), str(weights), f"timm:vit_tiny_patch16_224@{weights}")
    before = [reference_key(reference) for reference in references]
    assert before == [reference_key(reference) for reference in references]
    (hub / "refs" / "main").write_text("2b")
    times = weights.stat()
    weights.write_bytes(b"two")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))  # as rsync leaves it: size and time are as before
    after = [reference_key(reference) for reference in references]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_folder_that_cannot_be_listed_or_holds_pictures_has_no_files(tmp_path, monkeypatch):
    (tmp_path / "one.jpg").write_bytes(b"")
    assert reference_key(str(tmp_path)) == (str(tmp_path),)

    def refused(self: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refused)
    assert reference_key(str(tmp_path)) == (str(tmp_path),)
    assert file_key(str(tmp_path / "none.jpg"))[1:] == (0, 0, 0)


def test_no_two_modules_ever_have_one_key():
    keys = set()
    for _ in range(50):
        module = nn.Linear(1, 1)
        assert module_key(module) == module_key(module)
        keys.add(module_key(module))
        del module
        gc.collect()
    assert len(keys) == 50
