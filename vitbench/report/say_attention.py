"""Section 3 in sentences: where the network looks, and whether that depends on how distinct the object is."""

from collections.abc import Iterator
from typing import Any

from vitbench.report.document import Block, Listing, Paragraph, Section
from vitbench.report.facts import AttentionFacts, Relation
from vitbench.report.wording import interval, listed, number, share

_LOOKS = {
    "luminance_contrast": "the difference in luminance between object and background",
    "saturation_contrast": "the difference in saturation between object and background",
    "colourfulness": "the colourfulness of the background",
    "area": "the size of the object",
}
_SUBJECTS = _LOOKS | {"area": "the object"}
"""What is larger or smaller."""


def say_attention(facts: AttentionFacts) -> Section:
    """The whole section."""
    blocks: list[Block] = []
    if facts.pictures:
        blocks.append(Paragraph(" ".join(_chosen(facts))))
    blocks += [figure for figure in facts.figures if figure.name == "attention"]
    if facts.hits is not None:
        blocks.append(Paragraph(" ".join(_quality(facts))))
    if facts.remarks:
        blocks.append(Paragraph(_remarks(facts)))
    blocks += [figure for figure in facts.figures if figure.name != "attention"]
    if facts.relations:
        blocks.append(Listing(tuple(relation_sentence(one, facts.measured) for one in facts.relations)))
        blocks.append(Paragraph(_conclusion(facts)))
    blocks += facts.missing
    return Section("Attention", tuple(blocks))


def relation_sentence(relation: Relation, pictures: int) -> str:
    """What a correlation says: rises, falls, or cannot be told, by whether its interval holds 0."""
    look = _LOOKS.get(relation.look, relation.look)
    subject = _SUBJECTS.get(relation.look, relation.look)
    value = relation.correlation
    numbers = (
        f"rank correlation {number(value.value)}, 95% interval {number(value.low)} to {number(value.high)},"
        f" {pictures:,} pictures"
    )
    if value.low > 0:
        return f"The map is better the larger {subject} is ({numbers})."
    if value.high < 0:
        return f"The map is worse the larger {subject} is ({numbers})."
    return f"No relation with {look} can be told ({numbers})."


def _chosen(facts: AttentionFacts) -> Iterator[str]:
    count = len(facts.pictures)
    yield f"The figure shows {count} picture{'s' * (count != 1)} with the map of {facts.model} by {facts.method}."
    if facts.chosen_right:
        yield "They were chosen among those that the run names rightly, one per class."
    known = [_guess(one) for one in facts.pictures if one.get("top")]
    if known:
        yield f"The network takes them for {listed(known)}."


def _guess(picture: Any) -> str:
    top = picture["top"][0]
    probability = f" ({share(float(top['probability']))})" if "probability" in top else ""
    return f"{top['label']}{probability}"


def _quality(facts: AttentionFacts) -> Iterator[str]:
    hits, random = facts.hits, facts.random_hits
    assert hits is not None
    said = f"On {facts.measured:,} pictures with masks, the highest point of the map lies on the object in"
    said += f" {interval(hits, percent=True)}"
    if random is not None:
        said += f"; of random maps, in {interval(random, percent=True)}"
    yield f"{said}."
    if facts.pointing_ties:
        yield "A highest point that is as high on several pixels counts by the share of them on the object."
    if random is None:
        return
    if hits.low > random.high:
        yield "So the map finds the object."
    elif hits.high < random.low:
        yield "So the map points away from the object."
    else:
        yield "So this does not show that the map finds the object."
    if facts.taught:
        yield (
            "The package's classifier was taught where to look (its card tells how), so this says nothing of other"
            " networks."
        )


def _remarks(facts: AttentionFacts) -> str:
    if facts.remarks == 1:
        return f"There is one remark on the masks: {facts.remark.rstrip('.')}."
    return f"There are {facts.remarks:,} remarks on the masks; the first: {facts.remark.rstrip('.')}."


def _conclusion(facts: AttentionFacts) -> str:
    by_look = {one.look: one.correlation for one in facts.relations}
    distinct = [by_look[name] for name in ("luminance_contrast", "saturation_contrast") if name in by_look]
    rises, falls = any(one.low > 0 for one in distinct), any(one.high < 0 for one in distinct)
    if rises and not falls:
        said = "A more distinct object has the better map."
    elif falls and not rises:
        said = "A more distinct object has the worse map."
    elif rises and falls:
        said = "Distinctness helps in one respect and harms in the other."
    else:
        said = "These pictures do not show that a more distinct object has a better map."
    area = by_look.get("area")
    if area is not None and (area.low > 0 or area.high < 0) and (rises or falls):
        said += " The object's size is related to the score as well, so part of this may be size."
    return said
