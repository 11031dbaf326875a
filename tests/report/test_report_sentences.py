"""Each sentence of a report says what its number says: other numbers, the contrary sentence."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vitbench.captions import grounding
from vitbench.captions.heads_by_kind import chosen_heads
from vitbench.captions.open import open_captioner
from vitbench.compose.grounding import measure_grounding
from vitbench.compose.sources import Sources
from vitbench.models.adaptation import state_on_cpu
from vitbench.models.network import open_network
from vitbench.recipe import parse_recipe
from vitbench.report.document import FigureBlock
from vitbench.report.drawing import Drawer
from vitbench.report.facts import (
    AttentionFacts,
    Course,
    PositionFacts,
    PositionScore,
    Relation,
    ResultFacts,
    RoleFacts,
    SettingFacts,
    TriedFacts,
    TriedRow,
)
from vitbench.report.gather_networks import gather_captions, gather_positions, roles_of
from vitbench.report.gather_run import energy_of, gather_result
from vitbench.report.gather_setting import gather_setting
from vitbench.report.say_attention import relation_sentence, say_attention
from vitbench.report.say_captions import role_sentence, say_captions
from vitbench.report.say_positions import say_positions, score_sentence
from vitbench.report.say_result import _course_sentence, report_line, say_result
from vitbench.report.say_setting import setting_sentences
from vitbench.requests.report import ReportRequest
from vitbench.requests.studies import GroundingRequest
from vitbench.runs.evaluations import read_scored
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.events import Series
from vitbench.runs.records import Points
from vitbench.runs.status import write_status
from vitbench.runs.store import Store
from vitbench.statistics import Estimate, wilson_interval


def words_of(section) -> str:
    """All that a section says."""
    found = []
    for block in section.blocks:
        found += [str(getattr(block, name)) for name in ("text", "items", "rows", "what") if hasattr(block, name)]
    return " ".join(found)


def scored(folder: Path, confusion, split="test", mean_loss=0.5):
    """An evaluation with these confusions."""
    confusion = np.array(confusion)
    pictures, correct = int(confusion.sum()), int(np.diag(confusion).sum())
    document = {
        "split": split, "step": 7, "root": "/pictures", "pictures": pictures, "correct": correct,
        "accuracy": correct / pictures, "accuracy_interval_95": list(wilson_interval(correct, pictures)),
        "accuracy_top5": 1.0, "mean_loss": mean_loss, "classes": [f"kind {n}" for n in range(len(confusion))],
        "confusion": confusion.tolist(), "worst": [],
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / f"{split}-7.json").write_text(json.dumps(document))
    return read_scored(folder / f"{split}-7.json")


def say(scores, tried=None, recipe=None):
    recipe = recipe or parse_recipe({"data": {"path": "/pictures"}}, "test")
    facts = ResultFacts("r", 7, "classify", tuple(scores))
    return words_of(say_result(facts, SettingFacts(recipe, "finished", 7, 7), tried or TriedFacts(())))


def test_a_result_is_above_chance_or_not_by_its_interval(tmp_path):
    good = say([scored(tmp_path, [[48, 2], [1, 49]])])
    assert "97 were given the right class: 97.0%, with a 95% interval (Wilson) from 91.5% to 99.0%" in good
    assert "That is above chance: always naming the commonest class (kind 0) would be right for 50.0%" in good
    assert "The most frequent confusion is of kind 0 with kind 1: twice." in good
    assert "The hardest class is kind 0, right for 48 of 50 (96.0%)." in good
    assert "cannot be told from guessing" in say([scored(tmp_path, [[26, 24], [23, 27]])])
    assert "worse than guessing" in say([scored(tmp_path, [[5, 45], [45, 5]])])
    perfect = say([scored(tmp_path, [[50, 0], [0, 50]])])
    assert "No picture was given a wrong class." in perfect
    assert "confusion is of" not in perfect


def test_the_reports_line_is_that_of_the_script(tmp_path):
    found = scored(tmp_path, [[48, 2], [1, 49]], mean_loss=0.19434)
    assert report_line(found) == "Test set: Average loss: 0.1943, Accuracy: 97/100 (97.0%)"
    only_validation = say([scored(tmp_path, [[48, 2], [1, 49]], "val")])
    assert "also chose the checkpoint, so the number flatters" in only_validation
    assert "Validation set: Average loss" in only_validation


def test_the_setting_is_the_recipe_and_says_what_is_used_only():
    recipe = parse_recipe(
        {
            "model": {"name": "pretrained_vit:B_16_imagenet1k", "pretrained": True, "image_size": [224, 384]},
            "data": {"path": "/pets", "augment": "report", "mixup": 0.2},
            "train": {"epochs": 2, "batch_size": 8, "accumulate": 4, "ema": 0.9, "seed": 3},
            "optim": {"name": "momentum", "lr": 0.03},
            "schedule": {"warmup_epochs": 2.0},
        },
        "test",
    )
    said = " ".join(setting_sentences(SettingFacts(recipe, "paused", 3, 9)))
    for words in (
        "pretrained_vit:B_16_imagenet1k, starting from published weights, for pictures of 384x224",
        "trained on /pets, with the augmentation of the report, with mixup 0.2",
        "2 epochs in batches of 32, with SGD (learning rate 0.03, momentum 0.9, no weight decay)",
        "cosine schedule after a linear warm-up of 2 epochs",
        "averaged weights (decay 0.9)",
        "The run is paused, at step 3 of 9",
    ):
        assert words in said
    for words in ("smoothing", "clipped", "CutMix", "dropout"):
        assert words not in said


def test_the_setting_counts_pictures_and_names_what_was_done_about_rare_classes(tmp_path):
    values = {
        "model": {"name": "timm:vit_tiny_patch16_224", "in_chans": 1},
        "data": {"path": "/pets", "class_weights": {"rare": 4.0}, "sampler": "balanced"},
        "train": {"early_stopping": 3},
        "optim": {"options": {"eps": 1e-6}},
        "schedule": {"name": "wsd", "min_lr": 1e-5},
    }
    known = {
        "parameters": 5_500_000,
        "architecture": "timm:vit_tiny_patch16_224 with depth 2",
        "pictures": {"train": 1200, "val": 80, "test": 100, "odd": 7},
        "classes": 3,
        "chosen": "the checkpoint of step 9, the best by macro f1 on the validation split",
        "warnings": ("2 pictures cannot be read.", "b", "c", "d"),
    }
    recipe = parse_recipe(values, "test")
    said = " ".join(setting_sentences(SettingFacts(recipe, "finished", 9, 9, **known)))
    for words in (
        "(timm:vit_tiny_patch16_224 with depth 2; 5.5 million parameters)",
        "for grey pictures of",
        "on 1,200 pictures of 3 classes of /pets, without augmentation; 80 for validation, 100 for the test and 7 as",
        "weighted by class: rare 4; the others count 1.",
        "each class is shown equally often",
        "to end after 3 evaluations without a new best",
        "eps 1e-06) and a wsd schedule that decays in the last 20.0% down to 1e-05",
        "Reported is the checkpoint of step 9, the best by macro f1 on the validation split.",
        "Its log warns: 2 pictures cannot be read. Its log warns: b.",
        "It warns of 1 more",
    ):
        assert words in said
    plain = " ".join(
        setting_sentences(SettingFacts(parse_recipe({"data": {"path": "/pets"}}, "test"), "finished", 9, 9))
    )
    assert "trained on /pets, without augmentation." in plain
    for words in ("weighted", "equally often", "warns", "Reported", "parameters", "grey"):
        assert words not in plain


def test_a_loss_that_leaps_when_the_whole_network_begins_is_told_in_two_parts(tmp_path):
    values = {"data": {"path": "/pets"}, "train": {"epochs": 10, "head_epochs": 8}}
    run = Store(tmp_path / "store").create(parse_recipe(values, "test"), "mine")
    write_status(run.folder, run.status().model_copy(update={"total_steps": 100}))
    events = EventWriter(run.folder)
    for step, loss in ((1, 2.5), (40, 0.5), (80, 0.25), (81, 2.75), (100, 1.125)):
        events.scalars(step, {"train/loss": loss, "validation/loss": loss})
    events.close()
    said = words_of(say_result(gather_result(run, None, no_figure), gather_setting(run, None), TriedFacts(())))
    assert "While the head learned alone, the training loss went from 2.500 to 0.250 at step 80; with" in said
    assert "with the rest of the network it began at 2.750 and was 1.125 at step 100." in said
    assert "The validation loss fell from 2.500 to 1.125 at step 100, at its best 0.250 at step 80." in said


def test_an_exact_match_is_of_labels_or_of_captions():
    course = Course("validation/exact_match", 0.25, 0.5, 0.5, 9, 9)
    said = {task: _course_sentence(course, task) for task in ("multilabel", "caption")}
    assert "share of validation pictures that have all of their labels right rose from 0.250" in said["multilabel"]
    assert "share of validation captions that are right word for word rose from 0.250" in said["caption"]


def no_figure(name, request, caption):
    return FigureBlock(name, caption, b"", b"")


def test_what_was_tried_names_the_best_and_its_spread(tmp_path):
    rows = (
        TriedRow(("a", "b"), {"optim.lr": 0.1}, (0.9, 0.94), 100, "test"),
        TriedRow(("c",), {"optim.lr": 0.2}, (0.8,), 100, "test"),
    )
    said = say([scored(tmp_path, [[48, 2], [1, 49]])], TriedFacts(rows, "a is better than c."))
    assert "Best of 2 settings was a and b with 92.0%. a is better than c." in said
    assert "90.0% to 94.0% over 2 seeds" in said
    assert "one seed" in said


@pytest.mark.parametrize("name", ["locality", "row_lift", "additive_r2", "toeplitz_r2", "best_match_is_neighbour"])
def test_a_measure_of_positions_says_yes_or_no(name):
    yes, no = (score_sentence(PositionScore(name, value, p)) for value, p in ((0.7, 0.002), (0.01, 0.6)))
    assert yes != no.replace("0.01", "0.70")
    assert "p = 0.002" in yes
    assert "not " in no
    assert "not " not in yes
    assert "as shuffled patches do (p = 0.6)" in no
    assert "not " in score_sentence(PositionScore(name, -0.4, 0.002))


def test_shuffled_positions_give_the_contrary_sentences(tmp_path):
    """The network's own, and the same network with its position vectors dealt out anew."""
    network = open_network("demo")
    module = copy.deepcopy(network.module)
    with torch.no_grad():
        count = module.pos_embed.shape[1] - module.num_prefix_tokens
        order = module.num_prefix_tokens + torch.randperm(count, generator=torch.Generator().manual_seed(0))
        module.pos_embed[:, module.num_prefix_tokens :] = module.pos_embed[:, order]
    (tmp_path / "shuffled").mkdir()
    save_file(state_on_cpu(module), tmp_path / "shuffled" / "model.safetensors")
    network.write_network_json(tmp_path / "shuffled")
    drawer = Drawer(Sources(tmp_path / "store"))
    drawer.figure = lambda name, sheet, caption="": None  # no drawing: the sentences are looked at
    own, shuffled = (gather_positions(name, drawer) for name in ("demo", str(tmp_path / "shuffled")))
    said, contrary = (
        words_of(say_positions(PositionFacts(**vars(facts) | {"figures": ()}))) for facts in (own, shuffled)
    )
    assert "knows where a patch lies" in said
    assert "Nearby patches are more alike than far ones" in said
    assert "does not tell where a patch lies" in contrary or "knows in part" in contrary
    assert "Nearby patches are not more alike than far ones" in contrary
    assert "Patches of one row are not more alike" in contrary


