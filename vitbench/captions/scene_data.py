"""The captions of Scenes as tokens."""

from torch import Tensor

from vitbench.captions.network import padded
from vitbench.captions.tokenizer import Tokenizer, WordTokenizer
from vitbench.data.scenes import KIND_SETS, plural


def scene_vocabulary(captions: list[str], kinds: str = "base") -> WordTokenizer:
    """A word-level tokenizer of the words in `captions`. Each kind is in it, seen or not, in both numbers."""
    words = set(WordTokenizer.train(captions).tokens)
    names = [kind for name in KIND_SETS[kinds] for kind in (name, plural(name))]
    unseen = [name for name in names if name not in words]
    return WordTokenizer.train([*captions, *unseen])


def caption_ids(captions: list[str], tokenizer: Tokenizer) -> Tensor:
    """Captions as tokens with start and end, int64 [count, longest], padded on the right."""
    return padded(
        [[tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id] for text in captions], tokenizer.pad_id
    )
