"""A caption by beam search (4 beams): encoded once with cached keys, against CATR's loop, which runs the encoder and
the whole decoder again at each word. The same network, the same search, the same sentence.
python benchmarks/beam.py [--rounds 3]"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from captioners import NETWORKS
from machine import describe
from torch import Tensor

from vitbench.captions.decoder import DecoderCache, Memory
from vitbench.captions.decoding import Hypothesis, beam_search
from vitbench.captions.network import CaptionModule
from vitbench.captions.tokenizer import Tokenizer

BEAMS = 4


class RunAgain:
    """A captioner that keeps nothing between two words but the words: picture and sentence are computed again."""

    def __init__(self, module: CaptionModule, pixels: Tensor) -> None:
        self.module, self.pixels, self.max_length = module, pixels, module.max_length
        self.decoder_attentions = module.decoder_attentions

    def encode(self, pixels: Tensor) -> Memory:
        return self.module.encode(pixels)

    def decode(self, ids: Tensor, memory: Memory, cache: DecoderCache | None = None) -> Tensor:
        assert cache is not None
        layer = cache.layer(0)
        # The beams reorder keys and values: here these are the words so far.
        words = ids if layer.keys is None else torch.cat((layer.keys, ids), dim=1)
        layer.keys = layer.values = words
        cache.length = words.shape[1]
        again = self.module.encode(self.pixels).repeated(len(words))
        return self.module.decode(words, again)[:, -1:]


@torch.no_grad()
def caption(module: CaptionModule, tokenizer: Tokenizer, pixels: Tensor) -> Hypothesis:
    return beam_search(module, module.encode(pixels), tokenizer, beams=BEAMS)[0][0]


def seconds(work: Callable[[], object]) -> float:
    """Processor time; with one thread on a quiet machine it is the clock's."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"# A caption with {BEAMS} beams\n\n{describe('torch', 'timm')}\n- threads: 1\n")
    print(f"Processor time, median of {rounds} rounds in turn; the same network, search and sentence.\n")
    print("| network | tokens | encoded once, cached | everything again at each word | times |")
    print("|---|---|---|---|---|")
    for name, make in NETWORKS.items():
        module, tokenizer, pixels = make()
        again = RunAgain(module, pixels)
        ours, theirs = caption(module, tokenizer, pixels), caption(again, tokenizer, pixels)
        assert ours.ids == theirs.ids, "the two ways found different sentences"
        times = [
            (seconds(lambda: caption(module, tokenizer, pixels)), seconds(lambda: caption(again, tokenizer, pixels)))  # noqa: B023
            for _ in range(rounds)
        ]
        fast, slow = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| {name} | {len(ours.ids)} | {fast * 1e3:.0f} ms | {slow * 1e3:.0f} ms | {slow / fast:.1f} |")


if __name__ == "__main__":
    main()
