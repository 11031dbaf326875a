"""The maps of every word of a 20-word caption, in all layers and heads, against a plain forward pass over the caption.
python benchmarks/word_maps.py [--rounds 15]"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from captioners import NETWORKS, WORDS
from numpy.typing import NDArray
from result_file import ResultFile
from torch import Tensor

from vitbench.captions.caption_pass import read_caption
from vitbench.captions.network import Captioner
from vitbench.captions.tokenizer import Tokenizer
from vitbench.captions.word_maps import all_word_maps


def seconds(work: Callable[[], object]) -> float:
    """Processor time; with one thread on a quiet machine it is the clock's."""
    began = time.process_time()
    work()
    return time.process_time() - began


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    result = ResultFile("word_maps", f"All maps of a {WORDS}-word caption", "torch", "timm")
    result.say(f"One thread; processor time, median of {rounds} rounds in turn.")
    result.say("The decoder's pass has fused attention, which shows no maps.\n")
    result.say("| network | maps | decoder's pass | pass with encoder | all maps, picture encoded | decoder's passes |")
    result.say("|---|---|---|---|---|---|")
    for name, make in NETWORKS.items():
        result.say(row_of(name, *make(), rounds))
    result.write()


def row_of(name: str, module: Captioner, tokenizer: Tokenizer, pixels: Tensor, rounds: int) -> str:
    """One network's line of the table."""
    ids = [tokenizer.start_id, *range(4, 4 + WORDS), tokenizer.end_id]
    row, memory = torch.tensor([ids]), module.encode(pixels)

    def look() -> NDArray[np.float32]:
        return all_word_maps(read_caption(module, memory, ids), tokenizer)

    works = (lambda: module.decode(row, memory), lambda: module.decode(row, module.encode(pixels)), look)
    count = "x".join(map(str, look().shape))
    for work in works:
        work()
    times = zip(*[[seconds(work) for work in works] for _ in range(rounds)], strict=True)
    plain, whole, maps = (statistics.median(column) for column in times)
    return (
        f"| {name} | {count} | {plain * 1e3:.1f} ms | {whole * 1e3:.1f} ms | {maps * 1e3:.1f} ms | {maps / plain:.2f} |"
    )


if __name__ == "__main__":
    main()
