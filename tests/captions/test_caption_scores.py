"""BLEU, ROUGE-L and CIDEr-D against the COCO evaluation's own numbers, and against sums done by hand."""

import json
import math
from pathlib import Path

import pytest

from vitbench.captions.scores import bleu, caption_scores, cider_d, rouge_l

GOLDEN = json.loads(Path(__file__).with_name("coco_scores.json").read_text())["cases"]


@pytest.mark.parametrize("case", sorted(GOLDEN))
def test_scores_equal_the_coco_evaluation(case):
    candidates = [caption.split() for caption in GOLDEN[case]["candidates"]]
    references = [[caption.split() for caption in picture] for picture in GOLDEN[case]["references"]]
    found = caption_scores(candidates, references)
    assert found == pytest.approx(GOLDEN[case]["scores"], abs=1e-9)


def test_bleu_by_hand():
    # Three of four words match, one of three bigrams; the closest reference has five words.
    values = bleu([["a", "red", "dog", "runs"]], [[["a", "dog", "runs", "so", "fast"]]])
    brevity = math.exp(1 - 5 / 4)
    assert values[0] == pytest.approx(0.75 * brevity)
    assert values[1] == pytest.approx(math.sqrt(0.75 * 1 / 3) * brevity)


def test_a_perfect_corpus_has_perfect_scores():
    references = [[["a", "b", "c", "d", "e"]], [["f", "g", "h", "i", "j", "k"]]]
    perfect = [picture[0] for picture in references]
    assert bleu(perfect, references) == pytest.approx([1.0] * 4, abs=1e-6)
    assert rouge_l(perfect, references) == pytest.approx(1.0)
    assert cider_d(perfect, references) == pytest.approx(10.0)


def test_rouge_by_hand_counts_a_subsequence_not_a_substring():
    # Common subsequence a..c..e: 3 of 4 candidate words, 3 of 5 reference words.
    value = rouge_l([["a", "c", "x", "e"]], [[["a", "b", "c", "d", "e"]]])
    assert value == pytest.approx((1 + 1.44) * 0.75 * 0.6 / (0.6 + 1.44 * 0.75))


def test_an_empty_caption_scores_nothing_and_breaks_nothing():
    found = caption_scores([[], ["a"]], [[["a", "b"]], [["a"]]])
    assert found["rouge_l"] == pytest.approx(0.5)
    assert all(math.isfinite(value) for value in found.values())
