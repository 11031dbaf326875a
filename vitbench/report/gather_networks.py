"""Facts that ask networks: positions, attention, captions. What cannot be had becomes a `Missing` that says why."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitbench.captions.index import open_caption_data
from vitbench.captions.open import open_captioner, pinned
from vitbench.comparing.rows import read_answers
from vitbench.compose.grounding import Grounded, grounding_sheet, measure_grounding
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.methods import DEFAULT_METHOD, METHODS
from vitbench.progress import Progress
from vitbench.recipe import Recipe
from vitbench.report.document import FigureBlock, Missing
from vitbench.report.drawing import Drawer
from vitbench.report.facts import (
    AttentionFacts,
    CaptionFacts,
    PositionFacts,
    PositionScore,
    Relation,
    RoleFacts,
)
from vitbench.requests.attention import AttentionRequest
from vitbench.requests.captions import CaptionRequest
from vitbench.requests.positions import PositionRequest
from vitbench.requests.report import DistinctnessRequest, ReportRequest
from vitbench.requests.studies import GroundingRequest
from vitbench.runs.evaluations import Scored, ScoredLabels
from vitbench.statistics import Estimate, wilson_interval

DEMO = "demo"
_DEMO_SCENES = "scenes:base?count=600&size=96&seed=5"
"""Scenes that the package's captioner was not trained on."""
_CAPTIONED = 2


def gather_positions(reference: str, drawer: Drawer) -> PositionFacts:
    """The grid of similarities with its measures, before the training too where that can be had."""
    missing: list[Missing] = []
    try:
        sheet = drawer.compose(PositionRequest(network=reference, before=True))
    except UserError as error:
        missing.append(Missing(f"There is nothing from before the training to compare with: {error}"))
        try:
            sheet = drawer.compose(PositionRequest(network=reference))
        except UserError as refusal:
            return PositionFacts("", (0, 0), (), 0, missing=(Missing(str(refusal)),))
    facts = sheet.facts
    both = bool(sheet.request.get("before"))
    kind = str(facts["kind"])
    after = facts["scores"].get(f"after {kind}" if both else kind, [])
    before = {one["name"]: one for one in facts["scores"].get(f"before {kind}", [])} if both else {}
    scores = tuple(
        PositionScore(
            one["name"],
            one["value"],
            1.0 if one["p_value"] is None else one["p_value"],
            before.get(one["name"], {}).get("value"),
            before.get(one["name"], {}).get("p_value"),
        )
        for one in after
        if one["value"] is not None
    )
    if unknown := [one["name"] for one in after if one["value"] is None]:
        missing.append(Missing(f"The grid is too small for these measures: {', '.join(unknown)}."))
    rows, columns = facts["grid"]
    words = "Cosine similarity of each patch's position embedding (a tile) with all others"
    words += ", before and after the training." if both else "."
    figures = (drawer.figure("positions", sheet, words),)
    shuffles = int(sheet.request.get("permutations", 0))
    return PositionFacts(kind, (int(rows), int(columns)), scores, shuffles, facts["change"], figures, tuple(missing))


def gather_attention(
    reference: str, request: ReportRequest, recipe: Recipe, scored: Scored | ScoredLabels | None, drawer: Drawer
) -> AttentionFacts:
    """The maps of chosen pictures, and on pictures with masks the relation of looks and quality."""
    model = request.attention_model or reference
    missing: list[Missing] = []
    figures: list[FigureBlock] = []
    told: tuple[dict[str, object], ...] = ()
    try:
        method = request.method or _method(model, drawer.sources)
    except UserError as error:
        return AttentionFacts(model, "", missing=(Missing(str(error)),))
    shown = drawer.sources.title(drawer.sources.networks.pinned(model))
    title = METHODS[method].title
    title = title[:1].lower() + title[1:] if title[1:2].islower() and " " in title and method == "raw" else title
    pictures = request.pictures or _right_pictures(scored)
    chosen = bool(pictures) and not request.pictures
    if pictures:
        try:
            asked = AttentionRequest(network=model, pictures=tuple(pictures), method=method)
            sheet = drawer.compose(asked)
            figures.append(drawer.figure("attention", sheet, f"What {shown} looks at: {title}."))
            told = tuple(sheet.facts["pictures"])
        except UserError as error:
            missing.append(Missing(str(error)))
    else:
        words = "No pictures were chosen, and the run has no evaluation to choose them from."
        missing.append(Missing(words, f"vitbench report {request.run} --pictures IMAGE IMAGE"))
    data = request.masks or recipe.data.path
    facts = AttentionFacts(shown, title, told, chosen_right=chosen, figures=tuple(figures), missing=tuple(missing))
    return _measured(facts, data, model, method, request, recipe, drawer)


