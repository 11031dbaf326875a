"""A caption by beam search (4 beams): encoded once with cached keys, against running the encoder and the whole decoder
again at each word: over the words so far, and as CATR's predict.py does it, over the sentence padded to all positions.
The same network, the same search, the same sentence.
python benchmarks/beam.py [--rounds 15]"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from captioners import NETWORKS
from result_file import ResultFile
from torch import Tensor

from vitbench.captions.decoder import DecoderCache, Memory
from vitbench.captions.decoding import Hypothesis, beam_search
from vitbench.captions.network import CaptionModule
from vitbench.captions.tokenizer import Tokenizer

BEAMS = 4


class RunAgain:
    """A captioner that keeps nothing between two words but the words: picture and sentence are computed again.

    `padded`: the decoder always reads a sentence of full length, as CATR's does.
    """

    def __init__(self, module: CaptionModule, pixels: Tensor, *, padded: bool) -> None:
        self.padding = module.max_length if padded else 0
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
        places = F.pad(words, (0, max(0, self.padding - words.shape[1])))
        return self.module.decode(places, again)[:, words.shape[1] - 1, None]


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
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    result = ResultFile("beam", f"A caption with {BEAMS} beams", "torch", "timm")
    result.say(
        f"One thread; processor time, medians of {rounds} rounds in turn; the same network, search and sentence."
        " Again: encoder"
    )
    result.say(
        "and decoder at each word, over the words so far; CATR's loop: over all positions. Times: the median of the"
    )
    result.say("rounds' own ratios, and their quartiles.\n")
    result.say("| network | tokens | encoded once, cached | again | times | CATR's loop | times |")
    result.say("|---|---|---|---|---|---|---|")
    for name, make in NETWORKS.items():
        module, tokenizer, pixels = make()
        ways = [module, *(RunAgain(module, pixels, padded=padded) for padded in (False, True))]
        found = [caption(way, tokenizer, pixels).ids for way in ways]
        assert len(set(found)) == 1, "the ways found different sentences"
        times = [[seconds(partial(caption, way, tokenizer, pixels)) for way in ways] for _ in range(rounds)]
        cells = [f"{statistics.median(cached for cached, _, _ in times) * 1e3:.0f} ms"]
        for slow in (1, 2):
            low, middle, high = statistics.quantiles([row[slow] / row[0] for row in times], n=4)
            cells += [f"{statistics.median(row[slow] for row in times) * 1e3:.0f} ms"]
            cells += [f"{middle:.1f} ({low:.1f} to {high:.1f})"]
        result.say(f"| {name} | {len(found[0])} | {' | '.join(cells)} |")
    result.write()


if __name__ == "__main__":
    main()
