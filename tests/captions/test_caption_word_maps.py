"""Maps of words against slow, plain ways of computing them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from vitbench.captions.caption_pass import decoder_calls, read_caption
from vitbench.captions.decoder import CaptionDecoder
from vitbench.captions.network import Captioner
from vitbench.captions.relevance import explained_away, gradient_attention, occlusion, relevancy
from vitbench.captions.tokenizer import SubwordTokenizer, WordTokenizer
from vitbench.captions.word_maps import METHODS, MapSettings, WordMaps, all_word_maps, attention_maps, word_maps
from vitbench.errors import UserError
from vitbench.models.attention_hooks import AttentionHooks

TOKENIZER = WordTokenizer(["a", "b", "c"])
IDS = (1, 4, 5, 6, 2)
LAYERS, HEADS = 2, 2


@pytest.fixture(scope="module")
def captioner():
    torch.manual_seed(0)
    encoder = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=(16, 24),
        patch_size=8,
        embed_dim=16,
        depth=2,
        num_heads=2,
        num_classes=0,
        reg_tokens=2,
    )
    decoder = CaptionDecoder(vocab_size=7, memory_dim=16, embed_dim=16, depth=LAYERS, num_heads=HEADS, max_length=8)
    with torch.no_grad():
        for parameter in (*encoder.parameters(), *decoder.parameters()):
            if parameter.ndim == 2:
                parameter.normal_(std=0.4)
    return Captioner(encoder, decoder).eval()


@pytest.fixture(scope="module")
def pixels():
    return torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def memory(captioner, pixels):
    with torch.no_grad():
        return captioner.encode(pixels)


@pytest.fixture(scope="module")
def caption_pass(captioner, memory):
    return read_caption(captioner, memory, IDS)


@torch.no_grad()
def attention_by_hand(captioner, memory, ids):
    """The decoder written out with plain matrix products; cross- and self-attention of each layer."""
    decoder = captioner.decoder
    x = decoder.token_embed(torch.tensor([ids])) + decoder.pos_embed[:, : len(ids)]
    picture = decoder.memory_proj(decoder.memory_norm(memory.tokens))
    crosses, owns = [], []

    def attend(module, x, source, mask):
        size = x.shape[-1] // HEADS
        queries, (keys, values) = module.query(x), module.key_value(source).chunk(2, -1)
        maps, mixed = [], []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = queries[0, :, part] @ keys[0, :, part].T / math.sqrt(size)
            if mask:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -math.inf)
            maps.append(scores.softmax(-1))
            mixed.append(maps[-1] @ values[0, :, part])
        return module.out(torch.cat(mixed, -1))[None], torch.stack(maps)

    for layer in decoder.layers:
        normed = layer.self_norm(x)
        added, own = attend(layer.self_attention, normed, normed, True)
        x = x + added
        added, cross = attend(layer.cross_attention, layer.cross_norm(x), picture, False)
        x = x + added
        x = x + layer.mlp(layer.mlp_norm(x))
        crosses.append(cross)
        owns.append(own)
    scores = decoder.norm(x) @ decoder.token_embed.weight.T
    return torch.stack(crosses), torch.stack(owns), scores[0]


def test_one_pass_shows_all_layers_and_heads(captioner, memory, caption_pass):
    cross, own, scores = attention_by_hand(captioner, memory, IDS)
    torch.testing.assert_close(caption_pass.attention, cross, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(caption_pass.self_attention, own, atol=1e-5, rtol=1e-4)
    log_probs = scores.log_softmax(-1)
    expected = [float(log_probs[place, token]) for place, token in enumerate(IDS[1:])]
    assert caption_pass.log_probs.tolist() == pytest.approx(expected, abs=1e-4)
    ranks = [
        sorted(log_probs[place].tolist(), reverse=True).index(log_probs[place, token]) + 1
        for place, token in enumerate(IDS[1:])
    ]
    assert caption_pass.ranks.tolist() == ranks
    assert caption_pass.attention.shape[-1] == 3 + 2 * 3


def test_the_open_pass_equals_the_hooks_and_the_fused_pass(captioner, memory, caption_pass):
    names = [name for pair in captioner.decoder_attentions for name in pair]
    with torch.no_grad(), AttentionHooks(captioner, names=names) as hooks:
        scores = captioner.decode(torch.tensor([IDS]), memory)[0].log_softmax(-1)
    calls = decoder_calls(captioner, hooks.calls)
    torch.testing.assert_close(caption_pass.attention, torch.cat([cross.kept for _, cross in calls]))
    torch.testing.assert_close(caption_pass.self_attention, torch.cat([own.kept for own, _ in calls]))
    torch.testing.assert_close(caption_pass.log_probs, scores[range(4), IDS[1:]])


def test_a_network_of_nan_is_refused(captioner, memory):
    broken = replace(memory, tokens=torch.full_like(memory.tokens, torch.nan))
    with pytest.raises(UserError, match="not a distribution"):
        read_caption(captioner, broken, IDS)


def test_a_word_has_its_predicting_row_and_on_request_its_reading_row(caption_pass):
    for row, offset in (("predicting", 1), ("reading", 0)):
        found = attention_maps(caption_pass, TOKENIZER, MapSettings(layer=-1, head=1, row=row))
        assert found.words == ("a", "b", "c", "<end>")
        for number in range(4):
            whole = caption_pass.attention[-1, 1, number + 1 - offset]
            patches = whole[3:].numpy()
            np.testing.assert_allclose(found.maps[number], (patches / patches.sum()).reshape(2, 3), rtol=1e-5)
            assert found.prefix_mass[number] == pytest.approx(float(whole[:3].sum()), abs=1e-5)


def test_mean_of_layers_and_heads_by_default(caption_pass):
    found = attention_maps(caption_pass, TOKENIZER, MapSettings())
    mean = caption_pass.attention.mean((0, 1))[0, 3:].numpy()
    np.testing.assert_allclose(found.maps[0].ravel(), mean / mean.sum(), rtol=1e-5)


@pytest.mark.parametrize("row", ["predicting", "reading"])
def test_all_maps_in_one_go_are_those_of_each_layer_and_head(caption_pass, row):
    found = all_word_maps(caption_pass, TOKENIZER, row)
    assert found.shape == (LAYERS, HEADS, 4, 2, 3)
    for layer in range(LAYERS):
        for head in range(HEADS):
            single = attention_maps(caption_pass, TOKENIZER, MapSettings(layer=layer, head=head, row=row))
            np.testing.assert_allclose(found[layer, head], single.maps, atol=1e-6)


def test_pieces_become_words(captioner, memory):
    class Pieces(WordTokenizer):
        def words(self, ids):
            return SubwordTokenizer.words(self, ids)

        def _text(self, ids):
            return "".join(self.tokens[number] for number in ids)

        def _starts_word(self, piece, previous):
            return piece != "b"

        class tokenizer:  # noqa: N801
            id_to_token = staticmethod(lambda number: TOKENIZER.tokens[number])

    caption_pass = read_caption(captioner, memory, IDS)
    found = attention_maps(caption_pass, Pieces(["a", "b", "c"]), MapSettings(layer=0, head=0))
    assert found.words == ("ab", "c", "<end>")
    mean = caption_pass.attention[0, 0, 0:2].mean(0)[3:].numpy()
    np.testing.assert_allclose(found.maps[0].ravel(), mean / mean.sum(), rtol=1e-5)
    assert found.log_probs[0] == pytest.approx(float(caption_pass.log_probs[:2].sum()), abs=1e-5)


def test_minus_the_mean_keeps_what_stands_out(caption_pass):
    raw = attention_maps(caption_pass, TOKENIZER, MapSettings()).maps
    above = np.clip(raw - raw.mean(0), 0, None)
    found = attention_maps(caption_pass, TOKENIZER, MapSettings("raw_minus_mean")).maps
    np.testing.assert_allclose(found, above / above.sum((1, 2), keepdims=True), atol=1e-6)


def gradients_by_hand(captioner, pixels, place, token, *, delta=1e-3):
    """Nothing to do with the hooks: derivatives of one score with respect to cross-attention, by small differences."""
    import torch.nn.functional as F

    original, found = F.scaled_dot_product_attention, {}
    counter = {"call": 0}

    def attention(query, key, value, change=None, attn_mask=None, dropout_p=0.0, is_causal=False):
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if is_causal:
            scores = scores.masked_fill(torch.ones_like(scores[0, 0]).triu(1) > 0, -math.inf)
        weights = scores.softmax(-1)
        if change is not None and change[0] == counter["call"]:
            weights = weights.clone()
            weights[0, change[1], change[2], change[3]] += change[4]
        found[counter["call"]] = weights
        counter["call"] += 1
        return weights @ value

    def score(change=None):
        counter["call"] = 0
        F.scaled_dot_product_attention = lambda q, k, v, **more: attention(q, k, v, change, **more)
        try:
            with torch.no_grad():
                return float(captioner(pixels, torch.tensor([IDS]))[0, place, token])
        finally:
            F.scaled_dot_product_attention = original

    score()
    return score, found


def test_gradient_times_attention_equals_small_differences(captioner, pixels, memory, caption_pass):
    double, big = captioner.double(), pixels.double()
    try:
        with torch.no_grad():
            doubled = double.encode(big)
        read = read_caption(double, doubled, IDS)
        found = gradient_attention(double, doubled, read)
        # Calls: two encoder blocks, then self- and cross-attention of each decoder layer.
        for place in (0, 2):
            score, maps = gradients_by_hand(double, big, place, IDS[place + 1])
            kept = {call: weights.clone() for call, weights in maps.items()}
            for layer in range(LAYERS):
                call = 2 + 2 * layer + 1
                for column in range(9):
                    total = 0.0
                    for head in range(HEADS):
                        up = score((call, head, place, column, 1e-5))
                        down = score((call, head, place, column, -1e-5))
                        weight = float(kept[call][0, head, place, column])
                        total += max(0.0, (up - down) / 2e-5 * weight)
                    assert float(found[layer, place, column]) == pytest.approx(total / HEADS, abs=1e-6)
    finally:
        captioner.float()


def plain_relevancy(captioner, pixels, place, token):
    """The paper's update rules with numpy matrices, gradients from a graph of its own for one word."""
    import torch.nn.functional as F

    kept = []
    original = F.scaled_dot_product_attention

    def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if is_causal:
            scores = scores.masked_fill(torch.ones_like(scores[0, 0]).triu(1) > 0, -math.inf)
        weights = scores.softmax(-1)
        weights.retain_grad()
        kept.append(weights)
        return weights @ value

    F.scaled_dot_product_attention = attention
    try:
        captioner.zero_grad()
        captioner(pixels, torch.tensor([IDS]))[0, place, token].backward()
    finally:
        F.scaled_dot_product_attention = original
        captioner.zero_grad()
    weighted = [(w * w.grad).clamp(min=0).mean(1)[0].detach().numpy().astype(np.float64) for w in kept]
    encoder, decoder = weighted[:2], weighted[2:]
    picture = np.eye(9)
    for block in encoder:
        picture += block @ picture

    def normalized(relevance):
        rest = relevance - np.eye(len(relevance))
        sums = rest.sum(1, keepdims=True)
        return np.divide(rest, sums, out=np.zeros_like(rest), where=sums > 0) + np.eye(len(relevance))

    words, both = np.eye(len(IDS)), np.zeros((len(IDS), 9))
    for own, cross in zip(decoder[::2], decoder[1::2], strict=True):
        words, both = words + own @ words, both + own @ both
        both = both + normalized(words).T @ cross @ normalized(picture)
    return both[place]


