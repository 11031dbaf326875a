"""Decoding against slow, plain ways of doing the same: no cache, one picture at a time, every caption there is."""

import itertools

import pytest
import timm
import torch

from vitbench.captions.decoder import CaptionDecoder, DecoderCache
from vitbench.captions.decoding import beam_search, greedy, length_penalty, sample
from vitbench.captions.network import Captioner, caption_loss, padded
from vitbench.captions.tokenizer import WordTokenizer

TOKENIZER = WordTokenizer(["a", "b", "c"])


def make_captioner(seed=0, max_length=8, vocab_size=TOKENIZER.vocab_size, sharpness=12.0):
    torch.manual_seed(seed)
    encoder = timm.create_model(
        "vit_tiny_patch16_224", img_size=(16, 24), patch_size=8, embed_dim=24, depth=1, num_heads=2, num_classes=0
    )
    decoder = CaptionDecoder(
        vocab_size=vocab_size, memory_dim=24, embed_dim=16, depth=2, num_heads=2, max_length=max_length
    )
    with torch.no_grad():
        # Random weights are nearly indifferent between words; sharper scores make captions differ.
        for parameter in decoder.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
        decoder.norm.weight.mul_(sharpness / 4)
    return Captioner(encoder, decoder).eval()


@pytest.fixture(scope="module")
def captioner():
    return make_captioner()


@pytest.fixture(scope="module")
def memory(captioner):
    torch.manual_seed(1)
    with torch.no_grad():
        return captioner.encode(torch.randn(3, 3, 16, 24))


def only(memory, picture):
    return type(memory)(
        memory.tokens[picture : picture + 1], memory.rows, memory.columns, memory.num_prefix_tokens, memory.padding
    )


def log_probs_of(captioner, memory, sequence):
    """The log-probability of each token after start, from one uncached pass over the whole sequence."""
    ids = torch.tensor([sequence])
    scores = captioner.decode(ids[:, :-1], memory)[0].detach().double().log_softmax(-1)
    return [float(scores[place, token]) for place, token in enumerate(sequence[1:])]


def test_the_grid_is_rows_by_columns_of_a_picture_that_is_not_square(memory):
    assert (memory.rows, memory.columns, memory.num_prefix_tokens) == (2, 3, 1)
    assert memory.tokens.shape[1] == 1 + 2 * 3


def test_a_cached_pass_equals_the_whole_pass(captioner, memory):
    ids = torch.randint(4, 7, (3, 7))
    whole = captioner.decode(ids, memory)
    cache = DecoderCache()
    # A prefix at once, then one, then several at a time.
    parts = [captioner.decode(ids[:, a:b], memory, cache) for a, b in ((0, 3), (3, 4), (4, 7))]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-5, atol=1e-5)


def test_captions_of_a_picture_share_its_keys(captioner, memory):
    ids = torch.randint(4, 7, (6, 5))
    whole = captioner.decode(ids, memory.repeated(2))
    cache = DecoderCache()
    parts = [captioner.decode(part, memory, cache) for part in (ids[:, :2], ids[:, 2:3], ids[:, 3:])]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-5, atol=1e-5)
    assert {len(layer.picture[0]) for layer in cache.layers} == {3}


def test_columns_that_are_no_part_of_a_picture_change_nothing(captioner, memory):
    ids = torch.randint(4, 7, (3, 5))
    wider = torch.cat((memory.tokens, torch.randn(3, 2, 24)), dim=1)
    padding = torch.arange(wider.shape[1]).expand(3, -1) >= memory.tokens.shape[1]
    padded_memory = type(memory)(wider, memory.rows, memory.columns, memory.num_prefix_tokens, padding)
    expected = captioner.decode(ids, memory)
    for cache in (None, DecoderCache()):
        torch.testing.assert_close(captioner.decode(ids, padded_memory, cache), expected, rtol=1e-5, atol=1e-5)


def test_a_word_does_not_see_the_words_after_it(captioner, memory):
    ids = torch.randint(4, 7, (3, 7))
    changed = ids.clone()
    changed[:, 4:] = 4 + (changed[:, 4:] - 3) % 3
    assert not torch.equal(ids, changed)
    same, other = captioner.decode(ids, memory), captioner.decode(changed, memory)
    torch.testing.assert_close(same[:, :4], other[:, :4])
    assert not torch.allclose(same[:, 4:], other[:, 4:])


def test_greedy_is_the_argmax_of_uncached_passes(captioner, memory):
    found = greedy(captioner, memory, TOKENIZER)
    assert len(found) > 1
    for picture, hypothesis in enumerate(found):
        sequence = [TOKENIZER.start_id]
        while len(sequence) < captioner.max_length and sequence[-1] != TOKENIZER.end_id:
            scores = captioner.decode(torch.tensor([sequence]), only(memory, picture))
            sequence.append(int(scores[0, -1].argmax()))
        assert hypothesis.ids == tuple(sequence)
        expected = log_probs_of(captioner, only(memory, picture), sequence)
        assert hypothesis.log_probs == pytest.approx(expected, abs=1e-4)