def _measured(
    facts: AttentionFacts,
    data: str,
    model: str,
    method: str,
    request: ReportRequest,
    recipe: Recipe,
    drawer: Drawer,
) -> AttentionFacts:
    how = f"vitbench report {request.run} --masks DIR"
    try:
        sheet = drawer.compose(DistinctnessRequest(network=model, data=data, method=method, count=request.count))
    except UserError as error:
        said = f"How the map depends on the object was not measured, for want of pictures with masks: {error}"
        return _with(facts, missing=(*facts.missing, Missing(said, how)))
    found = sheet.facts
    own, random = found["scores"].get(method, {}), found["scores"].get("random", {})
    relations = tuple(
        Relation(claim["look"], Estimate(**claim["correlation"]))
        for claim in found["claims"]
        if claim["quality"] == "iou"
    )
    missing = list(facts.missing)
    if not relations:
        words = f"{found['pictures']} pictures with masks are too few for a correlation; ten are needed."
        missing.append(Missing(words, how))
    words = (
        f"Objects from the least to the most distinct in luminance, with the map ({facts.method}) below and its IoU"
        f" with the object; {len(found['shown'])} of {found['pictures']} measured pictures. {found['data']}"
    )
    figure = drawer.figure("distinctness", sheet, words)
    problems = [str(problem) for problem in found["problems"]]
    hits = own.get("pointing")
    pictures = int(found["pictures"])
    return _with(
        facts,
        remarks=len(problems),
        remark=problems[0] if problems else "",
        pointing_ties=hits is not None and not math.isclose(hits["value"] * pictures, round(hits["value"] * pictures)),
        measured=int(found["pictures"]),
        hits=_share_of(own.get("pointing"), int(found["pictures"])),
        random_hits=_share_of(random.get("pointing"), int(found["pictures"])),
        taught=model == DEMO or (request.attention_model is None and recipe.model.name == DEMO),
        area=_estimate(own.get("chance")),
        relations=relations,
        figures=(*facts.figures, figure),
        missing=tuple(missing),
    )