def test_relevancy_follows_the_papers_rules(captioner, pixels, caption_pass):
    found = relevancy(captioner, pixels, caption_pass)
    assert found.shape == (5, 9)
    for place in range(4):
        expected = plain_relevancy(captioner, pixels, place, IDS[place + 1])
        np.testing.assert_allclose(found[place].numpy(), expected, atol=1e-5 * max(1, expected.max()))


def test_occlusion_is_the_fall_of_each_words_log_probability(captioner, pixels, caption_pass):
    found = occlusion(captioner, pixels, caption_pass)
    blanked = pixels.clone()
    blanked[..., 8:16, 16:24] = 0  # patch 5: second row, third column
    with torch.no_grad():
        before = captioner(pixels, torch.tensor([IDS]))[0].log_softmax(-1)
        after = captioner(blanked, torch.tensor([IDS]))[0].log_softmax(-1)
    for place in range(4):
        fall = float(before[place, IDS[place + 1]] - after[place, IDS[place + 1]])
        assert float(found[place, 5]) == pytest.approx(max(0.0, fall), abs=1e-4)


def test_what_earlier_words_explain_is_taken_away():
    attention = torch.tensor([[0.5, 0.5, 0.0], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]])
    own = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    found = explained_away(attention, own)
    torch.testing.assert_close(found[0], attention[0])
    # (0.4, 0.4, 0.2) is 0.8 times the first row plus (0, 0, 0.2); (0.1, 0.1, 0.8) is 0.2 times it plus (0, 0, 0.8).
    torch.testing.assert_close(found[1], torch.tensor([0.0, 0.0, 0.2]))
    torch.testing.assert_close(found[2], torch.tensor([0.0, 0.0, 0.8]))


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("row", ["predicting", "reading"])
def test_every_method_gives_each_word_a_map_and_leaves_the_network_as_it_was(captioner, pixels, method, row):
    before = {name: value.clone() for name, value in captioner.state_dict().items()}
    found = word_maps(captioner, TOKENIZER, pixels, IDS, MapSettings(method, row=row))
    assert found.maps.shape == (4, 2, 3)
    assert (found.maps >= 0).all()
    sums = found.maps.sum((1, 2))
    assert np.all((np.abs(sums - 1) < 1e-5) | (sums == 0))
    assert sums.any()
    assert row in found.settings.describe()
    assert all(torch.equal(value, before[name]) for name, value in captioner.state_dict().items())
    assert all(parameter.requires_grad for parameter in captioner.parameters())


