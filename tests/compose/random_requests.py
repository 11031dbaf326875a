"""Random valid requests about tiny networks of 4x4 patches, from a seed."""

import random
from dataclasses import dataclass
from pathlib import Path

from tests.inspector.tiny_checkpoint import LABELS, tiny_checkpoint, tiny_picture
from vitbench.errors import UserError
from vitbench.methods import METHODS, quick_methods
from vitbench.recipe import Recipe
from vitbench.requests.attention import GRIDS, AttentionRequest
from vitbench.requests.captions import WORD_METHODS, CaptionRequest
from vitbench.requests.colour_maps import COLOUR_MAPS
from vitbench.requests.features import VIEWS as FEATURE_VIEWS
from vitbench.requests.features import FeaturesRequest
from vitbench.requests.positions import VIEWS, PositionRequest
from vitbench.runs.store import Run, Store

SIDE, LAYERS, HEADS = 64, 2, 3
CELLS = 4
STEPS = (3, 6, 9)
WORDS = ("a", "red", "circle", "on", "plain", "two", "hearts")


@dataclass(frozen=True)
class Subjects:
    """What requests are about: two networks, a run with checkpoints, and pictures that are not square."""

    store: Path
    networks: tuple[str, ...]
    run: str
    pictures: tuple[str, ...]
    captioners: tuple[str, ...]


def make_subjects(folder: Path) -> Subjects:
    """Writes networks of 2 layers of 3 heads for 64x64 pictures, a run of the same, and three pictures."""
    shape = {"image_size": [SIDE, SIDE], "embed_dim": 24, "depth": LAYERS, "num_heads": HEADS}
    networks = tuple(tiny_checkpoint(folder / f"net-{seed}", seed, **shape) for seed in range(2))
    store = folder / "store"
    run: Run = Store(store).create(Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}}))
    for step in STEPS:
        tiny_checkpoint(run.folder / "checkpoints" / f"step-{step:08d}", step, **shape)
    sizes = ((40, 90), (64, 64), (70, 50))
    pictures = tuple(tiny_picture(folder / f"{n}.png", n, size) for n, size in enumerate(sizes))
    captioners = tuple(tiny_captioner(folder / f"captioner-{seed}", seed) for seed in range(2))
    return Subjects(store, networks, run.id, pictures, captioners)


def tiny_captioner(stem: Path, seed: int) -> str:
    """Writes a captioner of 2 decoder layers of 2 heads that sees 4x4 patches; the reference that opens it."""
    import torch

    from vitbench.captions.captioner import new_captioner
    from vitbench.captions.saved import DecoderSizes, save_captioner
    from vitbench.captions.tokenizer import WordTokenizer
    from vitbench.data.preprocessing import Preprocessing
    from vitbench.models.network import build_network
    from vitbench.recipe_tables import ModelTable

    torch.manual_seed(seed)
    options = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    encoder = build_network(
        ModelTable(name="timm:vit_tiny_patch16_224", image_size=[32, 32], options=options), num_classes=0
    )
    encoder.preprocessing = Preprocessing(32, 32)
    sizes = DecoderSizes(embed_dim=16, depth=LAYERS, num_heads=2, max_length=9)
    captioner = new_captioner(encoder, WordTokenizer(list(WORDS)), sizes)
    save_captioner(stem, captioner.module, captioner.describe())
    return str(stem.with_suffix(".safetensors"))


def random_caption(chance: random.Random, subjects: Subjects) -> CaptionRequest:
    """The captioner's own sentence or a given one, its maps by any method, sometimes minus another map."""
    text = chance.choice((None, " ".join(chance.sample(WORDS, chance.randint(1, 4)))))
    method = WORD_METHODS[chance.choice(tuple(WORD_METHODS))]
    others = [name for name in WORD_METHODS if name != method.name]
    minus = chance.choice(({}, {}, {"minus_word": 1}, {"minus_method": chance.choice(others)},
                           {"minus_captioner": chance.choice(subjects.captioners)}))  # fmt: skip
    return CaptionRequest.read(
        {
            "captioner": chance.choice(subjects.captioners),
            "picture": chance.choice(subjects.pictures),
            "text": text,
            "best": 1 if text else chance.choice((1, 3)),
            "method": method.name,
            "layer": chance.choice((None, 1, LAYERS)) if method.has_layers else None,
            "head": chance.choice((None, 1, 2)) if method.has_heads else None,
            "row": chance.choice(("predicting", "reading")),
            "one_scale": chance.random() < 0.5,
            "word": chance.choice((None, None, 1)),
            **minus,
        }
    )


