"""A folder of captions from another program, walked as a person would: trained from the app with a real worker, browsed
while it trains, captioned and exported; and captioners of other makers, opened from the app."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import Workbench
from screens.ask_dialog import AskDialog
from screens.caption_screen import CaptionScreen
from screens.export_dialog import ExportDialog
from screens.navigation import make_screen
from screens.new_run_screen import NewRunScreen
from screens.run_screen import RunScreen
from screens.widgets.recipe_fields import FieldList
from vitbench.captions.tokenizer import split_words
from vitbench.cli import main
from vitbench.runs import control
from vitbench.runs.store import Run, Store

pytestmark = pytest.mark.timeout(600)
PATIENCE = 300.0
"""Seconds for a worker and an inspector to import torch, on a machine that does other work too."""

COLOURS = {"rouge": (215, 40, 40), "verte": (40, 180, 60), "bleue": (50, 80, 220)}
SIZES = ((120, 80), (80, 120), (150, 70), (100, 96))
ROTATED = 6
"""EXIF's orientation of a camera held upright: the stored picture has to be turned to the right."""


def photograph(number: int) -> tuple[Image.Image, str]:
    """A coloured ball on a grey wall with noise, left or right of the middle, and its caption."""
    word, colour = list(COLOURS.items())[number % 3]
    width, height = SIZES[number % 4]
    random = np.random.default_rng(number)
    wall = random.normal(150, 12, (height, width, 1)).clip(0, 255).astype(np.uint8).repeat(3, 2)
    picture = Image.fromarray(wall)
    left = number % 2 == 0
    x, y, radius = width * (0.27 if left else 0.73), height * random.uniform(0.4, 0.6), min(width, height) * 0.22
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture, f"Une boule {word} à {'gauche' if left else 'droite'} [b]."


def write_coco(folder: Path, train: int = 36, val: int = 12) -> Path:
    """As another program writes COCO captions: plain JSON, pictures of many shapes, some turned by EXIF alone.

    A picture of the list is missing, and an annotation has no caption."""
    (folder / "annotations").mkdir(parents=True)
    for part, count, first in (("train", train, 0), ("val", val, 100)):
        pictures = folder / f"{part}2024"
        pictures.mkdir()
        images, annotations = [], []
        for number in range(first, first + count):
            picture, caption = photograph(number)
            name = f"été {number} 写真.jpg"
            exif = Image.Exif()
            if number % 5 == 0:
                exif[0x0112] = ROTATED
                picture = picture.transpose(Image.Transpose.ROTATE_90)
            picture.save(pictures / name, quality=95, exif=exif)
            images.append({"id": number, "file_name": name, "width": picture.width, "height": picture.height})
            annotations.append({"id": number, "image_id": number, "caption": caption})
        images.append({"id": 9000, "file_name": "fehlt.jpg", "width": 10, "height": 10})
        annotations.append({"id": 9000, "image_id": 9000, "caption": "Une boule perdue."})
        annotations.append({"id": 9001, "image_id": first, "caption": None})
        document = {"info": {"year": 2024}, "images": images, "annotations": annotations}
        (folder / "annotations" / f"captions_{part}2024.json").write_text(json.dumps(document, ensure_ascii=False))
    return folder


@asynccontextmanager
async def opened_app(store: Path) -> AsyncIterator[tuple[Workbench, Pilot]]:
    app = Workbench(store)
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            yield app, pilot
    finally:
        for run in Store(store).runs():
            control.kill(run)


async def until(pilot: Pilot, condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}; the note says {note(pilot)!r}"
        await asyncio.sleep(0.05)
        await pilot.pause()


def note(pilot: Pilot) -> str:
    found = pilot.app.screen.query("#note")
    return found.first()._left.plain if found else ""


def title(screen: CaptionScreen) -> str:
    return screen.query_one("#title")._right.plain


