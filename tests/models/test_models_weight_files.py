"""Weight files are data: read whole, or refused in one sentence, and never run."""

import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vitbench.errors import UserError
from vitbench.models.weight_files import mismatch, read_weights

WEIGHTS = {"head.weight": torch.arange(6.0).reshape(2, 3), "head.bias": torch.tensor([1.0, -1.0])}


def same(read: dict[str, torch.Tensor]) -> bool:
    return read.keys() == WEIGHTS.keys() and all(torch.equal(read[key], WEIGHTS[key]) for key in WEIGHTS)


def test_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    assert same(read_weights(tmp_path / "a.safetensors"))


@pytest.mark.parametrize(
    "saved",
    [
        WEIGHTS,
        OrderedDict(WEIGHTS),
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS, "optimizer": {"state": {}}},
        {"model": {"state_dict": WEIGHTS}},
        {f"module.{key}": value for key, value in WEIGHTS.items()},
        {f"_orig_mod.{key}": value for key, value in WEIGHTS.items()},
        {f"_orig_mod.module.{key}": value for key, value in WEIGHTS.items()},
        {f"module._orig_mod.{key}": value for key, value in WEIGHTS.items()},
        {"state_dict": {"x": torch.zeros(1)}, "state_dict_ema": WEIGHTS},
    ],
)
def test_what_training_scripts_save(saved, tmp_path):
    torch.save(saved, tmp_path / "a.pth")
    assert same(read_weights(tmp_path / "a.pth"))


class Evil:
    """Unpickling it creates the file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_with_code_in_it_is_refused_and_never_runs(tmp_path, legacy):
    mark = tmp_path / "it_ran"
    file = tmp_path / "evil.pth"
    if legacy:
        file.write_bytes(pickle.dumps({"state_dict": Evil(mark)}))
    else:
        torch.save({"state_dict": WEIGHTS, "extra": Evil(mark)}, file)
    with pytest.raises(UserError, match="would run code"):
        read_weights(file)
    assert not mark.exists()
    # The control: this is what a plain unpickling does.
    if legacy:
        pickle.loads(file.read_bytes())
    else:
        torch.load(file, weights_only=False)
    assert mark.exists()


class Settings:
    """A class of someone's training script."""


def test_a_class_of_someone_s_script_is_refused(tmp_path):
    torch.save({"model": WEIGHTS, "settings": Settings()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="would run code"):
        read_weights(tmp_path / "a.pth")


def test_the_arguments_that_timm_s_training_script_saves_are_read(tmp_path):
    torch.save({"state_dict": WEIGHTS, "args": argparse.Namespace(lr=1.0)}, tmp_path / "a.pth.tar")
    assert same(read_weights(tmp_path / "a.pth.tar"))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_cut_file_is_one_sentence(tmp_path, name, kept):
    file = tmp_path / name
    save_file(WEIGHTS, file) if name.endswith("safetensors") else torch.save(WEIGHTS, file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError) as caught:
        read_weights(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"<html>404</html>", b"PK\x03\x04 no zip", b"\x80\x04N."])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.bin"])
def test_a_file_that_holds_something_else_is_one_sentence(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        read_weights(tmp_path / name)


def test_no_file_a_folder_and_no_tensors(tmp_path):
    with pytest.raises(UserError, match="no weight file"):
        read_weights(tmp_path / "nothing.pth")
    with pytest.raises(UserError, match="is a folder"):
        read_weights(tmp_path)
    torch.save({"epoch": 3, "names": ["a"]}, tmp_path / "a.pth")
    with pytest.raises(
        UserError, match="holds no weights: it is a dictionary with 'epoch', 'names', and no tensor in it"
    ):
        read_weights(tmp_path / "a.pth")


def test_a_mismatch_names_the_first_keys_and_counts_the_rest():
    module = torch.nn.Sequential(*[torch.nn.Linear(2, 2) for _ in range(4)])
    state = {"0.weight": torch.zeros(3, 2), "0.bias": torch.zeros(2), "other": torch.zeros(1)}
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state)
    assert mismatch(caught.value) == (
        "it lacks 1.weight, 1.bias, 2.weight and 3 more; the network has no place for other;"
        " shapes differ: 0.weight (3x2, needed 2x2)."
    )


def test_any_flipped_byte_gives_weights_or_a_sentence(tmp_path):
    for name, save in (("a.pt", torch.save), ("a.safetensors", save_file)):
        file = tmp_path / name
        save({"head.weight": torch.arange(12.0).reshape(3, 4)}, file)
        whole = file.read_bytes()
        read, refused = 0, []
        for place in range(0, len(whole), 3):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            try:
                read += bool(read_weights(file))
            except UserError as error:
                refused.append(str(error))
        assert read
        assert len(refused) > 20
        assert all(name in sentence for sentence in refused)


def test_weights_nested_in_themselves_end(tmp_path):
    cyclic = {}
    cyclic["state_dict"] = cyclic
    torch.save(cyclic, tmp_path / "cyclic.pth")
    with pytest.raises(UserError, match="no tensor in it"):
        read_weights(tmp_path / "cyclic.pth")


@pytest.mark.parametrize("name", ["pipe.pth", "pipe.safetensors", "pipe.npz"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="a pipe"):
        read_weights(tmp_path / name)


def test_an_archive_that_unpacks_to_all_memory_is_refused(tmp_path):
    """Compressed by hand: torch itself stores tensors as they are."""
    torch.save({"a": torch.zeros(2**25)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in plain.namelist():
            bomb.writestr(entry, plain.read(entry))
    assert len(read_weights(tmp_path / "plain.pt")) == 1
    assert (tmp_path / "bomb.pt").stat().st_size < 2**20
    with pytest.raises(UserError, match="would unpack to 134 MB"):
        read_weights(tmp_path / "bomb.pt")
