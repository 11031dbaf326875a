"""A network becomes a folder that another library loads; the two are compared before it appears."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from vitbench.errors import UserError
from vitbench.export import onnx_folder, pretrained_vit_folder, timm_folder, transformers_folder
from vitbench.export.card import Origin, model_card
from vitbench.export.formats import Format, find_format
from vitbench.files.outputs import Outputs
from vitbench.files.own_folders import make_own_folder, plan_own_folder
from vitbench.models.adaptation import state_on_cpu
from vitbench.models.network import Network, open_network
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store
from vitbench.text import clean, small_error

CARD_NAME, LABELS_NAME = "README.md", "classes.txt"
LARGEST_DIFFERENCE = 1e-4
"""Of logits in single precision, relative to the largest of them."""
_WRITERS: dict[str, ModuleType] = {
    "timm": timm_folder,
    "hf": transformers_folder,
    "pretrained_vit": pretrained_vit_folder,
    "onnx": onnx_folder,
}
_IMPORTED = {"timm": "timm", "hf": "transformers", "pretrained_vit": "pytorch_pretrained_vit", "onnx": "onnxruntime"}
_STEPS = 5


@dataclass(frozen=True)
class Exported:
    """The folder, what was compared, and a sentence for each thing that a person should know."""

    folder: Path
    format: str
    checked: str
    notes: tuple[str, ...]


def export_network(
    reference: str,
    store: Store,
    folder: Path,
    *,
    format: str,
    outputs: Outputs,
    half: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Writes the network that `reference` names (see `open_network`) into `folder`, whole or not at all.

    With `half` the weights are stored in half precision. The folder is opened by its library, where that is installed,
    and both networks are asked about the same pictures: UserError where the logits differ, and for a network that the
    library cannot compute.
    """
    form = find_format(format)
    writer = _WRITERS[format]
    if format == "onnx":
        onnx_folder.check_installed()
    plan_own_folder(outputs, folder)
    progress(0, _STEPS, "exporting")
    network = open_network(reference, store, progress)
    network.module.requires_grad_(False)
    state = _stored(network, half)
    notes = _notes(network, form)
    checked: list[str] = []

    def fill(unfinished: Path) -> None:
        progress(1, _STEPS, "exporting")
        writer.write(network, state, unfinished)
        progress(2, _STEPS, "exporting")
        checked.append(_compared(network, form, writer.open_again, unfinished, half))
        progress(3, _STEPS, "exporting")
        if network.labels:
            names = "".join(f"{clean(label)}\n" for label in network.labels)
            (unfinished / LABELS_NAME).write_text(names, encoding="utf-8")
        card = model_card(network, origin_of(network, reference, store), form, folder.name, half, checked[0], notes)
        (unfinished / CARD_NAME).write_text(card, encoding="utf-8")
        if not (unfinished / "preprocessing.json").exists():
            described = json.dumps(network.preprocessing.to_dict(), indent=1) + "\n"
            (unfinished / "preprocessing.json").write_text(described, encoding="utf-8")
        progress(4, _STEPS, "exporting")

    make_own_folder(outputs, folder, fill)
    progress(_STEPS, _STEPS, "exporting")
    return Exported(folder, form.name, checked[0], notes)


def origin_of(network: Network, reference: str, store: Store) -> Origin:
    """The run and step that the network which `open_network` gives for `reference` comes from, if from one."""
    name, _, step = network.tag.rpartition("@")
    if not name or not step.isdigit():
        return Origin()
    try:
        run = store.find(reference.partition("@")[0])
    except UserError:
        return Origin()
    return Origin(run, int(step)) if run.id == name else Origin()


def _stored(network: Network, half: bool) -> dict[str, Tensor]:
    state = state_on_cpu(network.module)
    if not half:
        return state
    largest = max((float(tensor.abs().max()) for tensor in state.values() if tensor.is_floating_point()), default=0.0)
    if largest > torch.finfo(torch.float16).max:
        raise UserError(f"A weight is {largest:.3g}, more than half precision holds; export it without --half.")
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _notes(network: Network, form: Format) -> tuple[str, ...]:
    notes = []
    if network.no_classes:
        notes.append(network.no_classes)
    elif network.labels is None:
        notes.append("The network does not say what its classes are called.")
    if form.name == "hf" and (sentence := transformers_folder.inexact(network.preprocessing)):
        notes.append(sentence)
    if network.preprocessing.value_range is not None:
        low, high = network.preprocessing.value_range
        notes.append(
            f"Pictures of more than 8 bits were read as black at {low:g} and white at {high:g}; other libraries have to"
            " be told so."
        )
    return tuple(notes)


def _compared(
    network: Network,
    form: Format,
    open_again: Callable[[Path, int], Callable[[Tensor], Tensor]],
    folder: Path,
    half: bool,
) -> str:
    """A sentence on how far the library's logits are from ours. Raises UserError where that is too far."""
    library = _IMPORTED[form.name]
    if find_spec(library) is None:
        return f"It was not opened by {library}, which is not installed here (pip install {form.package})."
    pixels = _pictures(network)
    with torch.inference_mode():
        ours = _outputs(network, form, pixels)
        theirs = open_again(folder, network.num_classes)(pixels.clone()).float()
    if theirs.shape != ours.shape:
        raise UserError(
            f"{library} gives {tuple(theirs.shape)} numbers instead of {tuple(ours.shape)}; nothing is kept."
        )
    difference = float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-12))
    said = f"Opened by {library} {version(form.package)}"
    what = "logits" if network.num_classes else "features"
    if half:
        one, other = (ours > 0, theirs > 0) if network.multilabel else (x.argmax(1, True) for x in (ours, theirs))
        same = int((one == other).all(dim=1).sum())
        if same < len(ours) and difference > 10 * torch.finfo(torch.float16).eps:
            raise UserError(
                f"In half precision {len(ours) - same} of {len(ours)} pictures got other classes; nothing is kept."
            )
        what = "labels were" if network.multilabel else "likeliest class was"
        return f"{said}, whose {what} the same for {same} of {len(ours)} test pictures (fp16)."
    if not difference <= LARGEST_DIFFERENCE:
        raise UserError(f"The {what} of {library} differ by {difference:.1e} of the largest; nothing is kept.")
    return f"{said}: its {what} differ by {small_error(difference)} of the largest on {len(ours)} test pictures."


def _pictures(network: Network) -> Tensor:
    """Normalised noise in blocks, [3, 3, height, width], always the same: smooth enough to give unlike answers."""
    height, width = network.image_size
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(3, 3, 4, 4, generator=random)
    fine = torch.rand(3, 3, height, width, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    pixels = (0.8 * smooth + 0.2 * fine).mul(255).to(torch.uint8).movedim(1, -1)
    return network.preprocessing.normalize(pixels)


def _outputs(network: Network, form: Format, pixels: Tensor) -> Tensor:
    """Logits; without a head what the module gives, or for transformers, which has no pooling there, class tokens."""
    if not network.num_classes and form.name == "hf":
        return network.backbone.features(pixels)[:, 0].float()
    given: Tensor = network.module(pixels)
    return given.float()


def names_of(reference: str, format: str) -> str:
    """A name for the folder of an export: the network's own, in letters, and the format."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in Path(reference).name)
    return f"{kept.strip('-.') or 'network'}-{format}"
