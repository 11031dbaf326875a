"""The grounding measure measures itself: oracle, uniform and shuffled maps; each number against a plain computation."""

import csv
import io
import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from vitbench.captions.caption_pass import read_caption
from vitbench.captions.captioner import new_captioner
from vitbench.captions.formats.rows import Region
from vitbench.captions.grounding import Seen, WordTruth, against, auc, cut, ground, truths_of
from vitbench.captions.grounding_table import grounding_table, to_csv, to_markdown
from vitbench.captions.index import CaptionedPicture, open_captions
from vitbench.captions.masks import on_grid, region_mask
from vitbench.captions.saved import DecoderSizes
from vitbench.captions.tokenizer import WordTokenizer
from vitbench.captions.word_maps import MapSettings
from vitbench.compose.grounding import Grounded, write_grounding
from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.scenes.export import write_scenes
from vitbench.files.outputs import Outputs
from vitbench.models.network import build_network
from vitbench.recipe import ModelTable
from vitbench.requests.studies import GroundingRequest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground") / "scenes"
    write_scenes(folder, count=40, size=48, seed=2)
    return open_captions(folder)


@pytest.fixture(scope="module")
def captioner(data):
    torch.manual_seed(0)
    options = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    encoder = build_network(ModelTable(name="timm:vit_tiny_patch16_224", image_size=48, options=options), num_classes=0)
    encoder.preprocessing = Preprocessing(48, 48)
    tokenizer = WordTokenizer.train([caption for picture in data.pictures for caption in picture.captions])
    sizes = DecoderSizes(embed_dim=16, depth=1, num_heads=2, max_length=24)
    captioner = new_captioner(encoder, tokenizer, sizes)
    with torch.no_grad():
        for parameter in captioner.module.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
    captioner.module.eval()
    return captioner


@pytest.fixture(scope="module")
def pictures(data):
    return data.split("train")[:12]


def mean(records, role, column):
    values = [getattr(record, column) for record in records if record.role == role]
    return float(np.nanmean(values))


def test_the_oracle_is_perfect_and_a_uniform_map_knows_nothing(captioner, pictures):
    oracle = ground(captioner, pictures, control="oracle", deletion=False)
    uniform = ground(captioner, pictures, control="uniform", deletion=False)
    assert len(oracle) == len(uniform) == sum(len(picture.truth) for picture in pictures)
    for role in ("NOUN", "COLOUR", "SIZE", "BACKGROUND"):
        assert mean(oracle, role, "auc") == pytest.approx(1.0)
        assert mean(oracle, role, "pointing") == pytest.approx(1.0)
        assert mean(oracle, role, "mass_ratio") > 1.0
        assert mean(uniform, role, "auc") == pytest.approx(0.5)
        assert mean(uniform, role, "mass_ratio") == pytest.approx(1.0, abs=1e-6)
        assert mean(uniform, role, "entropy") == pytest.approx(1.0, abs=1e-6)
        assert mean(oracle, role, "entropy") < 0.99
    for record in uniform:
        if not math.isnan(record.auc):
            assert record.pointing == pytest.approx(record.chance)
    assert all(math.isnan(record.auc) for record in oracle if record.role in ("CONJUNCTION", "PREPOSITION"))


def test_shuffled_words_score_below_the_oracle(captioner, pictures):
    # Each word gets the map of the word before it. The oracle's maps would be perfect; a colour still gets its size's.
    records = ground(captioner, pictures, control="oracle", deletion=False)
    assert mean(records, "NOUN", "auc") == pytest.approx(1.0)
    shuffled = ground(captioner, pictures, control="shuffled", deletion=False)
    raw = ground(captioner, pictures, deletion=False)
    assert mean(shuffled, "NOUN", "auc") < 0.9
    words = [(record.word, record.auc) for record in raw]
    assert words != [(record.word, record.auc) for record in shuffled]


def test_auc_equals_the_rank_sum_statistic():
    random = np.random.default_rng(0)
    for ties in (1, 3, 1000):
        values = np.round(random.random((6, 7)) * ties) / ties
        labels = random.random((6, 7)) < 0.3
        statistic = mannwhitneyu(values[labels], values[~labels]).statistic
        assert auc(values, labels) == pytest.approx(statistic / (labels.sum() * (~labels).sum()))