def gather_captions(request: ReportRequest, task: str, model: str, drawer: Drawer, progress: Progress) -> CaptionFacts:
    """Captions of pictures with the map of each word, and the grounding table by role.

    `task` and `model` are the recipe's: the package's classifier has the package's captioner beside it.
    """
    reference = request.captions or (request.run if task == "caption" else DEMO if model == DEMO else None)
    if reference is None:
        words = "No captioner was named, so nothing is said of captions."
        return CaptionFacts("", missing=(Missing(words, f"vitbench report {request.run} --captions RUN"),))
    sources = drawer.sources
    try:
        named = pinned(reference, sources.store)
        captioner = open_captioner(named, sources.store)
        address = request.captions_data or _caption_data(reference, sources)
    except UserError as error:
        return CaptionFacts(reference, missing=(Missing(str(error)),))
    how = f"vitbench report {request.run} --captions {reference} --captions-data DIR"
    if address is None:
        words = f"{captioner.name} does not say on which pictures it learned; name some with captions."
        return CaptionFacts(captioner.name, missing=(Missing(words, how),))
    missing: list[Missing] = []
    figures: list[FigureBlock] = []
    captions: list[tuple[str, str]] = []
    try:
        data = open_caption_data(address, sources.folder, progress)
        split = next((name for name in ("test", "val") if data.split(name)), None)
        some = data.split(split) if split else data.pictures
        apart = max(1, len(some) // _CAPTIONED)
        for number, picture in enumerate(some[::apart][:_CAPTIONED], start=1):
            sheet = drawer.compose(CaptionRequest(captioner=named, picture=str(picture.file), by_kind=True))
            captions.append((Path(picture.file).name, str(sheet.facts["text"])))
            words = f"The picture behind each word of “{captions[-1][1]}” ({sheet.facts['maps']})."
            figures.append(drawer.figure(f"caption-{number}", sheet, words))
        asked = GroundingRequest(
            captioner=named, data=address, split=split or "train", limit=request.count, by_kind=True
        )
        grounded = measure_grounding(asked, captioner, sources.folder, progress, data)
    except UserError as error:
        missing.append(Missing(str(error), how))
        return CaptionFacts(captioner.name, "", 0, (), tuple(captions), tuple(figures), tuple(missing))
    roles = roles_of(grounded)
    if all(role.auc is None for role in roles):
        words = "No word has a mask in these data, so how well its map finds what it means is not known."
        missing.append(Missing(words, how))
    contrasted: tuple[RoleFacts, ...] = ()
    if grounded.heads_used:
        # A single head is more concentrated than the mean of many: kinds are compared with all by the mean.
        by_mean = measure_grounding(asked.changed(by_kind=False), captioner, sources.folder, progress, data)
        contrasted = roles_of(by_mean)
    sheet = grounding_sheet(grounded)
    figures.append(drawer.figure("grounding", sheet, "How well each kind of word finds what it means; 95% intervals."))
    count = min(request.count, len(some))
    return CaptionFacts(
        captioner.name,
        grounded.title.partition(" pictures: ")[2],
        count,
        roles,
        tuple(captions),
        tuple(figures),
        tuple(missing),
        grounded.heads_said,
        contrasted,
    )


def roles_of(grounded: Grounded) -> tuple[RoleFacts, ...]:
    """The grounding table, a fact a role."""
    return tuple(
        RoleFacts(
            row.role,
            row.count,
            row.columns["auc"],
            row.columns["pointing"],
            row.columns["chance"],
            row.columns["entropy"],
            row.columns["deletion_drop"],
        )
        for row in grounded.rows
    )


def _caption_data(reference: str, sources: Sources) -> str | None:
    """The pictures that belong to a captioner: those of its run, or for the package's own generated scenes."""
    if reference == DEMO:
        return _DEMO_SCENES
    try:
        return sources.store.find(reference.partition("@")[0]).recipe().data.path
    except UserError:
        return None


def _method(model: str, sources: Sources) -> str:
    """Raw attention, as reports show it; another one where the network has no attention over the whole picture."""
    _, network = sources.network(model)
    return "raw" if network.backbone.refusal is None else DEFAULT_METHOD


def _right_pictures(scored: Scored | ScoredLabels | None, most: int = 3) -> list[str]:
    """Pictures of different classes that the network names rightly."""
    if scored is None:
        return []
    try:
        answers = read_answers(scored)
    except UserError:
        return []
    first: dict[str, str] = {}
    for file, label, correct in zip(answers.files, answers.labels, answers.correct, strict=True):
        path = Path(scored.root) / str(file)
        if correct and str(label) not in first and path.is_file():
            first[str(label)] = str(path)
        if len(first) == most:
            break
    return list(first.values())


def _estimate(values: dict[str, float] | None) -> Estimate | None:
    return None if values is None else Estimate(**values)


def _share_of(values: dict[str, float] | None, pictures: int) -> Estimate | None:
    """A share of the pictures with Wilson's interval: resampling gives none where all or no map hits."""
    if values is None:
        return None
    return Estimate(values["value"], *wilson_interval(round(values["value"] * pictures), pictures))


def _with(facts: AttentionFacts, **changes: Any) -> AttentionFacts:
    return replace(facts, **changes)
