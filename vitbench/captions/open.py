"""Which captioner a reference names: the package's, a run's, one saved in a folder or a file."""

from pathlib import Path
from typing import Any, Protocol

from vitbench.captions.captioner import OpenedCaptioner, described_captioner
from vitbench.captions.catr_open import open_catr
from vitbench.captions.hugging_face import is_encoder_decoder, open_folder
from vitbench.captions.saved import is_captioner
from vitbench.errors import NoSuchRun, UserError
from vitbench.models.description import FILE_NAME, WEIGHTS_NAME
from vitbench.nearest import perhaps
from vitbench.paths import expanded, shipped_weights
from vitbench.text import clean


class RunStore(Protocol):
    """What opening a run needs of the store."""

    def find(self, text: str) -> Any: ...

    def names(self) -> list[str]: ...


def open_captioner(reference: str, store: RunStore | None = None) -> OpenedCaptioner:
    """The captioner that `reference` names, in evaluation mode on the CPU.

    `reference` is `demo`; a run with `@last`, `@best` or `@STEP`; a checkpoint folder or a `.safetensors` file with its
    JSON beside it; a checkpoint file of CATR with its `vocab.txt` beside it; a folder that Hugging Face's
    VisionEncoderDecoderModel was saved in. Raises UserError if it names nothing, or a network without captions.
    """
    if reference == "demo":
        return _demo()
    path = expanded(reference)
    if path.is_dir() and not _is_run(path):
        return _folder(path)
    if path.suffix == ".safetensors" and path.with_suffix(".json").is_file():
        source = f"The weights are those in {path}."
        return described_captioner(path.with_suffix(".json"), path, tag=path.stem, source=source)
    if path.is_file():
        return open_catr(path)
    if store is None:
        raise UserError(f"There is no captioner {reference}.")
    return _run(reference, store)


def pinned(reference: str, store: RunStore) -> str:
    """The reference with the checkpoint that it means now: `RUN@last` becomes `RUN@STEP`; others stay as they are.

    Raises UserError if it names no run, or one without a checkpoint.
    """
    if reference == "demo" or (expanded(reference).exists() and not _is_run(expanded(reference))):
        return reference
    text, _, which = reference.partition("@")
    run = _found(text, store)
    return f"{run.reference}@{run.checkpoint(which or 'best').step}"


def _is_run(folder: Path) -> bool:
    """Whether it is the folder of a run, which a store opens."""
    return (folder / "recipe.toml").is_file()


def _demo() -> OpenedCaptioner:
    weights = shipped_weights() / "captioner.safetensors"
    if not weights.exists():
        raise UserError(f"The package's trained captioner is missing ({weights}); `make weights` trains it.")
    source = "The weights are the package's, trained on Scenes."
    return described_captioner(weights.with_suffix(".json"), weights, tag="demo", source=source)


def _folder(folder: Path) -> OpenedCaptioner:
    if is_encoder_decoder(folder):
        return open_folder(folder)
    if not is_captioner(folder / FILE_NAME):
        raise UserError(f"{folder} holds no captioner: no {FILE_NAME} that describes one.")
    source = f"The weights are those in {folder}."
    return described_captioner(folder / FILE_NAME, folder / WEIGHTS_NAME, tag=folder.name, source=source)


def _run(reference: str, store: RunStore) -> OpenedCaptioner:
    text, _, which = reference.partition("@")
    run = _found(text, store)
    entry = run.checkpoint(which or "best")
    folder = Path(entry.folder)
    if not is_captioner(folder / FILE_NAME):
        raise UserError(f"Run {run.id} trains a classifier; name a run of task caption.")
    source = f"The weights are those of run {run.id} after step {entry.step:,}."
    return described_captioner(folder / FILE_NAME, folder / WEIGHTS_NAME, tag=f"{run.id}@{entry.step}", source=source)


def _found(text: str, store: RunStore) -> Any:
    try:
        return store.find(text)
    except NoSuchRun:
        near = perhaps(text, ["demo", *store.names()])
        raise UserError(
            f"There is no captioner and no run {clean(text)!r}{near}; name demo, a folder, or a run of task caption."
        ) from None
