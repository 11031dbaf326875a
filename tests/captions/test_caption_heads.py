"""Which head grounds best: measured like the grounding table itself, kept with a training, and what looks inside."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vitbench import cli
from vitbench.captions.encoded import EncodedPicture
from vitbench.captions.formats.rows import Region
from vitbench.captions.grounding import ground
from vitbench.captions.grounding_by_head import measure_heads, table, to_json, words_by_kind
from vitbench.captions.heads_by_kind import HeadScores, KindHeads, chosen_heads, heads_of, step_name
from vitbench.captions.index import CaptionedPicture, open_captions
from vitbench.captions.open import open_captioner
from vitbench.captions.word_maps import MapSettings
from vitbench.data.pictures import open_picture
from vitbench.data.scenes.export import write_scenes
from vitbench.errors import UserError
from vitbench.paths import sample_images

COUNT = 6


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "set"
    write_scenes(folder, count=60, size=96, kinds="base")
    return folder


@pytest.fixture(scope="module")
def pictures(scenes):
    return open_captions(scenes).split("val")[:COUNT]


def _of(records, role):
    return [record for record in records if record.role == role and not np.isnan(record.auc)]


def _means(records):
    return [np.mean([getattr(record, name) for record in records]) for name in ("auc", "pointing")]


def test_each_head_has_the_numbers_of_its_own_table(pictures):
    captioner = open_captioner("demo")
    found = measure_heads(captioner, pictures, "some")
    tables = {
        at: ground(captioner, pictures, MapSettings("raw", *at), deletion=False)
        for at in [*np.ndindex(3, 3), (None, None)]
    }
    assert {"NOUN", "COLOUR", "SIZE", "BACKGROUND", "DETERMINER"} <= set(found.kinds)
    for kind, scores in found.kinds.items():
        for (layer, head), records in tables.items():
            auc, pointing = _means(own := _of(records, kind))
            assert len(own) == scores.words
            if layer is None:
                assert (scores.mean_auc, scores.mean_pointing) == pytest.approx((auc, pointing), abs=1e-6)
            else:
                expected = scores.auc[layer][head], scores.pointing[layer][head]
                assert expected == pytest.approx((auc, pointing), abs=1e-6)
        assert table(scores).count("*") == (scores.layer is not None)


def test_a_head_is_chosen_only_where_enough_pictures_agree_that_it_is_better(pictures):
    captioner = open_captioner("demo")
    several, few = (measure_heads(captioner, pictures[:count], "some") for count in (COUNT, 3))
    assert all(scores.layer is None for scores in few.kinds.values())
    assert few.heads.heads == ()
    assert "which no single head beats" in few.sentence()
    chosen = [scores for scores in several.kinds.values() if scores.layer is not None]
    assert chosen
    for scores in chosen:
        at = scores.layer - 1, scores.head - 1
        assert scores.auc[at[0]][at[1]] + scores.pointing[at[0]][at[1]] > scores.mean_auc + scores.mean_pointing
    assert "colours by the mean, which no head beats" in few.of_kind("COLOUR")
    for kind, scores in several.kinds.items():
        assert {several.heads.of(word) or (None, None) for word in several.spoken[kind]} == {
            (scores.layer, scores.head)
        }


def test_the_package_s_captioner_was_measured(store):
    found = heads_of("demo", store)
    nouns = found.kinds["NOUN"]
    assert (nouns.layer, nouns.head) == (3, 2)
    assert nouns.pointing[2][1] > 0.95
    assert "val pictures" in found.where
    for scores in found.kinds.values():
        if scores.layer is not None:
            assert scores.auc[scores.layer - 1][scores.head - 1] > 0.65
    assert found.heads.of("hearts") == (3, 2)
    assert found.heads.of("white") is None
    assert found.heads.of("<end>") is None


def test_words_are_shown_by_the_head_of_their_kind_and_a_figure_says_which(scenes, store, capsys, tmp_path):
    picture = next(sample_images().glob("*.png"))
    out = tmp_path / "out"
    assert cli.main(["caption", "demo", str(picture), "--words", "--json", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)["pictures"][0]
    assert captured.err.count("by kind of word, where better than the mean on 120 val pictures") == 1
    heads = heads_of("demo", store).heads
    encoded = EncodedPicture(open_captioner("demo"), open_picture(picture))
    read = encoded.read(told["ids"])
    shown = read.maps(MapSettings(by_kind=heads))
    kinds = set()
    for number, word in enumerate(told["words"]):
        at = heads.of(word["word"])
        kinds.add(word.get("kind"))
        assert (word.get("layer"), word.get("head")) == (at or (None, None))
        alone = read.maps(MapSettings() if at is None else MapSettings("raw", at[0] - 1, at[1] - 1))
        np.testing.assert_allclose(shown.maps[number], alone.maps[number], atol=1e-6)
        assert word["entropy"] == pytest.approx(float(alone.entropy[number]), abs=1e-3)
    assert {"NOUN", "COLOUR"} <= kinds
    figure = out / f"{picture.stem}.png"
    assert cli.main(["figure", "again", str(figure), "--out", str(tmp_path / "again.png")]) == 0
    with Image.open(tmp_path / "again.png") as again, Image.open(figure) as before:
        np.testing.assert_array_equal(np.asarray(again), np.asarray(before))


def test_ground_shows_each_kind_by_its_head_unless_one_is_named(scenes, capsys, tmp_path):
    arguments = ["ground", "demo", "--data", str(scenes), "--limit", "2", "--no-deletion", "--device", "cpu", "--json"]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    by_kind = json.loads(captured.out)
    assert "nouns 3" in by_kind["layer"]
    assert "others mean" in by_kind["head"]
    assert "nouns by layer 3, head 2" in captured.err
    named = {}
    for chosen in (["--layer", "0"], ["--layer", "3", "--head", "2"]):
        assert cli.main([*arguments, *chosen]) == 0
        captured = capsys.readouterr()
        assert "by kind" not in captured.err
        named[chosen[-1]] = json.loads(captured.out)
    assert named["0"]["head"] == "mean"
    value = {name: {row["role"]: row["auc"] for row in t["roles"]} for name, t in (named | {"": by_kind}).items()}
    assert value[""]["NOUN"] == value["2"]["NOUN"]
    assert value[""]["COLOUR"] == value["0"]["COLOUR"]
    assert value[""]["COLOUR"]["value"] > value["2"]["COLOUR"]["value"]
    by_head = ["ground", "demo", "--data", str(scenes), "--limit", "2", "--by-head", "--device", "cpu"]
    assert cli.main([*by_head, "--out", str(tmp_path / "out")]) == 0
    assert "layer           head 1" in capsys.readouterr().out
    written = HeadScores.model_validate_json((tmp_path / "out" / "grounding-heads.json").read_text())
    assert written.kinds["NOUN"].words > 0
    figure, again = tmp_path / "out" / "grounding-heads.png", tmp_path / "again.png"
    assert cli.main(["figure", "again", str(figure), "--out", str(again)]) == 0
    assert cli.main([*by_head, "--layer", "1"]) == 2
    assert "have no effect" in capsys.readouterr().err


def test_what_a_training_measured_is_read_and_a_broken_file_is_named(pictures, tmp_path):
    scores = measure_heads(open_captioner("demo"), pictures[:1], "1 validation picture")
    file = tmp_path / "run" / "evaluations" / step_name(7)
    file.parent.mkdir(parents=True)
    file.write_text(to_json(scores))
    assert heads_of("run@7", tmp_path) == scores
    assert heads_of("run@8", tmp_path) is None
    nowhere = json.loads(to_json(scores))
    nowhere["kinds"]["NOUN"] |= {"layer": 9, "head": 1}
    for text in ("{", "[]", "{}", '{"pointing": 3}', '{"kinds": 3}', json.dumps(nowhere)):
        file.write_text(text)
        with pytest.raises(UserError, match="--layer and --head choose instead"):
            heads_of("run@7", tmp_path)
        choice = chosen_heads("run@7", tmp_path)
        assert choice.heads is None
        assert "mean over layers and heads" in choice.said
        assert "cannot be read" in choice.said


def test_a_file_that_measured_nouns_alone_still_chooses_for_nouns(tmp_path):
    old = {
        "pointing": [[0.1, 0.9]],
        "auc": [[0.4, 0.95]],
        "chance": 0.06,
        "words": 12,
        "pictures": 9,
        "mean_pointing": 0.5,
        "layer": 1,
        "head": 2,
        "where": "9 validation pictures",
    }
    file = tmp_path / "run" / "evaluations" / step_name(7)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(old))
    choice = chosen_heads("run@7", tmp_path)
    assert [choice.heads.of(word) for word in ("Zebra", "white", "two", "on", ".", "<end>")] == [(1, 2), *[None] * 5]
    assert "nouns by layer 1, head 2 (AUC 0.95, pointing 0.90; the mean has pointing 0.50)" in choice.said
    assert "which are nouns was not written down" in choice.said
    assert chosen_heads("run@7", tmp_path, "reading").heads is None


def test_a_word_is_of_the_kind_that_the_data_give_it_most_often(tmp_path):
    cat = Region("cat", 4, 4, [[0, 0, 2, 0, 2, 2]])
    pictures = [
        CaptionedPicture(tmp_path / "a.jpg", ("A black cat.", "Two cats on orange"), "val", (cat,)),
        CaptionedPicture(tmp_path / "b.jpg", ("a cat runs",), "val"),
    ]
    kinds = words_by_kind(pictures)
    assert kinds["NOUN"] == ("cat", "cats")
    assert kinds["COLOUR"] == ("black", "orange")
    assert "runs" not in {word for words in kinds.values() for word in words}
    heads = KindHeads((("NOUN", 1, 2),), tuple((word, kind) for kind, words in kinds.items() for word in words))
    assert [heads.of(word) for word in ("Cat", "dog", "black", "runs")] == [(1, 2), None, None, None]


def test_without_a_mask_nothing_is_chosen():
    with pytest.raises(UserError, match="No word"):
        measure_heads(open_captioner("demo"), [], "nothing")
    assert torch.is_grad_enabled()