def plain_beam(captioner, memory, beams, alpha, best, limit):
    """Beam search with lists, every sequence read from its beginning at each step, and no early stop."""
    alive, ended = [(0.0, [TOKENIZER.start_id])], []
    while alive and len(alive[0][1]) < limit:
        candidates = []
        for total, sequence in alive:
            scores = captioner.decode(torch.tensor([sequence]), memory)[0, -1].detach().double().log_softmax(-1)
            candidates += [(total + float(score), [*sequence, token]) for token, score in enumerate(scores)]
        candidates.sort(key=lambda candidate: -candidate[0])
        for total, sequence in candidates[:beams]:
            if sequence[-1] == TOKENIZER.end_id:
                ended.append((total / length_penalty(len(sequence) - 1, alpha), sequence))
        alive = [candidate for candidate in candidates[: 2 * beams] if candidate[1][-1] != TOKENIZER.end_id][:beams]
    return sorted(ended, key=lambda caption: -caption[0])[:best]


@pytest.mark.parametrize(("beams", "alpha", "best"), [(1, 0.0, 1), (2, 0.7, 2), (4, 0.7, 1), (4, 2.0, 3), (3, -1.0, 2)])
def test_batched_cached_beams_equal_plain_ones(captioner, memory, beams, alpha, best):
    found = beam_search(captioner, memory, TOKENIZER, beams=beams, alpha=alpha, best=best)
    for picture in range(3):
        expected = plain_beam(captioner, only(memory, picture), beams, alpha, best, captioner.max_length)
        finished = [hypothesis for hypothesis in found[picture] if hypothesis.finished]
        assert [hypothesis.ids for hypothesis in finished] == [tuple(sequence) for _, sequence in expected]
        assert [hypothesis.score for hypothesis in finished] == pytest.approx(
            [score for score, _ in expected], abs=1e-4
        )


def test_a_beam_of_full_width_finds_the_best_caption_there_is():
    captioner = make_captioner(seed=3, max_length=5)
    with torch.no_grad():
        memory = captioner.encode(torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(5)))
    alpha, everything = 0.7, []
    others = [token for token in range(TOKENIZER.vocab_size) if token != TOKENIZER.end_id]
    for length in range(4):
        for middle in itertools.product(others, repeat=length):
            sequence = (TOKENIZER.start_id, *middle, TOKENIZER.end_id)
            total = sum(log_probs_of(captioner, memory, sequence))
            everything.append((total / length_penalty(len(sequence) - 1, alpha), sequence))
    everything.sort(reverse=True)
    found = beam_search(captioner, memory, TOKENIZER, beams=7**3, alpha=alpha, best=5)[0]
    assert [hypothesis.ids for hypothesis in found] == [sequence for _, sequence in everything[:5]]


def test_sampling_repeats_with_its_seed_and_follows_the_scores(captioner, memory):
    assert sample(captioner, memory, TOKENIZER, seed=4) == sample(captioner, memory, TOKENIZER, seed=4)
    assert sample(captioner, memory, TOKENIZER, seed=4) != sample(captioner, memory, TOKENIZER, seed=5)
    assert [h.ids for h in sample(captioner, memory, TOKENIZER, seed=4, top_k=1)] == [
        h.ids for h in greedy(captioner, memory, TOKENIZER)
    ]
    # The first word of many draws has the network's probabilities (2000 draws: 3 standard errors are below 0.034).
    many = only(memory, 0).repeated(2000)
    drawn = torch.tensor([h.ids[1] for h in sample(captioner, many, TOKENIZER, seed=0, max_length=2)])
    share = torch.bincount(drawn, minlength=TOKENIZER.vocab_size) / len(drawn)
    expected = captioner.decode(torch.tensor([[TOKENIZER.start_id]]), only(memory, 0))[0, -1].softmax(-1)
    assert float((share - expected).abs().max()) < 0.034


def test_a_caption_longer_than_the_positions_is_refused(captioner, memory):
    with pytest.raises(IndexError, match="9 tokens"):
        captioner.decode(torch.zeros(3, 9, dtype=torch.int64), memory)


def test_the_loss_ignores_padding_and_counts_tokens(captioner):
    sequences = [[1, 4, 5, 2], [1, 6, 2]]
    ids = padded(sequences, TOKENIZER.pad_id)
    scores = captioner(torch.zeros(2, 3, 16, 24), ids[:, :-1])
    loss, accuracy = caption_loss(scores, ids, TOKENIZER.pad_id)
    log_probs = scores.log_softmax(-1)
    answers = [(0, 0, 4), (0, 1, 5), (0, 2, 2), (1, 0, 6), (1, 1, 2)]
    assert float(loss) == pytest.approx(-sum(float(log_probs[answer]) for answer in answers) / 5, abs=1e-5)
    hits = sum(int(scores[row, place].argmax()) == token for row, place, token in answers)
    assert float(accuracy) == pytest.approx(hits / 5)


def test_a_small_captioner_learns_to_tell_pictures_apart():
    torch.manual_seed(0)
    captioner = make_captioner(seed=2).train()
    pixels = torch.randn(4, 3, 16, 24)
    ids = padded([[1, 4, 2], [1, 5, 4, 2], [1, 6, 6, 5, 2], [1, 5, 2]], TOKENIZER.pad_id)
    optimizer = torch.optim.AdamW(captioner.parameters(), lr=3e-3)
    for _ in range(200):
        loss, _ = caption_loss(captioner(pixels, ids[:, :-1]), ids, TOKENIZER.pad_id)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    captioner.eval()
    found = greedy(captioner, captioner.encode(pixels), TOKENIZER)
    assert [list(h.ids) for h in found] == [[1, 4, 2], [1, 5, 4, 2], [1, 6, 6, 5, 2], [1, 5, 2]]