async def change(pilot: Pilot, path: str, value: str) -> None:
    """Changes a key of the recipe as a person does: down to its row, Enter, the value, Enter."""
    fields = pilot.app.screen.query_one(FieldList)
    fields.focus()
    await pilot.press("home")
    while fields.current.path != path:
        await pilot.press("down")
    await pilot.press("enter")
    pilot.app.screen.query_one("#edit", Input).value = value
    await pilot.press("enter")
    assert fields.current.value == value


async def start_captioner(pilot: Pilot, data: Path, store: Path) -> Run:
    """From the table of runs: a new run of the small captioner on the folder."""
    await pilot.press("n")
    await until(pilot, lambda: isinstance(pilot.app.screen, NewRunScreen), "the new run's screen")
    screen = pilot.app.screen
    screen.query_one("#preset-line", Input).value = "caption-demo"
    screen.query_one("#data-line", Input).value = str(data)
    screen.query_one("#name-line", Input).value = "boules"
    await pilot.pause()
    # It is stopped when it has been looked at; until then it goes on, with a checkpoint now and then.
    for path, value in (("train.epochs", "2000"), ("train.evaluate_every", "5"), ("train.threads", "1")):
        await change(pilot, path, value)
    assert not screen.draft.problem
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen), "the run's screen")
    (run,) = Store(store).runs()
    return run


