"""Captions to token numbers and back, and which tokens make up one word.

Token sequences are `[start, token, ..., token, end]`. `encode` gives the tokens between; `words` groups a
sequence's tokens into the words that a person reads, so that maps of word pieces can be merged.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from vitbench.errors import UserError
from vitbench.nearest import nearest
from vitbench.text import shortened

PAD, START, END, UNKNOWN = "<pad>", "<start>", "<end>", "<unknown>"
SPECIAL_TOKENS = (PAD, START, END, UNKNOWN)

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r"\s+([.,;:!?%)\]}…])")


@dataclass(frozen=True)
class WordSpan:
    """One word of a token sequence: its text and its tokens `[first, stop)`."""

    text: str
    first: int
    stop: int


class Tokenizer(Protocol):
    """What a captioner needs to know about its vocabulary."""

    pad_id: int
    start_id: int
    end_id: int
    end_ids: frozenset[int]
    """All tokens that end a caption; `end_id` is the one that is written."""
    unknown_id: int

    @property
    def vocab_size(self) -> int:
        """How many token numbers there are."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a caption, without start and end."""

    def decode(self, ids: Sequence[int]) -> str:
        """The caption up to the first end token; start and padding are left out."""

    def words(self, ids: Sequence[int]) -> list[WordSpan]:
        """The words of a sequence up to and including the first end token; start and padding belong to none."""

    def to_dict(self) -> dict[str, Any]:
        """Everything needed to make it again with `tokenizer_from_dict`; plain JSON values."""


def split_words(text: str) -> list[str]:
    """Lower-cased words and punctuation marks of a caption, in Unicode normal form NFC."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


_WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of scripts that put no blanks between words: Thai, Lao, Burmese, Khmer, kana and Han."""
_RUN_WITHOUT_BLANKS = re.compile(f"[{_WITHOUT_BLANKS}]{{5,}}")
_CHARACTER = re.compile(f"[{_WITHOUT_BLANKS}]|[^\\W{_WITHOUT_BLANKS}]+(?:['’-][^\\W{_WITHOUT_BLANKS}]+)*|[^\\w\\s]")
_NO_SPACE_BETWEEN = re.compile(f"(?<=[{_WITHOUT_BLANKS}，。、！？]) (?=[{_WITHOUT_BLANKS}，。、！？])")


def split_characters(text: str) -> list[str]:
    """As `split_words`, but each letter of a script without blanks (Chinese, Japanese, Thai, ...) is one by itself."""
    return _CHARACTER.findall(unicodedata.normalize("NFC", text).lower())


def unfit_for_words(captions: Iterable[str]) -> str:
    """Why the word tokenizer does not fit captions, and what does; empty if it does."""
    total = without = 0
    example = ""
    for caption in captions:
        total += 1
        if _RUN_WITHOUT_BLANKS.search(caption):
            without += 1
            example = example or caption
    if without * 5 < total or not without:
        return ""
    return (
        f"{without:,} of {total:,} captions are written without blanks between words ({example[:20]}), so the word"
        ' tokenizer takes a whole run for one word; caption.tokenizer = "character" takes each character.'
    )


def unknown_words(tokenizer: Tokenizer, text: str) -> list[str]:
    """The words of a typed caption that the vocabulary lacks, and that are read as unknown."""
    return [word for word in dict.fromkeys(split_words(text)) if tokenizer.unknown_id in tokenizer.encode(word)]


