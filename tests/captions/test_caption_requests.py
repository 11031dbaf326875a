"""The inspector's requests about captions, asked directly: answers equal what the engine computes by itself."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vitbench.captions import encoded as encoded_module
from vitbench.captions.captioner import new_captioner
from vitbench.captions.describing import Decoding, describe_picture
from vitbench.captions.open import open_captioner, pinned
from vitbench.captions.saved import DecoderSizes, save_captioner
from vitbench.captions.tokenizer import WordTokenizer
from vitbench.captions.word_maps import METHODS, MapSettings
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.inspector.caption_requests import PREVIEW, CaptionRequests
from vitbench.models.network import build_network
from vitbench.progress import silent
from vitbench.recipe import ModelTable
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


@pytest.fixture
def requests(tmp_path):
    return CaptionRequests(tmp_path / "store")


def test_the_sentence_and_its_maps_are_the_engines(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture)}
    answer = requests.caption(base, silent)
    with Image.open(picture) as opened:
        expected = describe_picture(open_captioner(saved), opened.convert("RGB"), decoding=Decoding(best=4))
    assert answer.values["sentence"] == expected.sentence
    assert [one["sentence"] for one in answer.values["sentences"][1:]] == [text for text, _ in expected.alternatives]
    assert answer.arrays["picture"].shape == (150, PREVIEW, 3)
    assert answer.values["box"] == [0, 0, PREVIEW, 150]
    assert (answer.values["layers"], answer.values["heads"]) == (2, 2)
    for method in METHODS:
        asked = {**base, "ids": answer.values["ids"], "method": method, "row": "reading"}
        found = requests.maps(asked, silent)
        with Image.open(picture) as opened:
            wanted = describe_picture(
                open_captioner(saved), opened.convert("RGB"), settings=MapSettings(method, row="reading")
            ).maps
        np.testing.assert_allclose(found.arrays["maps"], wanted.maps, atol=1e-5)
        np.testing.assert_allclose(found.arrays["entropy"], wanted.entropy, atol=1e-4)
    json.dumps(answer.values)


def test_a_picture_is_encoded_once(requests, saved, picture, monkeypatch):
    made = []
    original = encoded_module.EncodedPicture.__init__
    monkeypatch.setattr(
        encoded_module.EncodedPicture, "__init__", lambda self, *given: made.append(1) or original(self, *given)
    )
    base = {"captioner": saved, "picture": str(picture)}
    ids = requests.caption(base, silent).values["ids"]
    for layer in (None, 0, 1):
        for head in (None, 0, 1):
            requests.maps({**base, "ids": ids, "layer": layer, "head": head}, silent)
    requests.caption({**base, "text": "two red hearts"}, silent)
    assert len(made) == 1
    requests.give_back()
    requests.caption(base, silent)
    assert len(made) == 2


def test_a_typed_sentence_has_its_own_ranks(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture), "text": "two red hearts"}
    assert requests.caption(base, silent).values["words"] == ["two", "red", "hearts", "<end>"]
    answer = requests.maps(base, silent)
    captioner = open_captioner(saved)
    with Image.open(picture) as opened, torch.no_grad():
        prepared = captioner.prepare(opened.convert("RGB"))
        ids = torch.tensor([[1, *captioner.tokenizer.encode("two red hearts"), 2]])
        scores = captioner.module(prepared.pixels, ids)[0].log_softmax(-1)
    for place in range(4):
        token = int(ids[0, place + 1])
        assert answer.arrays["log_probs"][place] == pytest.approx(float(scores[place, token]), abs=1e-4)
        assert answer.arrays["ranks"][place] == int((scores[place] > scores[place, token]).sum()) + 1


def test_a_captioner_may_end_at_once_and_a_person_may_not(requests, saved, picture):
    base = {"captioner": saved, "picture": str(picture)}
    values = requests.caption({**base, "ids": [1, 2]}, silent).values
    assert (values["sentence"], values["words"]) == ("", ["<end>"])
    for method in METHODS:
        maps = requests.maps({**base, "ids": [1, 2], "method": method}, silent)
        assert maps.arrays["maps"].shape == (1, 4, 6)
    with pytest.raises(UserError, match="no words"):
        requests.caption({**base, "text": " "}, silent)


def test_exports(requests, saved, picture, tmp_path):
    out = tmp_path / "out"
    base = {"captioner": saved, "picture": str(picture), "text": "a red circle", "folder": str(out)}
    grid = requests.export({**base, "what": "grid"}, silent).values["file"]
    assert grid == str(out / "wide ü.png")
    with Image.open(grid) as figure:
        assert json.loads(figure.text["vitbench"])["sentence"] == "a red circle"
        assert figure.width > 5 * 224
    panel = requests.export({**base, "what": "panel", "word": 2}, silent).values["file"]
    assert panel.endswith("wide ü-03-circle.png")
    with np.load(requests.export({**base, "what": "arrays"}, silent).values["file"]) as arrays:
        assert arrays["words"].tolist() == ["a", "red", "circle", "<end>"]
        assert arrays["maps"].shape == (2, 2, 4, 4, 6)
        np.testing.assert_allclose(arrays["maps"].sum((-2, -1)), 1, rtol=1e-4)
        np.testing.assert_allclose(arrays["attention"].sum(-1), 1, rtol=1e-4)
    beside = {**base, "folder": str(picture.parent), "what": "grid"}
    assert requests.export(beside, silent).values["file"].endswith("wide ü-2.png")
    with Image.open(picture) as untouched:
        assert untouched.size == (640, 300)


def test_pictures_of_a_folder_and_around_a_file(requests, picture, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    found = requests.pictures({"path": str(picture)}, silent).values
    assert found["files"][found["first"]] == str(picture)
    assert requests.pictures({"path": str(tmp_path)}, silent).values["files"][0].endswith("a.png")
    assert len(requests.pictures({"captioner": "demo"}, silent).values["files"]) == 16
    with pytest.raises(UserError, match="There is no picture"):
        requests.pictures({"path": str(tmp_path / "none")}, silent)


def test_a_runs_pictures_are_those_of_its_last_evaluation(requests, picture, tmp_path):
    from vitbench.recipe import load_recipe

    store = Store(tmp_path / "store")
    data = json.dumps(str(tmp_path))
    run = store.create(load_recipe("caption-demo", [f"data.path={data}"]), "words")
    (run.folder / "evaluations").mkdir(exist_ok=True)
    for step, names in ((9, ["gone.png"]), (10, [picture.name, "gone.png", picture.name])):
        lines = [json.dumps({"file": name, "sentence": "a", "references": []}) + "\n" for name in names]
        (run.folder / "evaluations" / f"val-{step}.jsonl").write_text("".join(lines), encoding="utf-8")
    assert requests.pictures({"captioner": f"{run.id}@last"}, silent).values["files"] == [str(picture)]


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
    with pytest.raises(UserError, match="There is no picture"):
        requests.caption({**base, "picture": str(tmp_path / "none.png")}, silent)
    with pytest.raises(UserError, match="this captioner reads 9"):
        requests.caption({**base, "text": "a " * 20}, silent)
    with pytest.raises(UserError, match="export grid, panel or arrays"):
        requests.export({**base, "text": "a red circle", "what": "film", "folder": str(tmp_path)}, silent)