def test_a_training_that_changed_positions_says_so():
    scores = (PositionScore("locality", 0.7, 0.002, 0.01, 0.5),)
    said = words_of(say_positions(PositionFacts("absolute", (4, 4), scores, 499, 0.4)))
    assert "The training changed this: similarities differ by 0.400" in said
    assert "What was true before and is not now, or the other way round: nearby patches alike" in said
    hardly = (PositionScore("locality", 0.7, 0.002, 0.69, 0.002),)
    said = words_of(say_positions(PositionFacts("absolute", (4, 4), hardly, 499, 0.001)))
    assert "hardly changed this: similarities differ by 0.001" in said
    assert "Each measure is the same" not in said
    same = (PositionScore("locality", 0.7, 0.002, 0.7001, 0.002),)
    said = words_of(say_positions(PositionFacts("absolute", (4, 4), same, 499, 1e-7)))
    assert "similarities differ by less than 0.001 on average" in said
    assert "Each measure is the same before and after, to two decimals." in said
    assert "other way round" not in said


def relation(low, value, high, look="luminance_contrast"):
    return Relation(look, Estimate(value, low, high))


def test_a_correlation_says_rises_falls_or_nothing():
    assert relation_sentence(relation(0.1, 0.3, 0.5), 60).startswith(
        "The map is better the larger the difference in lum"
    )
    assert relation_sentence(relation(-0.5, -0.3, -0.1), 60).startswith("The map is worse the larger")
    unclear = relation_sentence(relation(-0.1, 0.1, 0.3), 60)
    assert unclear.startswith("No relation with the difference in luminance")
    assert "rank correlation 0.10, 95% interval −0.10 to 0.30, 60 pictures" in unclear


