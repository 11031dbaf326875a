"""Section 1 in sentences: the test result, the setting, the training."""

from collections.abc import Iterator

import numpy as np

from vitbench.recipe import Recipe
from vitbench.report.document import Block, Code, Figure, Heading, Paragraph, Section, Table
from vitbench.report.facts import Course, ResultFacts, SettingFacts, TriedFacts
from vitbench.report.say_labels import label_blocks
from vitbench.report.say_tried import say_tried
from vitbench.report.wording import listed, number, share
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
        blocks += [Paragraph(_other(one)) for one in result.scores[1:4]]
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
        blocks += [Heading("The training"), Paragraph(" ".join(map(_course_sentence, result.courses)))]
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
        beyond = " That lies at the edge of what was tried: a better one may lie beyond." * edge
        yield Paragraph(
            f"The head of the learning rate {result.probe_rate:g} was taken, with {said[result.probe_rate]}"
            f" ({metric} on the validation split).{beyond}"
        )
    yield Table(("learning rate", f"validation {metric}"), tuple((f"{rate:g}", text) for rate, text in said.items()))


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
    yield Table((f"captions of the {split}", "score"), rows)


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
        f" The mean loss is {scored.mean_loss:.4f} nats a picture."
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


def _other(scored: Scored) -> str:
    return (
        f"On {scored.pictures:,} pictures of {_split_words(scored.split)} it is right for {scored.correct:,}:"
        f" {share(scored.accuracy)} (95% interval {share(scored.low)} to {share(scored.high)})."
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


def setting_sentences(setting: SettingFacts) -> Iterator[str]:
    """The recipe in words, each key that decides something."""
    recipe = setting.recipe
    yield _network(recipe, setting)
    yield _data(recipe)
    yield _training(recipe)
    yield from _regularisation(recipe)
    if setting.state != "finished":
        where = f"at step {setting.step:,} of {setting.total_steps:,}"
        yield f"The run is {setting.state}, {where}: these are no final numbers."
    yield from setting.notes


def _network(recipe: Recipe, setting: SettingFacts) -> str:
    model = recipe.model
    size = setting.image_size or (model.image_size if model.image_size is not None else ())
    height, width = (size, size) if isinstance(size, int) else tuple(size) or (0, 0)
    sides = f"{width}x{height} pixels" if width else "the network's own size"
    count = f" ({setting.parameters / 1e6:.1f} million parameters)" if setting.parameters else ""
    if model.weights:
        begins = "starting from weights of a file"
    elif model.name == "demo":
        begins = "starting from the classifier that comes with vitbench"
    else:
        begins = "starting from published weights" if model.pretrained else "starting from random weights"
    frozen = {"none": "", "backbone": "; only its head is trained"}.get(
        str(model.freeze), f"; only its last {model.freeze} blocks and its head are trained"
    )
    said = f"The network is {model.name}{count}, {begins}, for pictures of {sides}{frozen}."
    if recipe.task == "caption":
        own = recipe.caption
        said += (
            f" Its features go to a decoder of {own.depth} blocks, {own.embed_dim:,} wide, with {own.num_heads} heads,"
            f" which writes captions in at most {own.max_length} tokens ({own.tokenizer} tokenizer)."
        )
    return said


def _data(recipe: Recipe) -> str:
    data = recipe.data
    changes = {
        "none": "without augmentation",
        "report": "with the augmentation of the report",
        "flip": "mirrored at random",
        "crop-flip": "cropped and mirrored at random",
    }
    how = changes.get(data.augment, f"augmented by {data.augment}")
    if data.augment == "none" and (data.mixup or data.cutmix or data.random_erasing):
        how = "neither cropped nor mirrored"
    more = [f"mixup {data.mixup:g}"] * (data.mixup > 0) + [f"CutMix {data.cutmix:g}"] * (data.cutmix > 0)
    more += [f"random erasing with probability {data.random_erasing:g}"] * (data.random_erasing > 0)
    return f"It was trained on {data.path}, {how}{', with ' + listed(more) if more else ''}."


def _training(recipe: Recipe) -> str:
    train, optim, schedule = recipe.train, recipe.optim, recipe.schedule
    batch = train.batch_size * train.accumulate
    epochs = f"{train.epochs} epoch{'s' * (train.epochs != 1)}"
    if optim.probe_lrs:
        rates = listed([f"{rate:g}" for rate in sorted(optim.probe_lrs)])
        return (
            f"It is a linear probe: on the features of the frozen network {len(optim.probe_lrs)} heads were trained"
            f" side by side for {epochs}, in batches of {batch:,}, with the learning rates {rates}, and the best on the"
            " validation split is the network's."
        )
    alone = train.head_epochs >= train.epochs
    head = f", the first {train.head_epochs} of the head alone," if train.head_epochs and not alone else ""
    head = ", all of the head alone," if alone else head
    own = f", {optim.head_lr:g} while the head learns alone" if train.head_epochs and optim.head_lr else ""
    rate = f"learning rate {optim.head_lr:g}" if alone and optim.head_lr else f"learning rate {optim.lr:g}{own}"
    name = {"momentum": "SGD", "sgd": "SGD with Nesterov's momentum", "adamw": "AdamW", "adam": "Adam"}.get(
        optim.name, optim.name
    )
    momentum = f", momentum {optim.momentum:g}" if optim.name in ("momentum", "sgd") else ""
    decay = f", weight decay {optim.weight_decay:g}" if optim.weight_decay else ", no weight decay"
    layers = f", falling by a factor of {optim.layer_decay:g} from each block to the one below" * (
        optim.layer_decay < 1 and not alone
    )
    warm = f" after a linear warm-up of {schedule.warmup_epochs:g} epochs" if schedule.warmup_epochs else ""
    return (
        f"It took {epochs}{head} in batches of {batch:,}, with {name} ({rate}{layers}"
        f"{momentum}{decay}) and a {schedule.name} schedule{warm}."
    )


def _regularisation(recipe: Recipe) -> Iterator[str]:
    train = recipe.train
    used = [f"label smoothing {train.label_smoothing:g}"] * (train.label_smoothing > 0)
    used += [f"gradients clipped to {train.clip:g}"] * (train.clip > 0)
    used += [f"dropout {recipe.model.drop_rate:g}"] * (recipe.model.drop_rate > 0)
    used += [f"stochastic depth {recipe.model.drop_path_rate:g}"] * (recipe.model.drop_path_rate > 0)
    if used:
        yield f"Also used: {listed(used)}."
    if train.ema:
        yield f"Evaluated are the averaged weights (decay {train.ema:g})."
    if train.amp != "none":
        yield f"It computed in {train.amp}."
    yield f"The seed is {train.seed}."


def _course_sentence(course: Course) -> str:
    name = _CURVES.get(course.tag, course.tag)
    moved = "fell" if course.last < course.first else "rose" if course.last > course.first else "stayed"
    if course.points == 1:
        return f"The {name} was measured once, {number(course.last, 3)} at step {course.last_step:,}."
    if moved == "stayed":
        return f"The {name} began and ended at {number(course.last, 3)}."
    best = ""
    if course.tag != "train/loss" and course.best != course.last:
        best = f", at its best {number(course.best, 3)} at step {course.best_step:,}"
    values = f"from {number(course.first, 3)} to {number(course.last, 3)} at step {course.last_step:,}"
    return f"The {name} {moved} {values}{best}."


def _of(figures: tuple[Figure, ...], *names: str) -> list[Block]:
    return [figure for name in names for figure in figures if figure.name.startswith(name)]