def random_attention(chance: random.Random, subjects: Subjects) -> AttentionRequest:
    """A request with random options; what has no effect is left out."""
    grid = chance.choice((None, None, *GRIDS))
    steps = chance.random() < 0.5
    of_run = grid == "checkpoints" or (grid == "methods" and steps)
    network = f"{subjects.run}@{chance.choice(('last', *STEPS))}" if of_run else chance.choice(subjects.networks)
    plain = AttentionRequest(network=network, pictures=(chance.choice(subjects.pictures),))
    wanted = {
        "pictures": chance.sample(subjects.pictures, chance.choice((1, 1, 2))),
        "method": chance.choice(quick_methods() if chance.random() < 0.9 else tuple(METHODS)),
        "methods": chance.sample(quick_methods(), 2) if grid == "methods" and chance.random() < 0.8 else (),
        "layer": chance.choice((None, *range(1, LAYERS + 1))),
        "head": chance.choice((None, *range(1, HEADS + 1))),
        "target": chance.choice((None, None, *LABELS, "2")),
        "targets": chance.choice(((), chance.sample(LABELS, 2))) if grid == "classes" else (),
        "query": chance.choice((None, (chance.randint(1, CELLS), chance.randint(1, CELLS)))),
        "grid": grid,
        "other": chance.choice(subjects.networks) if grid == "compare" else None,
        "steps": chance.choice(("all", [3, 9])) if of_run else [],
        "preprocess": chance.choice(("own", "report")),
        "image_size": chance.choice((None, None, (64, 64), (96, 64))),
        "mask_outliers": chance.random() < 0.4,
        "scale": chance.choice(("full", "robust")),
        "strength": round(chance.random(), 2),
        "colour_map": chance.choice(COLOUR_MAPS),
        "smooth": chance.random() < 0.5,
    }
    try:
        return plain.fitting(**wanted)
    except UserError as error:
        raise AssertionError(f"a request that fits was refused: {error}") from error


def random_positions(chance: random.Random, subjects: Subjects) -> PositionRequest:
    """A view of one network or of two, with options that belong to it."""
    view = chance.choice(("grid", "tile", *VIEWS))
    given = {
        "network": chance.choice(subjects.networks),
        "view": view,
        "permutations": chance.choice((0, 3)),
        "other": chance.choice((None, *subjects.networks)),
        "image_size": chance.choice((None, None, (96, 80))),
    }
    if view in ("grid", "tile"):
        given |= {"stretch": chance.random() < 0.5, "colour_map": chance.choice(COLOUR_MAPS)}
    if view == "grid":
        given["tutorial"] = chance.random() < 0.5
    if view == "tile":
        given["patch"] = (chance.randint(1, CELLS), chance.randint(1, CELLS))
    if view == "distance":
        given["pictures"] = chance.sample(subjects.pictures, 2)
    return PositionRequest.read(given)


def random_features(chance: random.Random, subjects: Subjects) -> FeaturesRequest:
    """A view of features of one network, of two, or of checkpoints, with options that belong to it."""
    beside = chance.choice((None, "other", "steps"))
    wanted = {
        "view": chance.choice(FEATURE_VIEWS),
        "pictures": chance.sample(subjects.pictures, chance.choice((1, 2))),
        "layer": chance.choice((None, *range(1, LAYERS + 1))),
        "image_size": chance.choice((None, None, (32, 64))),
        "only_foreground": chance.random() < 0.3,
        "mask_outliers": chance.random() < 0.4,
        "patch": chance.choice((None, (chance.randint(1, 2), chance.randint(1, CELLS)))),
        "data": str(Path(subjects.pictures[0]).parent),
        "pool": chance.choice((None, "class", "mean")),
        "count": chance.choice((1, 2, 5)),
        "other": chance.choice(subjects.networks) if beside == "other" else None,
        "steps": chance.choice(("all", [3, 9])) if beside == "steps" else [],
        "strength": chance.choice((None, round(chance.random(), 2))),
        "colour_map": chance.choice(COLOUR_MAPS),
        "smooth": chance.random() < 0.5,
    }
    network = subjects.run if beside == "steps" else chance.choice(subjects.networks)
    return FeaturesRequest(network=network, pictures=(subjects.pictures[0],)).fitting(**wanted)