def test_attention_finds_the_object_or_not_by_the_random_maps():
    def said(hits, random, *relations):
        facts = AttentionFacts("net", "raw attention", (), 60, hits, random, None, relations)
        return words_of(say_attention(facts))

    chance = Estimate(0.2, 0.1, 0.3)
    found = said(Estimate(0.8, 0.7, 0.9), chance, relation(0.1, 0.3, 0.5), relation(0.2, 0.4, 0.6, "area"))
    assert "in 80.0% (95% interval 70.0% to 90.0%); of random maps, in 20.0%" in found
    assert "So the map finds the object." in found
    assert "A more distinct object has the better map. The object's size is related" in found
    assert "over 99.9%" not in said(Estimate(1.0, 0.886, 1 - 1e-12), chance)
    some = AttentionFacts("net", "raw", (), 15, Estimate(0.448, 0.2, 0.7), None, remarks=9, remark="a.png: no mask")
    more = words_of(say_attention(replace(some, pointing_ties=True)))
    assert "There are 9 remarks on the masks; the first: a.png: no mask." in more
    assert "counts by the share of them on the object" in more
    assert "counts by the share" not in words_of(say_attention(some))
    lost = said(Estimate(0.25, 0.15, 0.35), chance, relation(-0.5, -0.3, -0.1))
    assert "does not show that the map finds the object" in lost
    assert "A more distinct object has the worse map." in lost
    assert "points away" in said(Estimate(0.02, 0.0, 0.05), chance, relation(-0.1, 0.0, 0.1))
    assert "do not show that a more distinct object" in said(chance, chance, relation(-0.1, 0.0, 0.1))


