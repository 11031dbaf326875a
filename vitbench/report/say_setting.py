"""The setting in sentences: network, data, training, each key of the recipe that decides something."""

from collections.abc import Iterator

from vitbench.recipe import Recipe
from vitbench.report.facts import SettingFacts
from vitbench.report.wording import listed, share

_SPLITS = {"val": "for validation", "test": "for the test"}
_WARNINGS_SHOWN = 3


def setting_sentences(setting: SettingFacts) -> Iterator[str]:
    """The recipe in words, each key that decides something."""
    recipe = setting.recipe
    yield _network(recipe, setting)
    yield _data(recipe, setting)
    yield _training(recipe)
    yield from _unequal(recipe)
    yield from _regularisation(recipe)
    if setting.chosen:
        yield f"Reported is {setting.chosen}."
    if setting.state != "finished":
        where = f"at step {setting.step:,} of {setting.total_steps:,}"
        yield f"The run is {setting.state}, {where}: these are not final numbers."
    for warning in setting.warnings[:_WARNINGS_SHOWN]:
        yield f"Its log warns: {warning.rstrip('.')}."
    if (more := len(setting.warnings) - _WARNINGS_SHOWN) > 0:
        yield f"It warns of {more:,} more: `vitbench log` shows them."


def _network(recipe: Recipe, setting: SettingFacts) -> str:
    model = recipe.model
    size = setting.image_size or (model.image_size if model.image_size is not None else ())
    height, width = (size, size) if isinstance(size, int) else tuple(size) or (0, 0)
    sides = f"{width}x{height} pixels" if width else "the network's own size"
    said = setting.architecture or " and ".join(f"{name} {value}" for name, value in model.options.items())
    inside = [said] if said else []
    if setting.parameters:
        inside.append(f"{setting.parameters / 1e6:.1f} million parameters")
    if model.weights:
        begins = "starting from weights of a file"
    elif model.name == "demo":
        begins = "starting from the classifier that comes with vitbench"
    else:
        begins = "starting from published weights" if model.pretrained else "starting from random weights"
    frozen = {"none": "", "backbone": "; only its head is trained"}.get(
        str(model.freeze), f"; only its last {model.freeze} blocks and its head are trained"
    )
    built = f" ({'; '.join(inside)})" if inside else ""
    grey = "grey " if model.in_chans == 1 else ""
    said = f"The network is {model.name}{built}, {begins}, for {grey}pictures of {sides}{frozen}."
    if recipe.task == "caption":
        own = recipe.caption
        said += (
            f" Its features go to a decoder of {own.depth} blocks, {own.embed_dim:,} wide, with {own.num_heads} heads,"
            f" which writes captions in at most {own.max_length} tokens ({own.tokenizer} tokenizer)."
        )
    return said


def _data(recipe: Recipe, setting: SettingFacts) -> str:
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
    how = f"{how}{', with ' + listed(more) if more else ''}"
    where = f"generated scenes ({data.path})" if data.path.startswith("scenes:") else data.path
    if not setting.pictures.get("train"):
        return f"It was trained on {where}, {how}."
    kind = "labels" if recipe.task == "multilabel" else "classes"
    classes = f" of {setting.classes:,} {kind}" if setting.classes else ""
    others = [
        f"{count:,} {_SPLITS.get(name, f'as the split “{name}”')}"
        for name, count in setting.pictures.items()
        if name not in ("train", "")
    ]
    apart = f"; {listed(others)} were kept apart" if others else ""
    return f"It was trained on {setting.pictures['train']:,} pictures{classes} of {where}, {how}{apart}."


def _unequal(recipe: Recipe) -> Iterator[str]:
    """What is done about classes of unequal size."""
    data = recipe.data
    if data.class_weights == "balanced":
        yield "The loss of a picture is weighted by how rare its class is."
    elif data.class_weights:
        weights = [f"{name} {weight:g}" for name, weight in data.class_weights.items()]
        yield f"The losses are weighted by class: {listed(weights)}; the others count 1."
    if data.sampler == "balanced":
        yield "In an epoch each class is shown equally often."


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
    options = "".join(f", {key} {value}" for key, value in optim.options.items())
    falls = {"wsd": f" that decays in the last {share(schedule.decay_fraction)}"}.get(schedule.name, "")
    falls += f" down to {schedule.min_lr:g}" if schedule.min_lr else ""
    ramp = schedule.warmup_epochs
    warm = f" after a linear warm-up of {ramp:g} epoch{'s' * (ramp != 1)}" if ramp else ""
    return (
        f"It took {epochs}{head} in batches of {batch:,}, with {name} ({rate}{layers}"
        f"{momentum}{decay}{options}) and a {schedule.name} schedule{falls}{warm}."
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
    if train.early_stopping:
        yield f"It was to end after {train.early_stopping} evaluations without a new best."
    if train.amp != "none":
        yield f"It computed in {train.amp}."
    yield f"The seed is {train.seed}."
