"""Section 1 in sentences: the test result, the setting, what else was tried."""

from collections.abc import Iterator

import numpy as np

from vitbench.recipe import Recipe
from vitbench.report.document import Block, Code, Figure, Heading, Listing, Paragraph, Section, Table
from vitbench.report.facts import Course, ResultFacts, SettingFacts, TriedFacts, TriedRow
from vitbench.report.wording import listed, number, share
from vitbench.runs.evaluations import OWN_SPLITS, Scored

_SPLITS = {"test": "test split", "val": "validation split", "validation": "validation split", "train": "training split"}
_MOST_ROWS = 12
_CURVES = {
    "train/loss": "training loss",
    "validation/loss": "validation loss",
    "validation/accuracy": "validation accuracy",
}


def say_result(result: ResultFacts, setting: SettingFacts, tried: TriedFacts) -> Section:
    """The whole section."""
    blocks: list[Block] = []
    if result.scores:
        main = result.scores[0]
        blocks.append(Code(report_line(main)))
        blocks.append(Paragraph(" ".join(_score_sentences(main))))
        blocks += [Paragraph(_other(one)) for one in result.scores[1:4]]
        blocks.append(Paragraph(" ".join(_mistake_sentences(main, result.mistakes_shown))))
    blocks += _of(result.figures, "confusion", "mistakes")
    blocks += list(result.missing)
    blocks += [Heading("The setting"), Paragraph(" ".join(setting_sentences(setting)))]
    if result.courses:
        blocks += [Heading("The training"), Paragraph(" ".join(map(_course_sentence, result.courses)))]
    blocks += _of(result.figures, "curves")
    blocks.append(Heading("What else was tried"))
    blocks += _tried(tried)
    return Section("The result", tuple(blocks))


def report_line(scored: Scored) -> str:
    """The line that a training script of the course prints."""
    name = _SPLITS.get(scored.split, scored.split).removesuffix(" split").capitalize()
    return (
        f"{name} set: Average loss: {scored.mean_loss:.4f},"
        f" Accuracy: {scored.correct}/{scored.pictures} ({100 * scored.accuracy:.1f}%)"
    )


def _score_sentences(scored: Scored) -> Iterator[str]:
    split = _split_words(scored)
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
        f"On {scored.pictures:,} pictures of {_split_words(scored)} it is right for {scored.correct:,}:"
        f" {share(scored.accuracy)} (95% interval {share(scored.low)} to {share(scored.high)})."
    )


def _split_words(scored: Scored) -> str:
    if scored.split in _SPLITS:
        return f"the {_SPLITS[scored.split]}"
    words = scored.split.replace("_", " ")
    return f"the split “{words}”" if scored.split not in OWN_SPLITS else words


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
    times = "once" if most == 1 else f"{most:,} times"
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
    return f"The network is {model.name}{count}, {begins}, for pictures of {sides}{frozen}."


def _data(recipe: Recipe) -> str:
    data = recipe.data
    changes = {
        "none": "without augmentation",
        "report": "with the augmentation of the report",
        "flip": "mirrored at random",
        "crop-flip": "cropped and mirrored at random",
    }
    how = changes.get(data.augment, f"augmented by {data.augment}")
    more = [f"mixup {data.mixup:g}"] * (data.mixup > 0) + [f"CutMix {data.cutmix:g}"] * (data.cutmix > 0)
    more += [f"random erasing with probability {data.random_erasing:g}"] * (data.random_erasing > 0)
    return f"It was trained on {data.path}, {how}{', with ' + listed(more) if more else ''}."


def _training(recipe: Recipe) -> str:
    train, optim, schedule = recipe.train, recipe.optim, recipe.schedule
    batch = train.batch_size * train.accumulate
    epochs = f"{train.epochs} epoch{'s' * (train.epochs != 1)}"
    head = f", the first {train.head_epochs} of the head alone," if train.head_epochs else ""
    own = f", {optim.head_lr:g} while the head learns alone" if train.head_epochs and optim.head_lr else ""
    name = {"momentum": "SGD", "sgd": "SGD with Nesterov's momentum", "adamw": "AdamW", "adam": "Adam"}.get(
        optim.name, optim.name
    )
    momentum = f", momentum {optim.momentum:g}" if optim.name in ("momentum", "sgd") else ""
    decay = f", weight decay {optim.weight_decay:g}" if optim.weight_decay else ", no weight decay"
    layers = f", falling by a factor of {optim.layer_decay:g} from each block to the one below" * (
        optim.layer_decay < 1
    )
    warm = f" after a linear warm-up of {schedule.warmup_epochs:g} epochs" if schedule.warmup_epochs else ""
    return (
        f"It took {epochs}{head} in batches of {batch:,}, with {name} (learning rate {optim.lr:g}{own}{layers}"
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


def _tried(tried: TriedFacts) -> Iterator[Block]:
    if tried.rows:
        yield Paragraph(_best(tried))
        keys = list(dict.fromkeys(key for row in tried.rows for key in row.differs))
        shown = keys[:3]
        head = ("runs", *shown, "accuracy", "spread", "pictures")
        yield Table(
            head,
            tuple(
                (
                    listed(row.names),
                    *(str(row.differs.get(key, "")) for key in shown),
                    share(mean(row)),
                    _spread(row),
                    f"{row.pictures:,} ({row.split})",
                )
                for row in tried.rows[:_MOST_ROWS]
            ),
            "Runs that differ by their seed alone stand in one row, with the mean and the spread of their accuracies.",
        )
        if len(keys) > len(shown):
            yield Paragraph(f"The recipes also differ in {listed(keys[len(shown) :])}.")
        if tried.not_tested:
            yield Listing((f"There is no paired test: {tried.not_tested}",))
    yield from tried.missing


def mean(row: TriedRow) -> float:
    """The mean accuracy of a row."""
    return sum(row.accuracies) / len(row.accuracies)


def _spread(row: TriedRow) -> str:
    if len(row.accuracies) < 2:
        return "one seed"
    return f"{share(min(row.accuracies))} to {share(max(row.accuracies))} over {len(row.accuracies)} seeds"


def _best(tried: TriedFacts) -> str:
    best = tried.rows[0]
    if tried.not_tested and len(tried.rows) > 1:
        return f"{len(tried.rows)} settings stand side by side; their accuracies are not of the same pictures."
    said = f"Best of {len(tried.rows)} settings was {listed(best.names)} with {share(mean(best))}."
    if len(tried.rows) == 1:
        said = f"{listed(best.names)}: the same recipe, {share(mean(best))} on average."
    return f"{said} {tried.test}".strip()


def _of(figures: tuple[Figure, ...], *names: str) -> list[Block]:
    return [figure for name in names for figure in figures if figure.name.startswith(name)]