def test_shuffled_attention_gives_the_contrary_sentences(tmp_path, monkeypatch):
    """The package's captioner, and the same with the patches of each word's map dealt out anew."""
    store = Store(tmp_path / "store")
    captioner = open_captioner("demo", store)
    asked = GroundingRequest(
        captioner="demo", data="scenes:base?count=120&size=96&seed=5", split="test", limit=12, deletion=False
    )
    own = {role.role: role for role in roles_of(measure_grounding(asked, captioner, store.folder))}
    true_maps, random = grounding.word_maps, np.random.default_rng(0)

    def shuffled_maps(*arguments, **options):
        found = true_maps(*arguments, **options)
        flat = found.maps.reshape(len(found.maps), -1)
        return replace(found, maps=random.permuted(flat, axis=1).reshape(found.maps.shape))

    monkeypatch.setattr(grounding, "word_maps", shuffled_maps)
    shuffled = {role.role: role for role in roles_of(measure_grounding(asked, captioner, store.folder))}
    for role in ("NOUN", "COLOUR"):
        assert "find what they mean: AUC" in role_sentence(own[role])
        assert "no better than guessing: AUC" in role_sentence(shuffled[role])


def test_conjunctions_are_contrasted_by_their_intervals():
    def role(name, entropy, drop):
        def spread(value):
            return Estimate(value, value - 0.05, value + 0.05)

        return RoleFacts(name, 30, spread(0.9), spread(0.8), spread(0.1), spread(entropy), spread(drop))

    from vitbench.report.facts import CaptionFacts

    def said(*roles):
        return words_of(say_captions(CaptionFacts("net", "raw", 30, roles)))

    wide = said(role("NOUN", 0.5, 4.0), role("COLOUR", 0.95, 4.0), role("CONJUNCTION", 0.95, 0.1))
    assert "Maps of conjunctions are spread wider over the picture than those of objects" in wide
    assert "; they are as wide as those of colours (entropy" in wide
    assert "Conjunctions depend less on the patches where they look than objects and colours" in wide
    narrow = said(role("NOUN", 0.95, 0.1), role("CONJUNCTION", 0.5, 4.0))
    assert "more concentrated than those of objects" in narrow
    assert "depend more on the patches where they look than objects" in narrow


def test_energy_is_the_area_below_the_power_without_pauses():
    series = Series()
    times = np.array([0.0, 10.0, 20.0, 1000.0, 1010.0])
    series.extend(Points(np.arange(5), np.arange(5), np.array([100.0, 100.0, 200.0, 200.0, 200.0]), times))
    energy, seconds = energy_of(series)
    assert seconds == 30
    assert energy == pytest.approx((1000 + 1500 + 2000) / 3600)
    assert energy_of(None) == (None, 0.0)


def test_captions_are_told_with_their_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(Drawer, "figure", lambda drawer, name, sheet, caption="": FigureBlock(name, caption, b"", b""))
    asked = ReportRequest(run="any", captions="demo", captions_data="scenes:base?count=12&size=48&seed=5", count=10)
    drawer = Drawer(Sources(tmp_path / "store"))
    found = gather_captions(asked, "classify", "timm:any", drawer, drawer.progress)
    (_, caption), *_ = found.captions
    assert f"“{caption}”" in found.figures[0].caption
    assert caption in words_of(say_captions(found))
    assert "layer 3, head 2 for nouns" in found.how
    said = words_of(say_captions(found))
    assert f"What shows them: {chosen_heads('demo', tmp_path).said}." in said
    assert {role.role for role in found.contrasted} == {role.role for role in found.roles}
    by_kind, by_mean = ({r.role: r.entropy.value for r in roles} for roles in (found.roles, found.contrasted))
    assert by_kind["NOUN"] < by_mean["NOUN"]
    assert by_kind["COLOUR"] == by_mean["COLOUR"]
    assert found.figures[-1].name == "grounding"
