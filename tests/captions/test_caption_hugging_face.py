"""Hugging Face's captioners from a folder, against transformers' own forward pass and generate."""

import importlib.util
import json

import numpy as np
import pytest
import tokenizers
import torch
from PIL import Image

from tests.captions.described import describe_picture
from vitbench.captions.caption_pass import read_caption
from vitbench.captions.decoder import DecoderCache
from vitbench.captions.decoding import beam_search, greedy
from vitbench.captions.hugging_face import FolderTokenizer
from vitbench.captions.open import open_captioner
from vitbench.errors import UserError

WORDS = ["<|endoftext|>", "a", "cat", "on", "grass", "two", "red", "hearts", "small", "##s"]


def test_without_transformers_one_caption_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vision-encoder-decoder"}))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else find(name))
    with pytest.raises(UserError, match=r"needs Hugging Face's transformers; install it with: uv pip install"):
        open_captioner(str(tmp_path))


def small_tokenizer():
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token=WORDS[0])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return tokenizer


def test_a_start_that_is_also_the_end():
    same = dict.fromkeys(("pad", "start", "end", "unknown"), WORDS[0])
    tokenizer = FolderTokenizer(small_tokenizer(), **same)
    ids = [0, 1, 2, 0, 0]
    assert tokenizer.decode(ids) == "a cat"
    assert [(span.first, span.stop) for span in tokenizer.words(ids)][-1] == (3, 4)
    assert tokenizer.words(ids)[-1].text == "<end>"
    assert tokenizer.words([0, 1, 2])[-1].text != "<end>"


@pytest.fixture(scope="module", params=["gpt2", "bert"])
def folder(request, tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    encoder = transformers.ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    common = {"vocab_size": len(WORDS), "add_cross_attention": True, "is_decoder": True}
    if request.param == "gpt2":
        decoder = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=12, **common)
    else:
        decoder = transformers.BertConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=12,
            **common,
        )
    configuration = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    configuration.decoder_start_token_id = configuration.eos_token_id = configuration.pad_token_id = 0
    model = transformers.VisionEncoderDecoderModel(config=configuration).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    path = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(path)
    small_tokenizer().save(str(path / "tokenizer.json"))
    said = {"size": {"height": 32, "width": 32}, "resample": 3, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2] * 3}
    (path / "preprocessor_config.json").write_text(json.dumps(said))
    return path


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8))


@torch.no_grad()
def test_scores_maps_and_captions_are_transformers_own(folder, picture):
    import transformers

    captioner = open_captioner(str(folder))
    theirs = transformers.VisionEncoderDecoderModel.from_pretrained(folder, attn_implementation="eager").eval()
    pixels = captioner.prepare(picture).pixels
    resized = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    expected_pixels = (resized - np.array([0.4, 0.5, 0.6], np.float32)) / 0.2
    np.testing.assert_allclose(pixels[0].permute(1, 2, 0).numpy(), expected_pixels, atol=1e-4)

    ids = [0, 1, 2, 3, 0]
    memory = captioner.module.encode(pixels)
    assert (memory.rows, memory.columns, memory.num_prefix_tokens) == (4, 4, 1)
    answer = theirs(pixel_values=pixels, decoder_input_ids=torch.tensor([ids]), output_attentions=True)
    torch.testing.assert_close(
        captioner.module.decode(torch.tensor([ids]), memory), answer.logits, atol=1e-5, rtol=1e-4
    )
    caption_pass = read_caption(captioner.module, memory, ids)
    torch.testing.assert_close(caption_pass.attention, torch.stack(answer.cross_attentions)[:, 0], atol=1e-5, rtol=1e-4)

    generated = theirs.generate(pixels, max_length=9, do_sample=False, num_beams=1)[0].tolist()
    found = greedy(captioner.module, memory, captioner.tokenizer, max_length=9)[0]
    assert list(found.ids) == generated[: len(found.ids)]
    best = beam_search(captioner.module, memory, captioner.tokenizer, beams=3, max_length=9)[0][0]
    logits = theirs(pixel_values=pixels, decoder_input_ids=torch.tensor([best.ids])).logits[0].log_softmax(-1)
    steps = [float(logits[place, token]) for place, token in enumerate(best.ids[1:])]
    assert list(best.log_probs) == pytest.approx(steps, abs=1e-4)


@torch.no_grad()
def test_a_word_at_a_time_is_the_whole_caption_also_when_beams_change_places(folder):
    module = open_captioner(str(folder)).module
    memory = module.encode(torch.randn(2, 3, 32, 32))
    ids, rows, cache = torch.randint(0, len(WORDS), (4, 6)), torch.tensor([1, 1, 3, 2]), DecoderCache()
    begun = module.decode(ids[::2, :2], memory, cache)
    cache.repeat(2)
    parts = [begun.repeat_interleave(2, 0), module.decode(ids[:, 2:3], memory, cache)]
    cache.reorder(rows)
    parts = [part[rows] for part in parts] + [module.decode(ids[:, part], memory, cache) for part in ([3, 4], [5])]
    began = torch.cat((ids[::2, :2].repeat_interleave(2, 0), ids[:, 2:3]), 1)
    whole = module.decode(torch.cat((began[rows], ids[:, 3:]), 1), memory.repeated(2))
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_a_picture_is_described(folder, picture):
    described = describe_picture(open_captioner(str(folder)), picture, text="two red hearts")
    assert described.maps.words == ("two", "red", "hearts", "<end>")
    assert described.maps.maps.shape == (4, 4, 4)
