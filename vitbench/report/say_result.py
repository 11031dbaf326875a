"""Section 1 in sentences: the test result, the setting, the training."""

from collections.abc import Iterator

import numpy as np

from vitbench.report.document import Block, Code, FigureBlock, Heading, Paragraph, Section, TableBlock
from vitbench.report.facts import Course, ResultFacts, SettingFacts, TriedFacts
from vitbench.report.say_labels import label_blocks
from vitbench.report.say_setting import setting_sentences
from vitbench.report.say_tried import say_tried
from vitbench.report.wording import number, share
from vitbench.runs.evaluations import OWN_SPLITS, Scored

_SPLITS = {"test": "test split", "val": "validation split", "validation": "validation split", "train": "training split"}
_CURVES = {
    "train/loss": "training loss",
    "validation/loss": "validation loss",
    "validation/accuracy": "validation accuracy",
    "validation/exact_match": "share of validation captions that are right word for word",
    "validation/cider": "CIDEr-D of the validation captions",
    "validation/mean_average_precision": "mean average precision on validation",
}
_OF_LABELS = {"validation/exact_match": "share of validation pictures that have all of their labels right"}
"""What a scalar of the same name is where pictures have several labels."""
_NEW_COLOURS = "test_heldout"
_CAPTIONED = (
    ("bleu4", "BLEU-4 (0 to 1)"),
    ("rouge_l", "ROUGE-L (0 to 1)"),
    ("cider", "CIDEr-D (0 to 10)"),
    ("exact_match", "right word for word"),
    ("slot_accuracy", "colours, kinds, sizes and numbers that are right"),
    ("hallucination", "claims that are not true of the picture"),
    ("token_accuracy", "next words that are right, the true ones before them given"),
)
"""Scores of a captioner in their order; those from `exact_match` on are shares."""
_SHARES = frozenset(name for name, _ in _CAPTIONED[3:])


def say_result(result: ResultFacts, setting: SettingFacts, tried: TriedFacts) -> Section:
    """The whole section."""
    blocks: list[Block] = []
    if result.scores:
        main = result.scores[0]
        blocks.append(Code(report_line(main)))
        blocks.append(Paragraph(" ".join(_score_sentences(main))))
        generated = setting.recipe.data.path.startswith("scenes:")
        blocks += [Paragraph(_other(one, generated)) for one in result.scores[1:4]]
        blocks.append(Paragraph(" ".join(_mistake_sentences(main, result.mistakes_shown))))
    blocks += _captioned(result)
    if result.labels:
        blocks += label_blocks(result.labels, [_split_words(one.split) for one in result.labels])
    blocks += _of(result.figures, "confusion", "mistakes")
    blocks += list(result.missing)
    blocks += [Heading("The setting"), Paragraph(" ".join(setting_sentences(setting)))]
    if result.probed:
        blocks += _probed(result)
    if result.courses:
        blocks += [
            Heading("The training"),
            Paragraph(" ".join(_course_sentence(one, result.task) for one in result.courses)),
        ]
    blocks += _of(result.figures, "curves")
    blocks.append(Heading("What else was tried"))
    blocks += say_tried(tried)
    return Section("The result", tuple(blocks))


def _probed(result: ResultFacts) -> Iterator[Block]:
    """The heads of a linear probe."""
    metric = result.probe_metric.replace("_", " ")
    said = {rate: share(value) if "accuracy" in metric else number(value, 4) for rate, value in result.probed}
    if result.probe_rate in said:
        edge = result.probe_rate in (result.probed[0][0], result.probed[-1][0]) and len(result.probed) > 1
        equal = sum(value == dict(result.probed)[result.probe_rate] for _, value in result.probed)
        beyond = " That lies at the edge of what was tried: a better one may lie beyond." * edge
        if equal > 1:
            beyond = f" {equal} heads share that score, so it tells nothing of which rate is better."
        yield Paragraph(
            f"The head of the learning rate {result.probe_rate:g} was taken, with {said[result.probe_rate]}"
            f" ({metric} on the validation split).{beyond}"
        )
    yield TableBlock(
        ("learning rate", f"validation {metric}"), tuple((f"{rate:g}", text) for rate, text in said.items())
    )


def _captioned(result: ResultFacts) -> Iterator[Block]:
    """The scores of a captioner, which has no accuracy."""
    known = [(name, words) for name, words in _CAPTIONED if name in result.captioned]
    if not known:
        return
    split = _SPLITS[result.captioned_split]
    flatters = "" if split == "test split" else " This split also chose the checkpoint, so the numbers flatter."
    yield Paragraph(
        "The run trains a captioner, which has no accuracy: the sentences that it writes at step"
        f" {result.step:,} were compared with those of the {split}.{flatters}"
    )
    rows = tuple(
        (words, share(result.captioned[name]) if name in _SHARES else number(result.captioned[name], 3))
        for name, words in known
    )
    yield TableBlock((f"captions of the {split}", "score"), rows)


