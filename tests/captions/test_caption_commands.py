"""`vitbench caption` and `vitbench ground`, from the command line to the files."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.captions.described import describe_picture
from vitbench.captions.captioner import new_captioner
from vitbench.captions.encoded import Decoding
from vitbench.captions.open import open_captioner
from vitbench.captions.saved import DecoderSizes, save_captioner
from vitbench.captions.tokenizer import WordTokenizer
from vitbench.cli import main
from vitbench.compose import compose
from vitbench.compose.sources import Sources
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.scenes.export import write_scenes
from vitbench.figures.provenance import read_provenance
from vitbench.figures.word_panels import PANEL_SIDE, shown_picture, word_panel
from vitbench.models.network import build_network
from vitbench.recipe import ModelTable
from vitbench.requests.captions import CaptionRequest

WORDS = ["a", "large", "red", "circle", "on", "plain", "background", "two", "small", "blue", "hearts"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    options = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    encoder = build_network(
        ModelTable(name="timm:vit_tiny_patch16_224", image_size=[32, 48], options=options), num_classes=0
    )
    encoder.preprocessing = Preprocessing(32, 48)
    captioner = new_captioner(
        encoder, WordTokenizer(WORDS), DecoderSizes(embed_dim=16, depth=2, num_heads=2, max_length=9)
    )
    stem = tmp_path_factory.mktemp("captioner") / "net"
    save_captioner(stem, captioner.module, captioner.describe())
    return str(stem.with_suffix(".safetensors"))


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (90, 40), (200, 10, 10)).save(folder / "bike.jpg")
    Image.new("RGB", (30, 70), (10, 10, 200)).save(folder / "Mädchen ü.png")
    return folder


def test_a_figure_for_each_picture_with_the_same_stem(saved, photographs, tmp_path, capsys):
    out = tmp_path / "figures"
    assert main(["caption", saved, str(photographs), "--out", str(out), "--words", "--store", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert {file.name for file in out.iterdir()} == {"bike.png", "Mädchen ü.png"}
    assert "probability" in printed
    recorded = read_provenance(out / "bike.png")
    assert recorded["kind"] == "caption"
    assert recorded["facts"]["caption"]
    assert "predicting row" in recorded["facts"]["maps"]


def test_json_has_words_ids_probabilities_ranks_and_maps(saved, photographs, tmp_path, capsys):
    text = "a large red circle"
    assert main(["caption", saved, str(photographs / "bike.jpg"), "--text", text, "--json", "--arrays"]) == 0
    answer = json.loads(capsys.readouterr().out)["pictures"][0]
    assert answer["text"] == text
    assert answer["ids"] == [1, 4, 5, 6, 7, 2]
    assert [word["word"] for word in answer["words"]] == [*text.split(), "<end>"]
    assert answer["grid"] == [4, 6]
    captioner = open_captioner(saved)
    pixels = captioner.prepare(Image.open(photographs / "bike.jpg").convert("RGB")).pixels
    with torch.no_grad():
        log_probs = captioner.module(pixels, torch.tensor([answer["ids"]]))[0].log_softmax(-1)
    for place, word in enumerate(answer["words"]):
        assert word["log_probability"] == pytest.approx(float(log_probs[place, answer["ids"][place + 1]]), abs=1e-4)
        assert np.shape(word["map"]) == (4, 6)
        assert np.sum(word["map"]) == pytest.approx(1, abs=1e-4)


def test_several_captions_and_drawn_ones(saved, photographs):
    captioner, picture = open_captioner(saved), Image.open(photographs / "bike.jpg").convert("RGB")
    several = describe_picture(captioner, picture, decoding=Decoding(beams=3, best=3))
    assert len({several.ids}) == 1
    assert len(several.alternatives) == 2
    drawn = [describe_picture(captioner, picture, decoding=Decoding(seed=seed)).ids for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_mistakes_are_one_caption_and_exit_code_2(saved, photographs, tmp_path, capsys):
    bike = str(photographs / "bike.jpg")
    for arguments, words in [
        (["caption", saved, str(tmp_path / "none.jpg")], "no picture"),
        (["caption", saved, bike, "--method", "magic"], "magic"),
        (["caption", saved, bike, "--layer", "3"], "2 layers"),
        (["caption", saved, bike, "--layer", "-1"], "counts from 1"),
        (["caption", saved, bike, "--text", " "], "no words"),
        (["caption", saved, bike, "--text", "a " * 20], "reads 9"),
        (["caption", "nothing", bike, "--store", str(tmp_path)], "nothing"),
        (["caption", saved, bike, "--layer", "1", "--method", "occlusion"], "--layer is for raw"),
        (["ground", saved], "--data"),
        (["ground", saved, "--data", ".", "--head", "-1"], "counts from 1"),
        (["ground", saved, "--data", ".", "--head", "1", "--method", "relevancy"], "--head is for raw"),
        (["ground", saved, "--data", ".", "--layer", "1", "--method", "oracle"], "no layer"),
    ]:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert words in error
        assert "Traceback" not in error


def test_an_unreadable_picture_is_named_and_the_others_are_described(saved, photographs, capsys):
    (photographs / "broken.png").write_bytes(b"no picture")
    assert main(["caption", saved, str(photographs)]) == 1
    captured = capsys.readouterr()
    assert "broken.png" in captured.err
    assert captured.out.count("bike.jpg: ") == captured.out.count("ü.png: ") == 1


def test_no_figure_replaces_a_picture(saved, photographs, capsys):
    png = photographs / "Mädchen ü.png"
    before = png.read_bytes()
    assert main(["caption", saved, str(png), "--out", str(photographs)]) == 2
    assert png.read_bytes() == before


def test_two_pictures_of_one_stem_get_two_figures(saved, photographs, tmp_path):
    Image.new("RGB", (20, 20)).save(photographs / "bike.png")
    assert main(["caption", saved, str(photographs), "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_heat_falls_where_the_map_is_in_a_picture_that_is_not_square():
    shown, box = shown_picture(Image.new("RGB", (100, 50), (128, 128, 128)), (0, 0, 100, 50))
    assert shown.shape == (PANEL_SIDE // 2, PANEL_SIDE, 3)
    maps = np.zeros((2, 2, 4))
    maps[0, 0, 3] = 1  # top right
    maps[1, 1, 0] = 1  # bottom left
    first, second = (word_panel(shown, maps, word, box)[0] for word in (0, 1))
    warm = lambda panel: panel[..., 0].astype(int) - panel[..., 2].astype(int)  # noqa: E731
    hottest = np.unravel_index(warm(first).argmax(), first.shape[:2])
    assert hottest[0] < PANEL_SIDE // 4
    assert hottest[1] > PANEL_SIDE * 3 // 4
    hottest = np.unravel_index(warm(second).argmax(), second.shape[:2])
    assert hottest[0] > PANEL_SIDE // 4
    assert hottest[1] < PANEL_SIDE // 4


def test_one_scale_shows_that_a_diffuse_word_is_diffuse():
    shown, box = shown_picture(Image.new("RGB", (40, 40), (128, 128, 128)), (0, 0, 40, 40))
    maps = np.zeros((2, 2, 2))
    maps[0, 0, 0] = 1
    maps[1] = [[0.3, 0.25], [0.25, 0.2]]
    own, shared = (word_panel(shown, maps, 1, box, one_scale=one)[0] for one in (False, True))
    spread = lambda panel: int(panel.astype(int).max(axis=(0, 1)).sum() - panel.astype(int).min(axis=(0, 1)).sum())  # noqa: E731
    assert spread(shared) < 0.5 * spread(own)


def test_the_layout_is_five_columns_with_start_first(saved, photographs, store):
    request = CaptionRequest(captioner=saved, picture=str(photographs / "bike.jpg"), text="a large red circle on a")
    sheet = compose(request, Sources(store))
    # Start, six words and the end: eight panels in two rows of five.
    assert [panel.place for panel in sheet.panels] == [(n // 5, n % 5) for n in range(8)]
    assert [panel.title for panel in sheet.panels][::7] == ["<start>", "<end>"]


def test_the_grounding_table_of_scenes(saved, tmp_path, capsys):
    write_scenes(tmp_path / "scenes", count=20, size=32, seed=1)
    data = str(tmp_path / "scenes")
    arguments = ["ground", saved, "--data", data, "--split", "train", "--limit", "4", "--store", str(tmp_path)]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "NOUN" in printed
    assert (tmp_path / "out" / "grounding.png").exists()
    assert main([*arguments, "--layer", "2", "--head", "1", "--no-deletion", "--out", str(tmp_path / "second")]) == 0
    assert "cross-attention, layer 2, head 1, predicting row" in capsys.readouterr().out
    markdown = (tmp_path / "second" / "grounding.md").read_text()
    assert "layer 2, head 1" in markdown
    with (tmp_path / "second" / "grounding.csv").open() as file:
        told = {(row["method"], row["layer"], row["head"], row["row"]) for row in csv.DictReader(file)}
    assert told == {("raw", "2", "1", "predicting")}
    # Another layer and head give other maps.
    assert markdown.split("\n")[2:] != (tmp_path / "out" / "grounding.md").read_text().split("\n")[2:]
    assert main([*arguments, "--method", "oracle", "--json"]) == 0
    rows = {row["role"]: row for row in json.loads(capsys.readouterr().out)["roles"]}
    assert rows["BACKGROUND"]["auc"]["value"] == 1.0
    assert main(["ground", "--lexicon"]) == 0
    assert "COLOUR: black" in capsys.readouterr().out
