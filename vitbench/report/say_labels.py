"""The result of a network with several labels a picture, in sentences and a table of its labels."""

from collections.abc import Sequence

from vitbench.report.document import Block, Paragraph, TableBlock
from vitbench.report.wording import share
from vitbench.runs.evaluations import ScoredLabels

_MOST_LABELS = 20


def label_blocks(scores: Sequence[ScoredLabels], splits: Sequence[str]) -> list[Block]:
    """The evaluations, the one to report first; `splits` are theirs in words."""
    main, where = scores[0], splits[0]
    sentences = [
        f"Over {len(main.classes):,} labels of {main.pictures:,} pictures of {where}, the mean average precision is"
        f" {share(main.mean_average_precision)}; by chance it would be about {share(_chance(main))}, the mean share of"
        " pictures that have a label.",
        f"Where a label counts from a probability of 0.5 on, the mean F1 of the labels is {main.macro_f1:.3f}, and"
        f" {share(main.exact_match)} of the pictures have all of their labels right.",
        f"The mean loss is {main.mean_loss:.4f} nats per label.",
    ]
    if main.split in ("val", "validation"):
        sentences.append("This split also chose the checkpoint, so the numbers flatter; no test split was evaluated.")
    if main.split == "train":
        sentences.append("These pictures were trained on, so the numbers say nothing about new ones.")
    blocks: list[Block] = [Paragraph(" ".join(sentences))]
    for one, words in zip(scores[1:4], splits[1:4], strict=True):
        found = share(one.mean_average_precision)
        blocks.append(Paragraph(f"On {one.pictures:,} pictures of {words} the mean average precision is {found}."))
    rows = _rows(main)
    more = "" if len(rows) <= _MOST_LABELS else f" Shown are the {_MOST_LABELS} hardest of {len(rows):,}."
    words = f"Labels by their average precision, the hardest first.{more}"
    blocks.append(
        TableBlock(("label", "pictures that have it", "average precision"), tuple(rows[:_MOST_LABELS]), words)
    )
    return blocks


def _chance(scored: ScoredLabels) -> float:
    """The mean share of pictures that have a label, over the labels that one has: what a random order comes to."""
    known = [count for count in scored.document.get("positives", []) if count]
    return sum(known) / len(known) / max(1, scored.pictures) if known else 0.0


def _rows(scored: ScoredLabels) -> list[tuple[str, str, str]]:
    precisions = scored.document.get("average_precision", {})
    counts = dict(zip(scored.classes, scored.document.get("positives", []), strict=False))
    known = sorted(precisions.items(), key=lambda row: (float(row[1]), row[0]))
    return [(name, f"{counts.get(name, 0):,}", share(float(value))) for name, value in known]
