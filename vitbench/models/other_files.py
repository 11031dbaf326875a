"""What people take for a weight file: known by its first bytes, its name, or what is packed in it."""

import re
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

from vitbench.models.state_dicts import few
from vitbench.text import clean

_ENDING_FOR_PYTORCH = "vitbench reads the weights of PyTorch networks"
_FIRST_BYTES = {
    b"version https://git-lfs": "a Git LFS pointer, not the weights themselves; fetch them with `git lfs pull`.",
    b"version https://git-annex": "a git-annex pointer, not the weights themselves; fetch them with `git annex get`.",
    b"<!doctype": "a web page, not weights: the download ended on a page to log in, or on an error.",
    b"<html": "a web page, not weights: the download ended on a page to log in, or on an error.",
    b"<?xml": "an XML document, not weights: the download ended on an error, or it is the graph of OpenVINO.",
    b"\x89HDF": f"an HDF5 file, as Keras writes it; {_ENDING_FOR_PYTORCH}.",
    b"GGUF": "a GGUF file of quantised weights, which vitbench does not read; ask for .safetensors.",
    b"\x1f\x8b": "compressed by gzip; unpack it first.",
    b"Rar!": "packed by RAR; unpack it first.",
    b"7z\xbc\xaf": "packed by 7-Zip; unpack it first.",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it first.",
    b"ftrt": f"an engine of TensorRT for one GPU; {_ENDING_FOR_PYTORCH}: ask for those that it was built from.",
}
_ENDINGS = {
    ".onnx": f"an ONNX graph, whose weights have lost their names; {_ENDING_FOR_PYTORCH}: ask for the state dict that"
    " it was exported from.",
    ".msgpack": f"weights of Flax; {_ENDING_FOR_PYTORCH}: load the folder with transformers (from_flax=True), and save"
    " it again.",
    **dict.fromkeys((".engine", ".plan", ".trt"), f"an engine of TensorRT; {_ENDING_FOR_PYTORCH}."),
    **dict.fromkeys((".mlmodel", ".mlpackage"), f"a program of Core ML; {_ENDING_FOR_PYTORCH}."),
    **dict.fromkeys((".pdparams", ".pdiparams"), f"weights of PaddlePaddle; {_ENDING_FOR_PYTORCH}."),
    **dict.fromkeys((".index", ".data-00000-of-00001"), f"a part of a TensorFlow checkpoint; {_ENDING_FOR_PYTORCH}."),
    ".pte": f"a program of ExecuTorch; {_ENDING_FOR_PYTORCH}.",
    ".json": "a JSON document, not weights; name the weight file beside it, or the folder.",
}
_ONNX = re.compile(rb"^\x08.{1,3}\x12.(pytorch|tf2onnx|keras|onnx|skl2onnx|paddle)", re.DOTALL)
_WEIGHTS = (".pth", ".pt", ".bin", ".safetensors", ".ckpt", ".npz", ".tar", ".h5")


def what_it_is(path: Path, head: bytes) -> str | None:
    """What a file is that holds no weights of PyTorch, as the end of a sentence; None if nothing is known of it.

    `head` are its first bytes, up to 512.
    """
    start = head.lstrip().lower()
    for begins, what in _FIRST_BYTES.items():
        if start.startswith(begins.lower()):
            return what
    if head[4:8] == b"TFL3":
        return f"a network of TensorFlow Lite; {_ENDING_FOR_PYTORCH}."
    if _ONNX.match(head):
        return _ENDINGS[".onnx"]
    if head[257:262] == b"ustar":
        return _in_tar(path)
    if head.startswith(b"PK"):
        return _packed(path)
    plain = not head.startswith((b"\x80", b"PK")) and head[8:9] != b"{"
    return _ENDINGS.get(path.suffix.lower()) if plain or path.suffix.lower() in (".pdparams", ".msgpack") else None


def _packed(path: Path) -> str | None:
    """What a zip archive is, if not torch's own or numpy's."""
    with suppress(OSError, ValueError, zipfile.BadZipFile, NotImplementedError), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith(("data.pkl", ".npy")) for name in names):
            return None
        if any(name.endswith("model.weights.h5") for name in names):
            return f"a network of Keras; {_ENDING_FOR_PYTORCH}."
        if any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in names):
            return "a program of torch.export; where it was made, save model.state_dict() instead."
        return _unpack("a zip archive", names)
    return None


def _in_tar(path: Path) -> str | None:
    with suppress(OSError, tarfile.TarError), tarfile.open(path) as archive:
        names = [member.name for member in [archive.next() for _ in range(20)] if member is not None]
        # torch itself wrote archives of this kind until 2017.
        return None if {"pickle", "storages"} <= set(names) else _unpack("a tar archive", names)
    return None


def _unpack(kind: str, names: list[str]) -> str:
    weights = [clean(name) for name in names if name.lower().endswith(_WEIGHTS)]
    inside = few(weights or [clean(name) for name in names[:20]])
    return f"{kind} with {inside} in it; unpack it first." if names else f"{kind} with nothing in it."