@pytest.mark.slow
async def test_a_folder_is_trained_on_browsed_captioned_and_exported(store, tmp_path, capsys):
    data = write_coco(tmp_path / "données")
    async with opened_app(store) as (app, pilot):
        run = await start_captioner(pilot, data, store)
        # Opened before there is a checkpoint, the screen waits for the first one.
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, CaptionScreen), "the captions screen")
        screen = app.screen
        await until(pilot, lambda: screen.seen is not None, "the first checkpoint's caption")
        first = int(screen.request.captioner.partition("@")[2])
        assert "boules, training: newest checkpoint, step " in title(screen)
        assert len(screen.files) == 12
        assert all(Path(file).parent.name == "val2024" for file in screen.files)

        # It follows the run, until a picture that was never trained on has its own caption.
        await until(pilot, lambda: run.status().step >= 60, "sixty steps")
        wanted = split_words(photograph(100)[1])
        await until(pilot, lambda: list(screen.seen.words[:-1]) == wanted, f"the words {wanted}")
        assert screen.seen.words == ("une", "boule", "verte", "à", "gauche", "[", "b", "]", ".", "<end>")
        later = int(screen.request.captioner.partition("@")[2])
        assert later > first
        assert f"newest checkpoint, step {later}" in title(screen)
        assert run.status().state == "running"
        control.stop(run)
        await until(pilot, lambda: run.status().state == "stopped", "the run to stop")
        last = run.checkpoint("last").step
        await until(pilot, lambda: screen.request.captioner == f"{run.id}@{last}", "the last checkpoint")
        assert "training" not in title(screen)
        shown = list(screen.seen.words[:-1])

        # The picture is turned by EXIF; the grid shows it upright, with the words in five columns.
        height, width = screen.seen.picture.shape[:2]
        wanted = SIZES[100 % 4]
        assert abs(width / height - wanted[0] / wanted[1]) < 0.02
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog), "the question where to save")
        app.screen.query_one("#file", Input).value = str(tmp_path / "figures" / "été 100 写真.png")
        await pilot.press("enter")
        await until(pilot, lambda: "Saved" in note(pilot), "the file")
    log = (run.folder / "worker.log").read_text() + (run.folder / "log.jsonl").read_text()
    assert "Traceback" not in log

    with Image.open(tmp_path / "figures" / "été 100 写真.png") as figure:
        facts = json.loads(figure.text["vitbench"])["facts"]
        assert split_words(facts["text"]) == shown
        assert facts["tag"] == f"{run.id}@{last}"
        assert figure.width > 5 * 224  # five columns, none of the picture's pixels lost
    capsys.readouterr()
    assert main(["caption", f"{run.id}@last", str(data / "val2024"), "--out", str(tmp_path / "all"), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["pictures"]
    assert len(list((tmp_path / "all").glob("*.png"))) == len(answers) == 12
    right = [split_words(answer["text"]) == split_words(photograph(100 + n)[1]) for n, answer in enumerate(answers)]
    assert sum(right) >= 6, [answer["text"] for answer in answers]


async def open_captioner_of(pilot: Pilot, picture: Path, typed: str) -> CaptionScreen:
    """The captions screen with the package's captioner, then `N`, a path as it is typed, and Enter."""
    app = pilot.app
    app.push_screen(make_screen("captions", captioner="demo", path=str(picture)))
    await until(pilot, lambda: isinstance(app.screen, CaptionScreen) and app.screen.seen, "the demo's caption")
    screen = app.screen
    await pilot.press("N")
    await until(pilot, lambda: isinstance(app.screen, AskDialog), "the question which captioner")
    app.screen.query_one(Input).value = typed
    await pilot.pause()
    await pilot.press("enter")
    path = typed.rstrip("/")
    await until(pilot, lambda: screen.request.captioner.rstrip("/") == path, f"the caption of {path}")
    return screen


def save_catr(folder: Path) -> Path:
    """A checkpoint of CATR's names and shapes, small and random, its words beside it."""
    import torch

    from vitbench.captions.catr import Catr, CatrSizes

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "ball", "##s", "on", "wall", "."]
    torch.manual_seed(0)
    module = Catr(CatrSizes(len(words), 32, 12, 1, 2, 48, (40,), (1, 1, 1, 1)))
    with torch.no_grad():
        for parameter in module.transformer.parameters():
            parameter.normal_(std=0.2)
        # It has nothing to say: its own caption ends at once.
        module.mlp.layers[-1].bias[words.index("[SEP]")] = 1e3
    folder.mkdir()
    torch.save({"model": module.state_dict(), "epoch": 29}, folder / "weight.pth")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder / "weight.pth"


def save_encoder_decoder(folder: Path) -> Path:
    """A ViT and a GPT-2, small and random, as transformers saves them."""
    import tokenizers

    transformers = pytest.importorskip("transformers")
    words = ["<|endoftext|>", "a", "ball", "on", "the", "wall"]
    encoder = transformers.ViTConfig(
        image_size=32, patch_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    decoder = transformers.GPT2Config(
        vocab_size=len(words), n_positions=12, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    configuration = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    configuration.decoder_start_token_id = configuration.eos_token_id = configuration.pad_token_id = 0
    transformers.VisionEncoderDecoderModel(config=configuration).save_pretrained(folder)
    model = tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, unk_token=words[0])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.slow
async def test_captioners_of_other_makers_are_opened_by_their_path(store, tmp_path):
    picture = tmp_path / "large.png"
    photograph(102)[0].save(picture)
    width, height = SIZES[102 % 4]
    catr, folder = save_catr(tmp_path / "catr"), save_encoder_decoder(tmp_path / "hf")
    async with opened_app(store) as (_, pilot):
        screen = await open_captioner_of(pilot, picture, str(catr))
        rows = -(-int(height * 299 / width) // 16)
        assert screen.seen.facts["grid"] == [rows, 19]
        assert screen.seen.words == ("<end>",)
        await pilot.press("t")
        pilot.app.screen.query_one(Input).value = "a balls on wall."
        await pilot.press("enter")
        await until(pilot, lambda: screen.seen.words[:2] == ("a", "balls"), "the typed caption")
        assert screen.seen.words == ("a", "balls", "on", "wall", ".", "<end>")
        await pilot.press("escape")

        screen = await open_captioner_of(pilot, picture, f"{folder}/")
        assert screen.seen.facts["grid"] == [4, 4]
        assert (screen.seen.layers, screen.seen.heads) == (2, 2)
        before = screen.seen.panel(0)
        await pilot.press("up")
        await until(pilot, lambda: screen.request.layer == 1, "the first layer")
        assert not np.array_equal(before, screen.seen.panel(0))