def vocabulary(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The words that are one token each, without the special ones; empty where tokens are pieces of words."""
    return tokenizer.tokens[len(SPECIAL_TOKENS) :] if isinstance(tokenizer, WordTokenizer) else ()


def told_unknown(tokenizer: Tokenizer, unknown: Sequence[str]) -> str:
    """What is said of words that the vocabulary lacks, each with the nearest that it has; empty without such words."""
    known = vocabulary(tokenizer)
    near = {word: nearest(word, known) for word in unknown if len(word) > 1}
    told = [f"{word} (near: {near[word]})" if near.get(word) else word for word in unknown]
    return f"not in the vocabulary, so read as <unknown>: {', '.join(told)}" if told else ""


def _until_end(ids: Sequence[int], end_id: int) -> list[int]:
    sequence = list(ids)
    return sequence[: sequence.index(end_id)] if end_id in sequence else sequence


class WordTokenizer:
    """One token a word: small closed vocabularies such as that of Scenes, where a map belongs to a whole word."""

    kind = "word"
    pad_id, start_id, end_id, unknown_id = range(4)
    end_ids = frozenset({end_id})

    def __init__(self, words: Sequence[str]) -> None:
        """`words` is the vocabulary without the special tokens, in the order of the token numbers."""
        self.tokens = (*SPECIAL_TOKENS, *words)
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        if len(self.numbers) != len(self.tokens):
            repeated = next(token for token, count in Counter(self.tokens).items() if count > 1)
            raise UserError(f"The vocabulary names the word {repeated!r} twice.")

    @staticmethod
    def split(text: str) -> list[str]:
        """A text as the words that become tokens."""
        return split_words(text)

    @classmethod
    def train(cls, captions: Iterable[str], *, vocab_size: int | None = None, minimum_count: int = 1) -> Self:
        """The words of `captions`, most frequent first (ties by spelling), at most `vocab_size` with the specials."""
        counts = Counter(word for caption in captions for word in cls.split(caption))
        frequent = (word for word, count in counts.items() if count >= minimum_count)
        ranked = sorted(frequent, key=lambda word: (-counts[word], word))
        return cls(ranked if vocab_size is None else ranked[: max(0, vocab_size - len(SPECIAL_TOKENS))])

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        return [self.numbers.get(word, self.unknown_id) for word in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        words = [self.tokens[i] for i in _until_end(ids, self.end_id) if i not in (self.pad_id, self.start_id)]
        return _NO_SPACE_BEFORE.sub(r"\1", " ".join(words))

    def words(self, ids: Sequence[int]) -> list[WordSpan]:
        spans = []
        for place, number in enumerate(ids):
            if number not in (self.pad_id, self.start_id):
                spans.append(WordSpan(self.tokens[number], place, place + 1))
            if number == self.end_id:
                break
        return spans

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": list(self.tokens[len(SPECIAL_TOKENS) :])}


class CharacterTokenizer(WordTokenizer):
    """One token a character of scripts without blanks between words, and one a word of others."""

    kind = "character"

    @staticmethod
    def split(text: str) -> list[str]:
        return split_characters(text)

    def decode(self, ids: Sequence[int]) -> str:
        return _NO_SPACE_BETWEEN.sub("", super().decode(ids))


class SubwordTokenizer:
    """Word pieces, from the Hugging Face `tokenizers` library: trained here, or read from others' files."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, *, pad: str, start: str, end: str, unknown: str) -> None:
        self.tokenizer = tokenizer
        self.special = (pad, start, end, unknown)
        self.pad_id, self.start_id, self.end_id, self.unknown_id = (self._number(token) for token in self.special)
        self.end_ids = frozenset({self.end_id})
        # WordPiece marks what continues a word; byte-level and SentencePiece vocabularies mark what begins one.
        self.marks_continuation = any(piece.startswith("##") for piece in tokenizer.get_vocab())

    @classmethod
    def train(cls, captions: Iterable[str], *, kind: str, vocab_size: int) -> "SubwordTokenizer":
        """Learns `kind` "bpe" (byte-level: no character is unknown) or "wordpiece" on `captions`, lower-cased.

        Raises UserError for another kind.
        """
        normal = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        if kind == "bpe":
            tokenizer = tokenizers.Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
            tokenizer.decoder = decoders.ByteLevel()
            trainer: Any = trainers.BpeTrainer(
                vocab_size=vocab_size,
                special_tokens=list(SPECIAL_TOKENS),
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            )
        elif kind == "wordpiece":
            tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            tokenizer.decoder = decoders.WordPiece()
            trainer = trainers.WordPieceTrainer(
                vocab_size=vocab_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False
            )
        else:
            raise UserError(f"The tokenizer kind {kind!r} is not known; choose word, character, bpe or wordpiece.")
        tokenizer.normalizer = normal
        tokenizer.train_from_iterator(captions, trainer)
        return cls(tokenizer, pad=PAD, start=START, end=END, unknown=UNKNOWN)

    @property
    def vocab_size(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        pieces = [int(i) for i in _until_end(ids, self.end_id) if i not in (self.pad_id, self.start_id)]
        return str(self.tokenizer.decode(pieces, skip_special_tokens=False)).strip()

    def words(self, ids: Sequence[int]) -> list[WordSpan]:
        groups: list[list[int]] = []
        previous = ""
        for place, number in enumerate(ids):
            if number in (self.pad_id, self.start_id):
                continue
            piece = self.tokenizer.id_to_token(int(number)) or ""
            special = number in (self.end_id, self.unknown_id)
            if special or not groups or self._starts_word(piece, previous):
                groups.append([place])
            else:
                groups[-1].append(place)
            # Nothing continues a special token.
            previous = "" if special else piece
            if number == self.end_id:
                break
        return [WordSpan(self._text([ids[place] for place in group]), group[0], group[-1] + 1) for group in groups]

    def _number(self, token: str) -> int:
        number = self.tokenizer.token_to_id(token)
        if number is None:
            raise UserError(f"The tokenizer has no token {token!r}.")
        return int(number)

    def _starts_word(self, piece: str, previous: str) -> bool:
        if self.marks_continuation:
            return not piece.startswith("##")
        return not previous or piece.startswith(("Ġ", "▁")) or _is_mark(piece) != _is_mark(previous)

    def _text(self, ids: Sequence[int]) -> str:
        if len(ids) == 1 and ids[0] == self.end_id:
            return END
        return str(self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)).strip()

    def to_dict(self) -> dict[str, Any]:
        pad, start, end, unknown = self.special
        return {
            "kind": "subword",
            "pad": pad,
            "start": start,
            "end": end,
            "unknown": unknown,
            "tokenizer": self.tokenizer.to_str(),
        }


def _is_mark(piece: str) -> bool:
    return not any(character.isalnum() for character in piece)


def tokenizer_from_dict(saved: dict[str, object]) -> Tokenizer:
    """The tokenizer that `to_dict` described. Raises UserError for a kind that is not known, or if it is damaged."""
    kind = saved.get("kind")
    if kind == "word":
        return WordTokenizer(_saved_words(saved))
    if kind == "character":
        return CharacterTokenizer(_saved_words(saved))
    if kind == "subword":
        texts = {name: saved.get(name) for name in ("pad", "start", "end", "unknown", "tokenizer")}
        bad = [name for name, text in texts.items() if not isinstance(text, str)]
        if bad:
            raise UserError(f"The saved tokenizer has no text as {bad[0]!r}.")
        return SubwordTokenizer(parse_tokenizer(str(texts.pop("tokenizer")), "The saved tokenizer"), **texts)  # type: ignore[arg-type]  # checked above to be texts
    raise UserError(
        f"The saved tokenizer is of kind {shortened(repr(kind))}; this version knows word, character and subword."
    )


def _saved_words(saved: dict[str, object]) -> list[str]:
    words = saved.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError("The saved tokenizer has no list of words.")
    return words


def parse_tokenizer(text: str, where: str) -> tokenizers.Tokenizer:
    """The tokenizer in a text, as the tokenizers library writes it. Raises UserError, which `where` begins."""
    try:
        return tokenizers.Tokenizer.from_str(text)
    except BaseException as error:
        # The library raises plain Exception; its panics are no Exception, and their class has no module.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(f"{where} cannot be read as a tokenizer ({shortened(str(error))}).") from error


def train_tokenizer(kind: str, captions: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """A tokenizer of `kind` "word", "character", "bpe" or "wordpiece" with at most `vocab_size` tokens."""
    if kind in ("word", "character"):
        return (WordTokenizer if kind == "word" else CharacterTokenizer).train(captions, vocab_size=vocab_size)
    return SubwordTokenizer.train(captions, kind=kind, vocab_size=vocab_size)
