"""Section 2 in sentences: what the position embedding knows about place. Each measure says yes or no by its number."""

from collections.abc import Iterator

from vitbench.report.document import Block, Listing, Paragraph, Section, TableBlock
from vitbench.report.facts import PositionFacts, PositionScore
from vitbench.report.wording import chance, listed, number, share

SIGNIFICANT = 0.05
VISIBLE = 0.02
"""A mean change of a cosine that is smaller cannot be seen in the figure's colours."""
_KINDS = {
    "absolute": "learned position embedding",
    "rotary": "rotary positions",
    "relative_bias": "relative position bias",
}
_YES = {
    "locality": "Nearby patches are more alike than far ones: closeness and similarity have a rank correlation of"
    " {value}",
    "best_match_is_neighbour": "Patches are most like their neighbours: for {share} of them the most similar patch is"
    " one of the four around it",
    "row_lift": "Patches of one row are more alike than their distance tells, by {value}",
    "column_lift": "Patches of one column are more alike than their distance tells, by {value}",
    "additive_r2": "Row and column are coded apart: a vector a row plus one a column explains {share} of what differs"
    " (adjusted R²)",
    "toeplitz_r2": "How two patches lie to each other tells how alike they are: their offset alone explains {share} of"
    " the similarities (R²)",
}
_PARTLY = {
    "best_match_is_neighbour": "Patches are more often most like a neighbour than by chance, though only {share} of"
    " them are",
    "additive_r2": "Row and column are coded apart in part: a vector a row plus one a column explains {share} of what"
    " differs (adjusted R²)",
    "toeplitz_r2": "How two patches lie to each other tells a part of how alike they are: their offset alone explains"
    " {share} of the similarities (R²)",
}
"""What is said of a share below a half that is no accident either."""
_NO = {
    "locality": "Nearby patches are not more alike than far ones: closeness and similarity have a rank correlation of"
    " {value}",
    "best_match_is_neighbour": "Patches are not most like their neighbours: the most similar patch is one of the four"
    " around it for only {share}",
    "row_lift": "Patches of one row are not more alike than their distance tells: the difference is {value}",
    "column_lift": "Patches of one column are not more alike than their distance tells: the difference is {value}",
    "additive_r2": "Row and column are not coded apart: a vector a row plus one a column explains {share} of what"
    " differs (adjusted R²)",
    "toeplitz_r2": "How two patches lie to each other does not tell their similarity: their offset alone explains"
    " {share} (R²)",
}
_SHORT = {
    "locality": "nearby patches alike (rank correlation)",
    "best_match_is_neighbour": "best match is a neighbour (share)",
    "row_lift": "rows alike beyond distance (cosine)",
    "column_lift": "columns alike beyond distance (cosine)",
    "additive_r2": "row plus column (adjusted R²)",
    "toeplitz_r2": "offset alone (R²)",
}


def say_positions(facts: PositionFacts) -> Section:
    """The whole section."""
    blocks: list[Block] = []
    if facts.scores:
        blocks.append(Paragraph(_summary(facts)))
    blocks += facts.figures
    if facts.scores:
        blocks.append(Listing(tuple(map(score_sentence, facts.scores))))
        blocks.append(
            Paragraph(
                f"p is the share of {facts.shuffles:,} shuffles of the patches (and of the true order itself) that"
                f" score as high; {SIGNIFICANT} or less counts as no accident."
            )
        )
        blocks += _change(facts)
    blocks += facts.missing
    return Section("Position embeddings", tuple(blocks))


def holds(score: PositionScore) -> bool:
    """Whether a measure shows what its name says: above 0, and above what shuffled patches reach."""
    return score.value > 0 and score.p_value <= SIGNIFICANT


def score_sentence(score: PositionScore) -> str:
    """What one measure says, yes or no."""
    table = (_PARTLY | _YES if score.value >= 0.5 else _YES | _PARTLY) if holds(score) else _NO
    words = table.get(score.name, f"{score.name} is {{value}}")
    said = words.format(value=number(score.value), share=_share(score.value))
    ending = ", as shuffled patches do" if not holds(score) and score.p_value > SIGNIFICANT else ""
    if said.endswith(")") and not ending:
        return f"{said[:-1]}, {chance(score.p_value)})."
    return f"{said}{ending} ({chance(score.p_value)})."


def _share(value: float) -> str:
    return share(value) if value >= 0 else number(value)


def _summary(facts: PositionFacts) -> str:
    yes = [score for score in facts.scores if holds(score)]
    rows, columns = facts.grid
    kind = _KINDS.get(facts.kind, facts.kind)
    of = f"the {kind} of {rows}x{columns} patches"
    if len(yes) == len(facts.scores):
        return f"{of[:1].upper()}{of[1:]} knows where a patch lies: all {len(yes)} measures say so."
    if not yes:
        return (
            f"{of[:1].upper()}{of[1:]} does not tell where a patch lies: none of {len(facts.scores)} measures is above"
            " what shuffled patches give."
        )
    return (
        f"{of[:1].upper()}{of[1:]} knows in part where a patch lies: {len(yes)} of {len(facts.scores)} measures say so."
    )


def _change(facts: PositionFacts) -> Iterator[Block]:
    if facts.change is None:
        return
    size = number(facts.change, 3) if facts.change >= 0.0005 else "less than 0.001"
    if facts.change == 0:
        yield Paragraph(
            "The training did not change this: the similarities are those from before it, to the last digit."
        )
        return
    if facts.change < VISIBLE:
        yield Paragraph(
            f"The training hardly changed this: similarities differ by {size} on average (mean absolute difference of"
            " cosines) from those before it, which the figure cannot show."
        )
    else:
        yield Paragraph(
            f"The training changed this: similarities differ by {size} on average (mean absolute difference of cosines)"
            " from those before it."
        )
    known = [score for score in facts.scores if score.before is not None]
    if known and facts.change < VISIBLE and all(number(one.before or 0.0) == number(one.value) for one in known):
        yield Paragraph("Each measure is the same before and after, to two decimals.")
    elif known:
        rows = tuple((_SHORT.get(one.name, one.name), number(one.before or 0.0), number(one.value)) for one in known)
        yield TableBlock(("measure", "before", "after"), rows)
        turned = [_SHORT.get(one.name, one.name) for one in known if _held_before(one) != holds(one)]
        if turned:
            yield Paragraph(f"What was true before and is not now, or the other way round: {listed(turned)}.")


def _held_before(score: PositionScore) -> bool:
    before = PositionScore(
        score.name, score.before or 0.0, 1.0 if score.before_p_value is None else score.before_p_value
    )
    return holds(before)
