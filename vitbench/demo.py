"""The demo: the package's network learns 37 kinds that it has never seen, and figures show what it looks at."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.paths import sample_images
from vitbench.progress import Progress, silent
from vitbench.recipe import load_recipe
from vitbench.runs.store import Run, Store

if TYPE_CHECKING:
    from vitbench.compose.sources import Sources
    from vitbench.data.index import DataIndex

NAME = "demo"
PART_NAMES = {"test": "new pictures", "test_heldout": "new pictures with colours that training never showed"}
_MEASURED = 30
"""Pictures that the report measures maps and words on: more would make the demo longer than a person waits."""
_PICTURES = ("01_bowtie_ladder.png", "04_heart_square.png", "10_car.png")


def create_demo(store: Path) -> Run:
    """The demo's run, queued."""
    return Store(store).create(load_recipe("demo"), NAME, preset="demo")


def open_demo(run: Run, store: Path, progress: Progress = silent) -> "DataIndex":
    """The pictures of the demo's run, drawn if they are not there yet."""
    from vitbench.data.index import open_recipe_data

    return open_recipe_data(run.recipe(), store, progress)


def accuracy_before(run: Run, data: "DataIndex", progress: Progress = silent) -> float:
    """The accuracy (0 to 1) on the test split of the network that the run starts from, its new head untrained."""
    import torch

    from vitbench.models.network import build_network
    from vitbench.training.evaluation import evaluate_network

    network = build_network(run.recipe().model, num_classes=len(data.classes), labels=data.classes)
    # On the CPU, so that the GPU is free for the run.
    return evaluate_network(network, data, split="test", device=torch.device("cpu"), progress=progress).accuracy


def known_pictures(data: "DataIndex", count: int = 3) -> list[str]:
    """The first pictures of `count` kinds in the test split: the network that learned them knows what they show."""
    first: dict[int, str] = {}
    for position in data.positions("test"):
        sample = data.samples[position]
        first.setdefault(sample.label, str(data.path(sample)))
    return list(first.values())[:count]


def save_figures(
    network: str,
    folder: Path,
    store: Path,
    progress: Progress = silent,
    *,
    pictures: Sequence[str] = (),
    sources: "Sources | None" = None,
) -> list[Path]:
    """PNGs in `folder`: positions of `network`, its attention on `pictures`, and captions of sample pictures.

    `network` is a run, or `demo`, which knows the sample pictures; they are taken where no others are given. `sources`
    keep what was computed for a report that follows.
    """
    from vitbench.compose import compose
    from vitbench.compose.sources import Sources
    from vitbench.figures.save import sheet_bytes
    from vitbench.files.outputs import Outputs
    from vitbench.requests.attention import AttentionRequest
    from vitbench.requests.captions import CaptionRequest
    from vitbench.requests.positions import PositionRequest

    sources = sources or Sources(store)
    samples = [str(sample_images() / name) for name in _PICTURES]
    outputs = Outputs(store, inputs=pictures)
    positions = compose(PositionRequest(network=network), sources, progress)
    files = [outputs.write(folder / "positions.png", sheet_bytes(positions, ".png"))]
    for method in ("raw", "libra"):
        request = AttentionRequest(network=network, pictures=tuple(pictures) or tuple(samples), method=method)
        content = sheet_bytes(compose(request, sources, progress), ".png")
        files.append(outputs.write(folder / f"attention-{method}.png", content))
    for file in map(Path, samples[:2]):
        caption = compose(CaptionRequest(captioner="demo", picture=str(file), by_kind=True), sources, progress)
        files.append(outputs.write(folder / "captions" / file.name, sheet_bytes(caption, ".png")))
    return files


def save_report(run: Run, store: Path, progress: Progress = silent, *, sources: "Sources | None" = None) -> Path:
    """The report of the demo's run, in its folder; the answer is its page."""
    from vitbench.compose.sources import Sources
    from vitbench.files.outputs import Outputs
    from vitbench.report.making import PAGE, make_report
    from vitbench.requests.report import ReportRequest

    request = ReportRequest(run=run.id, count=_MEASURED)
    outputs = Outputs(store)
    sources = sources or Sources(store)
    report = make_report(request, sources, run.folder / "report", outputs=outputs, progress=progress)
    return report.folder / PAGE
