"""The inspector's requests about captions, asked directly: answers equal what the engine computes by itself."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from screens.caption_view import CaptionSheet
from tests.captions.described import describe_picture
from vitbench.captions import encoded as encoded_module
from vitbench.captions.captioner import new_captioner
from vitbench.captions.encoded import Decoding
from vitbench.captions.open import open_captioner, pinned
from vitbench.captions.saved import DecoderSizes, save_captioner
from vitbench.captions.tokenizer import SPECIAL_TOKENS, WordTokenizer, vocabulary
from vitbench.captions.word_maps import MapSettings
from vitbench.cli import main
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.figures.provenance import read_provenance
from vitbench.figures.sheet import sheet_from
from vitbench.figures.word_panels import PANEL_SIDE, word_panel
from vitbench.inspector.requests import InspectorHandlers
from vitbench.models.network import build_network
from vitbench.progress import silent
from vitbench.recipe import ModelTable
from vitbench.requests.captions import WORD_METHODS, CaptionRequest
from vitbench.runs.store import Store

WORDS = ["a", "red", "circle", "on", "plain", "background", "two", "hearts"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    options = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    encoder = build_network(
        ModelTable(name="timm:vit_tiny_patch16_224", image_size=[32, 48], options=options), num_classes=0
    )
    encoder.preprocessing = Preprocessing(32, 48)
    sizes = DecoderSizes(embed_dim=16, depth=2, num_heads=2, max_length=9)
    captioner = new_captioner(encoder, WordTokenizer(WORDS), sizes)
    stem = tmp_path_factory.mktemp("captioner") / "net"
    save_captioner(stem, captioner.module, captioner.describe())
    return str(stem.with_suffix(".safetensors"))


@pytest.fixture
def picture(tmp_path):
    random = np.random.default_rng(0)
    file = tmp_path / "wide ü.png"
    Image.fromarray(random.integers(0, 255, (300, 640, 3), dtype=np.uint8)).save(file)
    return file


class Asked:
    """The inspector's handlers, asked with the values of a request."""

    def __init__(self, store) -> None:
        workbench = InspectorHandlers(store)
        self.give_back = workbench.give_back
        self.handlers = workbench.handlers

    def _ask(self, name, values, **more):
        return self.handlers[name]({"request": CaptionRequest.read(values).record(), **more}, silent)

    def sheet(self, values):
        reply = self._ask("sheet", values, kind="caption", arrays=True)
        json.dumps(reply.values)
        return sheet_from(reply.values, reply.arrays)

    def save(self, values, file):
        return self._ask("save_sheet", values, kind="caption", file=str(file)).values["file"]

    def pictures(self, arguments):
        return self.handlers["caption_pictures"](arguments, silent)


@pytest.fixture
def requests(tmp_path):
    return Asked(tmp_path / "store")


def test_the_caption_and_its_maps_are_the_engines(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture)}
    sheet = requests.sheet({**base, "best": 4})
    with Image.open(picture) as opened:
        expected = describe_picture(open_captioner(saved), opened.convert("RGB"), decoding=Decoding(best=4))
    facts = sheet.facts
    assert (facts["text"], facts["ids"]) == (expected.caption, list(expected.ids))
    assert facts["score"] == pytest.approx(expected.score, abs=1e-4)
    assert [(o["text"], o["ids"]) for o in facts["alternatives"]] == [
        (other.caption, list(other.ids)) for other in expected.alternatives
    ]
    assert sheet.panels[0].picture.shape == (150, PANEL_SIDE, 3)
    assert sheet.panels[0].box == (0, 0, PANEL_SIDE, 150)
    assert (facts["layers"], facts["heads"]) == (2, 2)
    for method in WORD_METHODS:
        found = requests.sheet({**base, "ids": facts["ids"], "method": method, "row": "reading"})
        with Image.open(picture) as opened:
            wanted = describe_picture(
                open_captioner(saved), opened.convert("RGB"), settings=MapSettings(method, row="reading")
            ).maps
        np.testing.assert_allclose(found.arrays["maps"], wanted.maps, atol=1e-5)
        entropy = [word["entropy"] for word in found.facts["words"]]
        np.testing.assert_allclose(entropy, wanted.entropy, atol=1e-4)


def test_a_picture_is_encoded_once(requests, saved, picture, monkeypatch):
    made = []
    original = encoded_module.EncodedPicture.__init__
    monkeypatch.setattr(
        encoded_module.EncodedPicture, "__init__", lambda self, *given: made.append(1) or original(self, *given)
    )
    base = {"captioner": saved, "picture": str(picture)}
    ids = requests.sheet(base).facts["ids"]
    for layer in (None, 1, 2):
        for head in (None, 1, 2):
            requests.sheet({**base, "ids": ids, "layer": layer, "head": head})
    requests.sheet({**base, "text": "two red hearts"})
    assert len(made) == 1
    requests.give_back()
    requests.sheet(base)
    assert len(made) == 2


