"""Folders of transformers as others save them: read as transformers reads them, pixels and tokens equal."""

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
from PIL import Image

from tests.captions.write_folder import picture
from vitbench.captions.caption_pass import read_caption
from vitbench.captions.decoding import beam_search, greedy
from vitbench.captions.open import open_captioner

transformers = pytest.importorskip("transformers")

WORDS = ["<eot>", "<s>", "<pad>", "</s>", "a", "red", "dog", "runs", "on", "green", "grass"]
ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
GPT2 = {"vocab_size": 11, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 40, "bos_token_id": 0}
TROCR = {"vocab_size": 11, "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 64}


def saved(folder, decoder, **generation):
    torch.manual_seed(1)
    encoder = transformers.DeiTConfig(image_size=64, patch_size=16, **ENCODER)
    both = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = transformers.VisionEncoderDecoderModel(both).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.35)
    for key, value in generation.items():
        setattr(model.generation_config, key, value)
    model.save_pretrained(folder)
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<eot>")).save(f"{folder}/tokenizer.json")
    return model


def decoders():
    yield (
        "a start only in generation_config",
        transformers.GPT2Config(eos_token_id=0, **GPT2),
        {
            "decoder_start_token_id": 1,
            "eos_token_id": 3,
            "pad_token_id": 2,
        },
    )
    yield (
        "several end tokens",
        transformers.GPT2Config(eos_token_id=0, **GPT2),
        {
            "decoder_start_token_id": 1,
            "eos_token_id": [3, 9],
            "pad_token_id": 2,
        },
    )
    yield "TrOCR", transformers.TrOCRConfig(max_position_embeddings=40, cross_attention_hidden_size=32, **TROCR), {}


@pytest.mark.parametrize(
    ("decoder", "generation"), [case[1:] for case in decoders()], ids=[case[0] for case in decoders()]
)
def test_tokens_equal_those_of_generate(decoder, generation, tmp_path):
    model = saved(tmp_path, decoder, **generation)
    captioner = open_captioner(str(tmp_path))
    ended = set()
    for seed in range(6):
        pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            memory = captioner.module.encode(pixels)
            plain = greedy(captioner.module, memory, captioner.tokenizer, max_length=12)[0].ids
            theirs = model.generate(pixels, max_length=12, num_beams=1, do_sample=False)[0].tolist()
            assert list(plain) == theirs[: len(plain)]
            assert set(theirs[len(plain) :]) <= {captioner.tokenizer.pad_id}
            ended.add(plain[-1])
            # Ours divides by a power of the length plus five, theirs by one of the length: without it both are sums.
            best = beam_search(captioner.module, memory, captioner.tokenizer, beams=3, alpha=0.0, max_length=12)[0][
                0
            ].ids
            theirs = model.generate(
                pixels, max_length=12, num_beams=3, length_penalty=0.0, early_stopping="never", do_sample=False
            )[0].tolist()
            assert list(best) == theirs[: len(best)]
        caption_pass = read_caption(captioner.module, memory, list(plain))
        assert float((caption_pass.attention.sum(-1) - 1).abs().max()) < 1e-4
    if isinstance(generation.get("eos_token_id"), list):
        assert ended & set(generation["eos_token_id"]), "no caption ended, so the test shows nothing"


PROCESSORS = {
    "DeiT that crops": (
        "DeiTImageProcessor",
        {"size": {"height": 72, "width": 72}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}},
    ),
    "DeiT with its defaults of mean and interpolation": (
        "DeiTImageProcessor",
        {"size": {"height": 64, "width": 64}, "do_center_crop": False},
    ),
    "ViT": ("ViTImageProcessor", {"size": {"height": 64, "width": 64}}),
    "CLIP, whose short side is resized": (
        "CLIPImageProcessor",
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    ),
    "values from -1 to 1 by another factor": (
        "ViTImageProcessor",
        {
            "size": {"height": 64, "width": 64},
            "rescale_factor": 2 / 255,
            "image_mean": [1.0] * 3,
            "image_std": [1.0] * 3,
        },
    ),
    "not normalised": ("ViTImageProcessor", {"size": {"height": 64, "width": 64}, "do_normalize": False}),
}


@pytest.mark.parametrize("case", PROCESSORS)
@pytest.mark.parametrize("size", [(160, 80), (81, 133), (64, 64)])
def test_pixels_equal_those_of_the_processor(case, size, tmp_path):
    name, settings = PROCESSORS[case]
    saved(tmp_path, transformers.GPT2Config(eos_token_id=0, **GPT2), decoder_start_token_id=1, pad_token_id=2)
    said = settings | {"image_processor_type": name}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    picture = Image.effect_noise(size, 60).convert("RGB")
    kind = getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)
    theirs = kind.from_pretrained(tmp_path)(picture, return_tensors="np")["pixel_values"][0]
    ours = open_captioner(str(tmp_path)).prepare(picture).pixels[0].numpy()
    assert ours.shape == theirs.shape
    spread = float(np.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, spread))


def test_what_is_not_said_or_not_done_is_told(tmp_path):
    saved(tmp_path, transformers.GPT2Config(eos_token_id=0, **GPT2), pad_token_id=2, no_repeat_ngram_size=3)
    source = open_captioner(str(tmp_path)).source
    assert "no preprocessor_config.json" in source
    assert "no_repeat_ngram_size = 3, which is not done here" in source


FOLDERS = Path(__file__).with_name("folders")


@pytest.mark.parametrize("name", ["transformers-4", "transformers-5"])
def test_a_folder_that_was_written_by_another_version_gives_what_that_version_gave(name):
    """`write_folder.py` made it and noted the pixels and ids of the transformers that wrote it."""
    with np.load(FOLDERS / name / "expected.npz") as expected:
        version, pixels, greedily, beams = (expected[key] for key in ("version", "pixels", "greedy", "beams"))
    assert str(version).startswith(f"{name[-1]}.")
    captioner = open_captioner(str(FOLDERS / name))
    prepared = captioner.prepare(picture()).pixels
    assert np.abs(prepared.numpy() - pixels).max() < 1e-5
    with torch.inference_mode():
        memory = captioner.module.encode(torch.from_numpy(pixels))
        plain = greedy(captioner.module, memory, captioner.tokenizer, max_length=10)[0].ids
        best = beam_search(captioner.module, memory, captioner.tokenizer, beams=3, alpha=0.0, max_length=10)[0][0].ids
    assert list(plain) == greedily.tolist()[: len(plain)]
    assert list(best) == beams.tolist()[: len(best)]
    assert len(set(greedily.tolist())) > 2