def test_deletion_blanks_the_words_own_patches(captioner, pictures):
    picture = pictures[0]
    records = ground(captioner, [picture], deletion=True, seed=0)
    prepared = captioner.prepare(open_picture(picture.file))
    tokenizer = captioner.tokenizer
    ids = [1, *tokenizer.encode(picture.captions[0]), 2]
    module = captioner.module
    with torch.no_grad():
        memory = module.encode(prepared.pixels)
        caption_pass = read_caption(module, memory, ids)
        word = 3
        scores = caption_pass.attention.mean((0, 1))[word][1:].numpy()
        top = np.argsort(-scores, kind="stable")[:4]  # a tenth of 36 patches
        blanked = prepared.pixels.clone()
        for patch in top:
            row, column = divmod(int(patch), 6)
            blanked[..., row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 0
        own = module(blanked, torch.tensor([ids]))[0].log_softmax(-1)[word, ids[word + 1]]
        others = []
        random = np.random.default_rng(0)
        for _ in range(4):
            blanked = prepared.pixels.clone()
            for patch in random.permutation(36)[:4]:
                row, column = divmod(int(patch), 6)
                blanked[..., row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 0
            others.append(float(module(blanked, torch.tensor([ids]))[0].log_softmax(-1)[word, ids[word + 1]]))
    assert records[word].deletion_drop == pytest.approx(np.mean(others) - float(own), abs=1e-4)


def test_masks_follow_the_part_of_the_picture_that_the_network_saw():
    mask = np.zeros((20, 40), dtype=bool)
    mask[:, 10:20] = True
    np.testing.assert_allclose(on_grid(cut(mask, (10, 0, 30, 20)), 2, 2), [[1, 0], [1, 0]])
    np.testing.assert_allclose(on_grid(cut(mask, (0, 0, 40, 20)), 1, 4), [[0, 1, 0, 0]])


def square(left, top, side, size=32):
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_pointing_is_whether_the_highest_patch_is_the_words():
    # Patches are 8x8. This square covers no patch by half; the one that it covers most is its own.
    seen = Seen.of(WordTruth("NOUN", (square(11, 11, 5),)), (0, 0, 32, 32), 4, 4)
    assert seen.patches[1, 1] == pytest.approx(25 / 64)
    values = np.full((4, 4), 0.01)
    values[1, 1] = 0.5
    found = against(values, seen)
    assert (found["pointing"], found["chance"]) == (1.0, pytest.approx(1 / 16))
    values[0, 3] = 0.5
    assert against(values, seen)["pointing"] == 0.5
    values[1, 1] = 0.01
    assert against(values, seen)["pointing"] == 0.0


def test_each_of_several_objects_has_a_patch_however_small_it_is():
    truth = WordTruth("NUMBER", (square(0, 0, 8), square(24, 24, 3)))
    seen = Seen.of(truth, (0, 0, 32, 32), 4, 4)
    assert np.argwhere(seen.belongs).tolist() == [[0, 0], [3, 3]]


def test_roles_of_imported_words_come_from_the_lexicon():
    dog = Region("dog", [[0, 0, 4, 0, 4, 4, 0, 4]], 8, 8)
    picture = CaptionedPicture(None, ("",), "test", (dog, Region("person", [[5, 5, 8, 5, 8, 8]], 8, 8)))
    words = ["two", "brown", "dogs", "and", "a", "man", "run", ".", "<end>"]
    truths = truths_of(picture, words, [region_mask(region) for region in picture.regions])
    assert [truth.role for truth in truths] == [
        "NUMBER",
        "COLOUR",
        "NOUN",
        "CONJUNCTION",
        "DETERMINER",
        "NOUN",
        "OTHER",
        "",
        "",
    ]
    for place in (0, 1, 2):
        np.testing.assert_array_equal(truths[place].mask, truths[2].mask)
    assert truths[2].mask[1, 1]
    assert not truths[2].mask[6, 6]
    assert [truth.mask is None for truth in truths[3:]] == [True, True, False, True, True, True]


def test_captions_without_masks_still_get_the_columns_that_need_none(captioner, data, tmp_path):
    picture = data.split("train")[0]
    bare = CaptionedPicture(picture.file, picture.captions, "test")
    records = ground(captioner, [bare], deletion=True)
    assert {"COLOUR", "SIZE", "DETERMINER", "OTHER"} <= {record.role for record in records}
    assert all(math.isnan(record.auc) and not math.isnan(record.entropy) for record in records)
    assert any(not math.isnan(record.deletion_drop) for record in records)


def test_the_table_has_means_and_intervals_that_hold_them(captioner, pictures, tmp_path):
    records = ground(captioner, pictures, MapSettings(row="reading"))
    rows = grounding_table(records)
    assert [row.role for row in rows][:4] == ["NOUN", "COLOUR", "SIZE", "NUMBER"]
    nouns = [record for record in records if record.role == "NOUN"]
    assert rows[0].count == len(nouns)
    for name in ("auc", "entropy", "deletion_drop", "correct"):
        estimate = rows[0].columns[name]
        assert estimate.value == pytest.approx(np.nanmean([getattr(record, name) for record in nouns]))
        assert estimate.low <= estimate.value <= estimate.high
    # The interval of a mean over many pictures has the width that its standard error gives.
    per_picture = {n: [r.auc for r in nouns if r.picture == n and not math.isnan(r.auc)] for n in range(len(pictures))}
    assert all(per_picture.values())
    read = list(csv.DictReader(io.StringIO(to_csv(rows, {"method": "raw", "layer": "2"}))))
    assert {(row["method"], row["layer"]) for row in read} == {("raw", "2")}
    assert float(read[0]["auc"]) == pytest.approx(rows[0].columns["auc"].value, rel=1e-4)
    assert to_markdown(rows).count("\n") == len(rows) + 2
    request = GroundingRequest(captioner="demo", data="scenes:base")
    found = Grounded(request, rows, "a title with $ and <tags>", {}, [], [], {})
    write_grounding(Outputs(tmp_path), tmp_path / "out", found)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"grounding.csv", "grounding.md", "grounding.png"}


def test_the_bootstrap_interval_has_the_right_width():
    from vitbench.captions.grounding import WordRecord

    random = np.random.default_rng(3)
    values = random.normal(0.7, 0.1, 400)
    records = [WordRecord(n, "w", "NOUN", 1, v, 1, 0.1, 1, 0.5, 0.5, 0.0) for n, v in enumerate(values)]
    estimate = grounding_table(records)[0].columns["auc"]
    half = 1.96 * values.std() / math.sqrt(400)
    assert estimate.high - estimate.low == pytest.approx(2 * half, rel=0.12)
