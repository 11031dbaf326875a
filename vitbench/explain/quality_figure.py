"""The table of methods as a figure: a row a method, a panel a measure; what `faithfulness` saves beside its table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from vitbench.errors import UserError
from vitbench.explain.explanation import METHODS
from vitbench.explain.quality_pictures import MaskedData, open_masks
from vitbench.explain.quality_study import CONTROLS, Study, study
from vitbench.explain.quality_table import GROUPS, MEASURES, MethodRow, method_table
from vitbench.figures.measures import Interval, MeasurePanel, measure_figure
from vitbench.figures.provenance import file_hash, provenance
from vitbench.models.network import Network, open_network
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KIND = "faithfulness"
_SAME_FOR_ALL = ("chance", "leak_chance")
"""Facts of the pictures, not of a method."""


class FaithfulnessRequest(BaseModel):
    """Which network's maps are measured, by which methods, on which pictures with masks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    data: str
    """An absolute folder, or `scenes:...`."""
    split: str | None = None
    methods: list[str] = list(METHODS)
    count: int = 100
    fill: str = "black"
    perturb: bool = True
    randomise: bool = True
    seed: int = 0


def measured(request: FaithfulnessRequest, network: Network, data: MaskedData, progress: Progress = silent) -> Study:
    """The study that is asked for. Raises UserError where it cannot be made."""
    return study(
        network,
        data.part(request.split, request.count, request.seed),
        request.methods,
        fill_with=request.fill,
        perturb=request.perturb,
        randomise=request.randomise,
        seed=request.seed,
        progress=progress,
    )


def quality_figure(rows: Sequence[MethodRow], title: str, fill: str) -> "Figure":
    """Each picture's own class, all pictures: a panel for each measure that has numbers, with its interval."""
    own = [row for row in rows if row.group == "all"]
    names = [row.method for row in own]
    panels = []
    for name, measure in MEASURES.items():
        estimates = [row.columns[name] for row in own]
        if name not in _SAME_FOR_ALL and any(estimates):
            better = {True: "higher is better", False: "lower is better", None: "no contest"}[measure.higher_is_better]
            values = [None if e is None else Interval(e.value, e.low, e.high) for e in estimates]
            short = measure.title if measure.title.lower() == name else name.replace("_", " ")  # mIoU, mAP
            panels.append(MeasurePanel(short, better, values))
    caption = (
        f"{title}\nAll pictures, {GROUPS['all']} ({max((row.count for row in own), default=0)} maps). Points with"
        f" bootstrap intervals of 95% over pictures; blanked pixels are {fill}. Hollow: the controls, random numbers"
        " (dotted line) and the mask itself."
    )
    return measure_figure(names, panels, caption, hollow=CONTROLS, line="random")


def figure_facts(request: FaithfulnessRequest, network: Network, found: Study, title: str) -> dict[str, Any]:
    """What the figure records: the request, and the hashes of weights and pictures."""
    inputs = {"network weights": network.weights_hash}
    inputs |= {picture.file.name: file_hash(picture.file) for picture in found.pictures}
    facts = {"title": title, "network": network.name, "tag": network.tag, "source": network.source}
    return provenance(KIND, request.model_dump(), inputs, facts)


def title_of(network: Network, found: Study, data: MaskedData) -> str:
    """One line: which network, on which pictures."""
    return f"{network.name} ({network.tag}) on {len(found.pictures):,} pictures. {data.sentence}"


def remake(recorded: dict[str, Any], store: Store, progress: Progress = silent) -> tuple["Figure", dict[str, Any]]:
    """The figure again, measured again, and its facts now. Raises UserError if what was recorded does not fit."""
    try:
        request = FaithfulnessRequest.model_validate(recorded["request"])
    except ValidationError as error:
        raise UserError(
            f"What the figure records is not a request for faithfulness ({error.error_count()} errors)."
        ) from error
    network = open_network(request.network, store, progress)
    data = open_masks(request.data, store.folder, progress)
    found = measured(request, network, data, progress)
    title = title_of(network, found, data)
    figure = quality_figure(method_table(found, seed=request.seed), title, request.fill)
    return figure, figure_facts(request, network, found, title)