def report_line(scored: Scored) -> str:
    """The line that a training script of the course prints."""
    name = _SPLITS.get(scored.split, scored.split).removesuffix(" split").capitalize()
    return (
        f"{name} set: Average loss: {scored.mean_loss:.4f},"
        f" Accuracy: {scored.correct}/{scored.pictures} ({100 * scored.accuracy:.1f}%)"
    )


def _score_sentences(scored: Scored) -> Iterator[str]:
    split = _split_words(scored.split)
    yield (
        f"Of {scored.pictures:,} pictures of {split}, {scored.correct:,} were given the right class:"
        f" {share(scored.accuracy)}, with a 95% interval (Wilson) from {share(scored.low)} to {share(scored.high)}."
        f" The mean loss is {scored.mean_loss:.4f} nats per picture."
    )
    if len(scored.classes) > 5:
        yield f"The right class is among the five likeliest for {share(scored.accuracy_top5)}."
    totals = np.array(scored.document["confusion"], dtype=np.int64).sum(axis=1)
    most, count = int(totals.argmax()), int(totals.max())
    always = count / max(1, int(totals.sum()))
    naming = f"always naming the commonest class ({scored.classes[most]}) would be right for {share(always)}"
    if scored.low > always:
        yield f"That is above chance: {naming}, which lies below the interval."
    elif scored.high < always:
        yield f"That is worse than guessing: {naming}, which lies above the interval."
    else:
        yield f"It cannot be told from guessing: {naming}, which lies inside the interval."
    if scored.split in ("val", "validation"):
        yield "This split also chose the checkpoint, so the number flatters; there is no evaluation of a test split."
    if scored.split == "train":
        yield "These pictures were trained on, so the number says nothing about new ones."


def _other(scored: Scored, generated: bool) -> str:
    # What this split of generated scenes is for, nobody could guess from its name.
    new = ", whose largest objects have colours that training never showed them in" * (scored.split == _NEW_COLOURS)
    return (
        f"On {scored.pictures:,} pictures of {_split_words(scored.split)}{new * generated} it is right for"
        f" {scored.correct:,}: {share(scored.accuracy)} (95% interval {share(scored.low)} to {share(scored.high)})."
    )


def _split_words(split: str) -> str:
    if split in _SPLITS:
        return f"the {_SPLITS[split]}"
    words = split.replace("_", " ")
    return f"the split “{words}”" if split not in OWN_SPLITS else words


def _mistake_sentences(scored: Scored, shown: int) -> Iterator[str]:
    confusion = np.array(scored.document["confusion"], dtype=np.int64)
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        yield "No picture was given a wrong class."
        return
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    most = int(wrong[row, column])
    pairs = int((wrong == most).sum())
    times = {1: "once", 2: "twice"}.get(most, f"{most:,} times")
    if pairs > 1:
        more = "" if most == 1 else ", and none more often"
        yield f"No confusion stands out: {pairs:,} pairs of classes were confused {times} each{more}."
    else:
        yield f"The most frequent confusion is of {scored.classes[row]} with {scored.classes[column]}: {times}."
    totals = confusion.sum(axis=1)
    shares = np.where(totals > 0, np.diag(confusion) / np.where(totals > 0, totals, 1), 2.0)
    worst = int(shares.argmin())
    ties = int((shares == shares[worst]).sum())
    more = "one other class is" if ties == 2 else f"{ties - 1:,} other classes are"
    others = f"; {more} right at the same share" if ties > 1 else ""
    yield (
        f"The hardest class is {scored.classes[worst]}, right for {int(confusion[worst, worst]):,} of"
        f" {int(totals[worst]):,} ({share(float(shares[worst]))}){others}."
    )
    if shown:
        yield (
            f"The figure shows the {'mistake' if shown == 1 else f'{shown} mistakes'} with the highest loss: the map"
            " for the class that the picture was taken for, and for the right one."
        )


def _course_sentence(course: Course, task: str) -> str:
    name = _OF_LABELS.get(course.tag, "") if task == "multilabel" else ""
    name = name or _CURVES.get(course.tag, course.tag)
    moved = "fell" if course.last < course.first else "rose" if course.last > course.first else "stayed"
    if course.points == 1:
        return f"The {name} was measured once, {number(course.last, 3)} at step {course.last_step:,}."
    if course.turn is not None:
        step, before, after = course.turn
        alone = f"from {number(course.first, 3)} to {number(before, 3)} at step {step:,}"
        rest = f"began at {number(after, 3)} and was {number(course.last, 3)} at step {course.last_step:,}"
        return f"While the head learned alone, the {name} went {alone}; with the rest of the network it {rest}."
    if moved == "stayed":
        return f"The {name} began and ended at {number(course.last, 3)}."
    best = ""
    if course.tag != "train/loss" and course.best != course.last:
        best = f", at its best {number(course.best, 3)} at step {course.best_step:,}"
    values = f"from {number(course.first, 3)} to {number(course.last, 3)} at step {course.last_step:,}"
    return f"The {name} {moved} {values}{best}."


def _of(figures: tuple[FigureBlock, ...], *names: str) -> list[Block]:
    return [figure for name in names for figure in figures if figure.name.startswith(name)]
