"""Writes a tiny captioner folder with whichever transformers is installed, and what that transformers makes of it.

    python tests/captions/write_folder.py OUT

OUT then holds the folder as `save_pretrained` wrote it, and `expected.npz`: the pixels that its image processor makes
of a fixed picture, and the ids of greedy and beam search. Run it in a throw-away environment; numpy, pillow, torch and
transformers are enough. The folders in `tests/captions/folders/` were made so, one by each major version.
"""

import sys
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
from PIL import Image

WORDS = ["<eot>", "<s>", "<pad>", "</s>", "a", "red", "dog", "runs", "on", "green", "grass"]


def picture() -> Image.Image:
    """72 x 96 pixels of smooth colour, the same everywhere."""
    rows, columns = np.mgrid[0:72, 0:96]
    pixels = np.stack([2 * rows, 2 * columns, 255 - rows - columns], axis=-1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def main(out: Path) -> None:
    torch.manual_seed(1)
    encoder = transformers.ViTConfig(
        image_size=32, patch_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    decoder = transformers.GPT2Config(
        vocab_size=11, n_embd=16, n_layer=1, n_head=2, n_positions=20, bos_token_id=1, eos_token_id=3
    )
    both = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = transformers.VisionEncoderDecoderModel(both).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.4)
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id, settings.eos_token_id, settings.pad_token_id = 1, 3, 2
    model.save_pretrained(out)
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<eot>")).save(str(out / "tokenizer.json"))
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(out)
    pixels = processor(picture(), return_tensors="pt")["pixel_values"]
    search = {"max_length": 10, "do_sample": False}
    greedy = model.generate(pixels, num_beams=1, **search)[0]
    beams = model.generate(pixels, num_beams=3, length_penalty=0.0, early_stopping="never", **search)[0]
    np.savez_compressed(
        out / "expected.npz",
        pixels=pixels.numpy(),
        greedy=greedy.numpy(),
        beams=beams.numpy(),
        version=np.array(transformers.__version__),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