def make_maps(maps, prefix=0.0):
    maps = np.asarray(maps, dtype=np.float32)
    count = len(maps)
    words = tuple("abcdefgh"[:count])
    zeros = np.zeros(count, dtype=np.float32)
    return WordMaps(words, maps, zeros + prefix, zeros, np.ones(count, dtype=np.int64), MapSettings())


def test_numbers_about_maps():
    peak, even = np.zeros((6, 6)), np.full((6, 6), 1 / 36)
    peak[2, 3] = 1
    maps = make_maps([peak, even])
    assert maps.entropy == pytest.approx([0.0, 1.0], abs=1e-6)
    assert maps.peak == pytest.approx([36.0, 1.0], rel=1e-5)
    assert maps.distinctness == pytest.approx([1 - 1 / 6] * 2, abs=1e-5)
    assert maps.warnings() == []


def test_maps_that_should_not_be_believed_are_named():
    even, border = np.full((8, 8), 1 / 64), np.zeros((8, 8))
    border[0] = 1 / 8
    inner = np.zeros((8, 8))
    inner[4, 4] = 1
    assert "collapsed" in make_maps([even, even, even]).warnings()[0]
    assert "border" in " ".join(make_maps([border, np.roll(border.T, 0), border]).warnings())
    assert "prefix" in make_maps([inner, even], prefix=0.9).warnings()[0]


def test_mistakes_are_named(captioner, memory, pixels):
    with pytest.raises(UserError, match="magic"):
        word_maps(captioner, TOKENIZER, pixels, IDS, MapSettings("magic"))
    with pytest.raises(UserError, match="2 layers"):
        word_maps(captioner, TOKENIZER, pixels, IDS, MapSettings(layer=2))
    with pytest.raises(UserError, match="reads 8"):
        read_caption(captioner, memory, [1, *[4] * 8])
    with pytest.raises(UserError, match="no words"):
        read_caption(captioner, memory, [1])
