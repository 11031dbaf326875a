"""CATR against a straightforward network of nn.MultiheadAttention with the same names, as its authors wrote it."""

import math

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import FrozenBatchNorm2d

from tests.captions.described import describe_picture
from vitbench.captions.catr import Catr, CatrSizes, build_catr
from vitbench.captions.decoding import greedy
from vitbench.captions.open import open_captioner
from vitbench.errors import UserError

D, HEADS, HIDDEN, LENGTH, WORDS = 32, 8, 48, 12, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "##s", "sit", "."]


class EncoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(D, HEADS)
        self.linear1, self.linear2 = nn.Linear(D, HIDDEN), nn.Linear(HIDDEN, D)
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)

    def forward(self, src, pos):
        q = k = (src2 := self.norm1(src)) + pos
        src = src + self.self_attn(q, k, value=src2)[0]
        return src + self.linear2(torch.relu(self.linear1(self.norm2(src))))


class DecoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn, self.multihead_attn = nn.MultiheadAttention(D, HEADS), nn.MultiheadAttention(D, HEADS)
        self.linear1, self.linear2 = nn.Linear(D, HIDDEN), nn.Linear(HIDDEN, D)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(D), nn.LayerNorm(D), nn.LayerNorm(D)

    def forward(self, tgt, memory, pos, query_pos, mask):
        q = k = (tgt2 := self.norm1(tgt)) + query_pos
        tgt = tgt + self.self_attn(q, k, value=tgt2, attn_mask=mask)[0]
        seen, self.weights = self.multihead_attn(
            self.norm2(tgt) + query_pos, memory + pos, value=memory, average_attn_weights=False
        )
        tgt = tgt + seen
        return tgt + self.linear2(torch.relu(self.linear1(self.norm3(tgt))))


