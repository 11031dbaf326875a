"""The captioners that the caption benchmarks measure: the package's, and one of the size that people fine-tune."""

import timm
import torch

from vitbench.captions.captioner import OpenedCaptioner
from vitbench.captions.decoder import CaptionDecoder
from vitbench.captions.network import Captioner, CaptionModule
from vitbench.captions.open import open_captioner
from vitbench.captions.tokenizer import Tokenizer, WordTokenizer

WORDS = 20


def small_vit() -> tuple[CaptionModule, Tokenizer, torch.Tensor]:
    """ViT-S/16 at 224 pixels and 6 decoder layers of width 256, weights random: it never ends before its 22 tokens."""
    torch.manual_seed(0)
    encoder = timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=0)
    decoder = CaptionDecoder(
        vocab_size=8000, memory_dim=384, embed_dim=256, depth=6, num_heads=8, max_length=WORDS + 2, dropout=0.0
    )
    tokenizer = WordTokenizer([f"w{number}" for number in range(8000 - 4)])
    return Captioner(encoder, decoder).eval(), tokenizer, torch.randn(1, 3, 224, 224)


def shipped() -> tuple[CaptionModule, Tokenizer, torch.Tensor]:
    """The package's captioner and one of the sample pictures."""
    from PIL import Image

    from vitbench.paths import sample_images

    captioner: OpenedCaptioner = open_captioner("demo")
    with Image.open(sample_images() / "04_heart_square.png") as picture:
        pixels = captioner.prepare(picture.convert("RGB")).pixels
    return captioner.module, captioner.tokenizer, pixels


NETWORKS = {"package's captioner": shipped, "ViT-S/16, decoder 6 x 256": small_vit}
