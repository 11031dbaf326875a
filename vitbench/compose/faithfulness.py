"""The table of methods as a figure: a row a method, a panel a measure; what `faithfulness` saves beside its table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vitbench.faithfulness.pictures import MaskedData, open_masks
from vitbench.faithfulness.study import CONTROLS, Study, study
from vitbench.faithfulness.table import GROUPS, MEASURES, MethodRow, method_table
from vitbench.figures.plots import Forest, Interval
from vitbench.figures.provenance import file_hash
from vitbench.figures.sheet import Sheet
from vitbench.models.network import Network
from vitbench.progress import Progress, silent
from vitbench.requests.studies import FaithfulnessRequest

if TYPE_CHECKING:
    from vitbench.compose.sources import Sources

KIND = "faithfulness"
_SAME_FOR_ALL = ("chance", "leak_chance")
"""Facts of the pictures, not of a method."""


def measured(request: FaithfulnessRequest, network: Network, data: MaskedData, progress: Progress = silent) -> Study:
    """The study that is asked for. Raises UserError where it cannot be made."""
    return study(
        network,
        data.split(request.split, request.count, request.seed),
        request.methods,
        fill_with=request.fill,
        perturb=request.perturb,
        randomise=request.randomise,
        seed=request.seed,
        progress=progress,
    )


def faithfulness_sheet(
    request: FaithfulnessRequest, network: Network, found: Study, rows: Sequence[MethodRow], title: str
) -> Sheet:
    """Each picture's own class, all pictures: a plot for each measure that has numbers, with its interval."""
    own = [row for row in rows if row.group == "all"]
    names = tuple(row.method for row in own)
    plots = []
    for name, measure in MEASURES.items():
        estimates = [row.columns[name] for row in own]
        if name not in _SAME_FOR_ALL and any(estimates):
            sides = {True: "higher is better", False: "lower is better", None: "near 0 is better"}
            better = sides[measure.higher_is_better]
            values = tuple(None if e is None else Interval(e.value, e.low, e.high) for e in estimates)
            chance = dict(zip(names, values, strict=True)).get("random")
            words = name.replace("_ap", " AP").replace("_", " ")
            is_spelt = measure.title.lower() == name and measure.title != name  # mIoU, mAP
            short = measure.title if is_spelt else words[:1].upper() + words[1:]
            line = None if chance is None else chance.value
            plots.append(Forest(f"{short} ({better})", names, values, CONTROLS, line))
    caption = (
        f"{title}\nAll pictures, {GROUPS['all']} ({max((row.count for row in own), default=0)} maps). Points with"
        f" bootstrap intervals of 95% over pictures; blanked pixels are {request.fill}. Hollow: the controls, random"
        " numbers (dotted line) and the mask itself."
    )
    inputs = {"network weights": network.weights_hash}
    inputs |= {picture.file.name: file_hash(picture.file) for picture in found.pictures}
    facts = {"title": title, "network": network.name, "tag": network.tag, "source": network.source}
    return Sheet(KIND, request.record(), (), facts, caption, inputs, tuple(plots))


def title_of(network: Network, found: Study, data: MaskedData) -> str:
    """One line: which network, on which pictures."""
    return f"{network.name} ({network.tag}) on {len(found.pictures):,} pictures. {data.sentence}"


def compose_faithfulness(request: FaithfulnessRequest, sources: "Sources", progress: Progress = silent) -> Sheet:
    """Measures, and lays the plots. Raises UserError if the network or the data are gone, and says which."""
    _, network = sources.network(request.network, progress)
    data = open_masks(request.data, sources.folder, progress)
    found = measured(request, network, data, progress)
    return faithfulness_sheet(
        request, network, found, method_table(found, seed=request.seed), title_of(network, found, data)
    )