def test_a_typed_caption_has_its_own_ranks(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture), "text": "two red hearts"}
    words = requests.sheet(base).facts["words"]
    assert [word["word"] for word in words] == ["two", "red", "hearts", "<end>"]
    captioner = open_captioner(saved)
    with Image.open(picture) as opened, torch.no_grad():
        prepared = captioner.prepare(opened.convert("RGB"))
        ids = torch.tensor([[1, *captioner.tokenizer.encode("two red hearts"), 2]])
        scores = captioner.module(prepared.pixels, ids)[0].log_softmax(-1)
    for place in range(4):
        token = int(ids[0, place + 1])
        assert words[place]["log_probability"] == pytest.approx(float(scores[place, token]), abs=1e-4)
        assert words[place]["rank"] == int((scores[place] > scores[place, token]).sum()) + 1


def test_words_that_the_vocabulary_lacks_are_told(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture)}
    assert requests.sheet({**base, "text": "a red zebra, a gnu"}).facts["unknown"] == ["zebra", ",", "gnu"]
    assert requests.sheet({**base, "text": "two red hearts"}).facts["unknown"] == []
    assert requests.sheet({**base, "text": "two rde haerts"}).facts["told_unknown"] == (
        "not in the vocabulary, so read as <unknown>: rde (near: red), haerts (near: hearts)"
    )


def test_a_captioner_may_end_at_once_and_a_person_may_not(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture)}
    for method in WORD_METHODS:
        sheet = requests.sheet({**base, "ids": [1, 2], "method": method})
        assert (sheet.facts["text"], [word["word"] for word in sheet.facts["words"]]) == ("", ["<end>"])
        assert sheet.arrays["maps"].shape == (1, 4, 6)
    with pytest.raises(UserError, match="no words"):
        requests.sheet({**base, "text": " "})


def test_the_screen_shows_the_panels_of_the_sheet_and_its_words(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture), "text": "a red circle", "layer": 2, "head": 1}
    sheet = requests.sheet(base)
    assert [panel.title for panel in sheet.panels] == ["<start>", "a", "red", "circle", "<end>"]
    seen = CaptionSheet(sheet)
    assert seen.words == ("a", "red", "circle", "<end>")
    assert seen.written == ()
    for word in range(4):
        wanted = word_panel(seen.picture, sheet.arrays["maps"], word, sheet.panels[0].box)[0]
        np.testing.assert_array_equal(seen.panel(word), wanted)
    taken = CaptionSheet(requests.sheet({**base, "minus_word": 2}))
    minus = sheet.arrays["maps"][1]
    wanted = word_panel(seen.picture, sheet.arrays["maps"], 2, sheet.panels[0].box, minus=minus)[0]
    np.testing.assert_array_equal(taken.panel(2), wanted)
    assert "the map of red" in {name: value for name, value, _ in taken.word_facts(2)}["minus"]


def test_figures_and_arrays(requests, saved, picture, tmp_path):
    out = tmp_path / "out"
    base = {"captioner": saved, "picture": str(picture), "text": "a red circle"}
    file = requests.save(base, out / "wide ü.png")
    assert file == str(out / "wide ü.png")
    recorded = read_provenance(out / "wide ü.png")
    assert recorded["facts"]["text"] == "a red circle"
    assert recorded["request"]["text"] is None
    assert recorded["request"]["ids"] == [1, 4, 5, 6, 2]
    alone = requests.sheet({**base, "word": 3})
    assert [panel.title for panel in alone.panels] == ["circle"]
    with pytest.raises(UserError, match="no word 9: the caption has 4, counted from 1"):
        requests.sheet({**base, "word": 9})
    with np.load(requests.save(base, out / "wide ü.npz")) as arrays:
        assert arrays["words"].tolist() == ["a", "red", "circle", "<end>"]
        assert arrays["maps"].shape == (4, 4, 6)
        assert arrays["layers_and_heads"].shape == (2, 2, 4, 4, 6)
        np.testing.assert_allclose(arrays["layers_and_heads"].sum((-2, -1)), 1, rtol=1e-4)
        np.testing.assert_allclose(arrays["attention"].sum(-1), 1, rtol=1e-4)
    assert requests.save(base, picture).endswith("wide ü-2.png")
    with Image.open(picture) as untouched:
        assert untouched.size == (640, 300)