class Stack(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layers = nn.ModuleList(layer() for _ in range(2))
        self.norm = nn.LayerNorm(D)


class Reference(nn.Module):
    """Sequence first, as DETR; the original's names."""

    def __init__(self):
        super().__init__()
        resnet = ResNet(
            Bottleneck,
            [1, 1, 1, 1],
            replace_stride_with_dilation=[False, False, True],
            norm_layer=FrozenBatchNorm2d,
        )
        base = nn.Module()
        base.body = IntermediateLayerGetter(resnet, return_layers={"layer4": "0"})
        self.backbone = nn.Sequential(base)
        self.input_proj = nn.Conv2d(2048, D, 1)
        self.transformer = nn.Module()
        embeddings = self.transformer.embeddings = nn.Module()
        embeddings.word_embeddings = nn.Embedding(len(WORDS), D, padding_idx=0)
        embeddings.position_embeddings = nn.Embedding(LENGTH, D)
        embeddings.LayerNorm = nn.LayerNorm(D, eps=1e-12)
        self.transformer.encoder, self.transformer.decoder = Stack(EncoderLayer), Stack(DecoderLayer)
        self.mlp = nn.Module()
        self.mlp.layers = nn.ModuleList([nn.Linear(D, 40), nn.Linear(40, 40), nn.Linear(40, len(WORDS))])

    def positions(self, rows, columns):
        place = torch.zeros(rows * columns, D)
        for row in range(rows):
            for column in range(columns):
                for axis, (at, count) in enumerate(((row, rows), (column, columns))):
                    angle = (at + 1) / (count + 1e-6) * 2 * math.pi
                    for n in range(D // 2):
                        value = angle / 10000 ** (2 * (n // 2) / (D // 2))
                        wave = math.cos(value) if n % 2 else math.sin(value)
                        place[row * columns + column, axis * D // 2 + n] = wave
        return place[:, None]

    def forward(self, pixels, ids):
        features = self.input_proj(self.backbone[0].body(pixels)["0"])
        rows, columns = features.shape[-2:]
        pos = self.positions(rows, columns)
        memory = features.flatten(2).permute(2, 0, 1)
        for layer in self.transformer.encoder.layers:
            memory = layer(memory, pos)
        memory = self.transformer.encoder.norm(memory)
        length = ids.shape[1]
        embeddings = self.transformer.embeddings
        query_pos = embeddings.position_embeddings.weight[:length, None]
        tgt = embeddings.LayerNorm(embeddings.word_embeddings(ids).transpose(0, 1) + query_pos)
        mask = torch.full((length, length), -torch.inf).triu(1)
        for layer in self.transformer.decoder.layers:
            tgt = layer(tgt, memory, pos, query_pos, mask)
        x = self.transformer.decoder.norm(tgt).transpose(0, 1)
        for layer in self.mlp.layers[:-1]:
            x = torch.relu(layer(x))
        return self.mlp.layers[-1](x)


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    module = Reference().eval()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if "running_var" in name:
                tensor.uniform_(0.5, 2)
            elif tensor.ndim == 1:
                tensor.normal_(1 if "norm" in name.lower() or ".bn" in name else 0, 0.3)
    return module


@pytest.fixture
def checkpoint(reference, tmp_path):
    file = tmp_path / "weight493084032.pth"
    torch.save({"model": reference.state_dict(), "epoch": 3}, file)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return file


IDS = torch.tensor([[2, 4, 5, 6, 7, 8]])


@torch.no_grad()
def test_scores_and_maps_equal_the_references(reference):
    module = build_catr(reference.state_dict())
    pixels = torch.randn(1, 3, 70, 99, generator=torch.Generator().manual_seed(0))
    expected = reference(pixels, IDS)
    memory = module.encode(pixels)
    assert (memory.rows, memory.columns) == (math.ceil(70 / 16), math.ceil(99 / 16))
    torch.testing.assert_close(module.decode(IDS, memory), expected, atol=1e-4, rtol=1e-4)

    from vitbench.captions.caption_pass import read_caption

    caption_pass = read_caption(module, memory, IDS[0].tolist())
    for number, layer in enumerate(reference.transformer.decoder.layers):
        torch.testing.assert_close(caption_pass.attention[number], layer.weights[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_word_at_a_time_is_the_whole_caption(reference):
    from vitbench.captions.decoder import DecoderCache

    module = build_catr(reference.state_dict())
    memory = module.encode(torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(1)))
    whole, cache = module.decode(IDS, memory), DecoderCache()
    steps = [module.decode(part, memory, cache) for part in (IDS[:, :1], IDS[:, 1:2], IDS[:, 2:5], IDS[:, 5:])]
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_captions_of_a_picture_share_its_keys(reference):
    from vitbench.captions.decoder import DecoderCache

    module = build_catr(reference.state_dict())
    memory = module.encode(torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(2)))
    ids, cache = torch.randint(4, 9, (4, 5)), DecoderCache()
    steps = [module.decode(part, memory, cache) for part in (ids[:, :1], ids[:, 1:3], ids[:, 3:])]
    torch.testing.assert_close(torch.cat(steps, 1), module.decode(ids, memory.repeated(2)), atol=1e-5, rtol=1e-4)


def test_sizes_are_read_off_the_tensors(reference):
    sizes = CatrSizes.of(reference.state_dict())
    assert sizes == CatrSizes(9, D, LENGTH, 2, 2, HIDDEN, (40, 40), (1, 1, 1, 1), 8)


def test_at_full_size_it_has_the_checkpoints_716_tensors():
    with torch.device("meta"):
        module = Catr(CatrSizes(30522, 256, 128, 6, 6, 2048, (512, 512), (3, 4, 23, 3)))
    tensors = module.state_dict()
    assert len(tensors) == 716
    assert sum(tensor.numel() for tensor in tensors.values()) == pytest.approx(84.39e6, rel=1e-3)


def test_a_file_is_opened_and_describes_a_picture(checkpoint):
    captioner = open_captioner(str(checkpoint))
    prepared = captioner.prepare(Image.new("RGB", (640, 480), (255, 0, 0)))
    assert prepared.pixels.shape == (1, 3, 224, 299)
    assert prepared.pixels[0, :, 5, 5].tolist() == [1.0, -1.0, -1.0]
    resized = torchvision.transforms.Normalize(0.5, 0.5)(
        torchvision.transforms.ToTensor()(Image.new("RGB", (299, 224), (255, 0, 0)))
    )
    torch.testing.assert_close(prepared.pixels[0], resized)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))
    described = describe_picture(captioner, picture, text="A cats sit.")
    assert described.maps.words == ("a", "cats", "sit", ".", "<end>")
    assert described.maps.maps.shape == (5, 14, 19)
    with torch.no_grad():
        found = greedy(captioner.module, captioner.module.encode(prepared.pixels), captioner.tokenizer)
    assert found[0].ids[0] == 2


def test_mistakes_are_named(checkpoint, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS[:-1]))
    with pytest.raises(UserError, match=r"has 8 words; the checkpoint needs 9"):
        open_captioner(str(checkpoint))
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"put the vocab.txt of bert-base-uncased"):
        open_captioner(str(checkpoint))
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="holds no captioner"):
        open_captioner(str(tmp_path / "other.pth"))