@pytest.mark.parametrize("more", [{}, {"minus_word": 1}, {"minus_method": "relevancy"}, {"one_scale": True, "word": 1}])
def test_a_figure_comes_out_again(requests, saved, picture, tmp_path, monkeypatch, more):
    file = requests.save({"captioner": saved, "picture": str(picture), **more}, tmp_path / "a.png")
    assert main(["figure", "again", file, "--out", str(tmp_path / "b.png")]) == 0
    with Image.open(file) as one, Image.open(tmp_path / "b.png") as two:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_pictures_of_a_folder_and_around_a_file(requests, picture, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    found = requests.pictures({"path": str(picture)}).values
    assert found["files"][found["first"]] == str(picture)
    assert requests.pictures({"path": str(tmp_path)}).values["files"][0].endswith("a.png")
    assert len(requests.pictures({"captioner": "demo"}).values["files"]) == 16
    with pytest.raises(UserError, match="There is no picture"):
        requests.pictures({"path": str(tmp_path / "none")})


def test_a_runs_pictures_are_those_of_its_last_evaluation(requests, picture, tmp_path):
    from vitbench.recipe import load_recipe

    store = Store(tmp_path / "store")
    data = json.dumps(str(tmp_path))
    run = store.create(load_recipe("caption-demo", [f"data.path={data}"]), "words")
    (run.folder / "evaluations").mkdir(exist_ok=True)
    for step, names in ((9, ["gone.png"]), (10, [picture.name, "gone.png", picture.name])):
        lines = [json.dumps({"file": name, "caption": "a", "references": []}) + "\n" for name in names]
        (run.folder / "evaluations" / f"val-{step}.jsonl").write_text("".join(lines), encoding="utf-8")
    assert requests.pictures({"captioner": f"{run.id}@last"}).values["files"] == [str(picture)]


def test_a_run_is_pinned_to_the_checkpoint_that_it_has_now(requests, tmp_path):
    from vitbench.recipe import load_recipe

    store = Store(tmp_path / "store")
    run = store.create(load_recipe("scratch", ["data.path=/data"]), "words")

    def checkpoint(step):
        folder = run.folder / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()

    checkpoint(10)
    assert pinned(f"{run.id}@last", store) == f"{run.id}@10"
    checkpoint(20)
    assert pinned(f"{run.id}@last", store) == f"{run.id}@20"
    assert pinned("demo", store) == "demo"


def test_mistakes(requests, saved, picture, tmp_path):
    base = {"captioner": saved, "picture": str(picture)}
    for wrong, words in (
        ({"picture": str(tmp_path / "none.png")}, "There is no picture"),
        ({"text": "a " * 20}, "this captioner reads 9"),
        ({"layer": 9}, "There are 2 layers; number 9 is none of them"),
        ({"head": 0}, "--head counts from 1; 0 is below"),
        ({"method": "magic"}, "'magic' is not known"),
        ({"text": "a red circle", "beams": 2}, "--beams has no effect"),
        ({"minus_word": 99}, "no word 99"),
        ({"method": "occlusion", "head": 1}, "--head is for raw"),
    ):
        with pytest.raises(UserError, match=words):
            requests.sheet({**base, **wrong})


def test_an_empty_caption_of_a_captioner_is_compared_as_it_is_shown(requests, saved, picture):
    tokenizer = WordTokenizer(WORDS)
    base = {"captioner": saved, "picture": str(picture), "ids": [tokenizer.start_id, tokenizer.end_id]}
    plain = requests.sheet(base)
    assert len(plain.facts["words"]) == 1
    compared = requests.sheet({**base, "minus_captioner": saved})
    assert compared.facts["minus"].startswith("the map by")
    assert len(compared.facts["words"]) == 1


def test_a_caption_cut_at_the_greatest_length_is_compared_as_it_is_shown(requests, saved, picture):
    """It has no end, and the captioner that it is compared with has no place for one."""
    ids = [1, *[4, 5, 6, 4, 5, 6, 4, 5]]
    compared = requests.sheet({"captioner": saved, "picture": str(picture), "ids": ids, "minus_captioner": saved})
    assert [word["word"] for word in compared.facts["words"]] == [WORDS[token - 4] for token in ids[1:]]
    assert compared.facts["minus"].startswith("the map by")


def test_words_that_can_be_completed_are_those_of_the_vocabulary(requests, saved):
    found = requests.handlers["caption_words"]({"captioner": saved}, silent).values["words"]
    assert found
    assert tuple(found) == vocabulary(open_captioner(saved).tokenizer)
    assert not set(found) & set(SPECIAL_TOKENS)
