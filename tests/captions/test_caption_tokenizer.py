"""Tokenizers: captions come back as they were split, and what a vocabulary lacks is one token."""

import pytest

from vitbench.captions.tokenizer import WordTokenizer, split_words, tokenizer_from_dict, train_tokenizer
from vitbench.errors import UserError

SENTENCES = [
    "A small red cup stands left of two blue bottles.",
    "The mother-in-law's dog isn't here, is it?",
    "Ein Fußgänger überquert die Straße bei Café Zürich.",
    "two dogs running through the grass",
]


def test_words_and_marks_are_kept_apart_and_unicode_is_normalised():
    assert split_words("A dog, isn't it?") == ["a", "dog", ",", "isn't", "it", "?"]
    assert split_words("cafe\u0301") == split_words("caf\u00e9")


@pytest.mark.parametrize("kind", ["word", "bpe", "wordpiece"])
def test_a_caption_comes_back_and_its_words_are_whole(kind):
    tokenizer = train_tokenizer(kind, SENTENCES, vocab_size=400)
    for text in SENTENCES:
        ids = [tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id, tokenizer.pad_id]
        assert tokenizer.unknown_id not in ids
        # WordPiece splits at every mark and puts spaces there; letters and marks must all come back.
        assert tokenizer.decode(ids).replace(" ", "") == text.lower().replace(" ", "")
        spans = tokenizer.words(ids)
        assert spans[-1].text == "<end>"
        # The spans cover every token between start and padding once, in order.
        assert spans[0].first == 1
        assert [span.stop for span in spans[:-1]] == [span.first for span in spans[1:]]
        assert spans[-1].stop == len(ids) - 1
        if "'" not in text and "-" not in text:
            assert [span.text for span in spans[:-1]] == split_words(text)


@pytest.mark.parametrize("kind", ["word", "bpe", "wordpiece"])
def test_a_saved_tokenizer_is_the_same(kind):
    tokenizer = train_tokenizer(kind, SENTENCES, vocab_size=300)
    again = tokenizer_from_dict(tokenizer.to_dict())
    assert again.vocab_size == tokenizer.vocab_size
    assert [again.encode(text) for text in SENTENCES] == [tokenizer.encode(text) for text in SENTENCES]


def test_the_word_vocabulary_is_ranked_limited_and_has_an_unknown_word():
    tokenizer = WordTokenizer.train(["b a a", "a b c"], vocab_size=6)
    assert tokenizer.tokens == ("<pad>", "<start>", "<end>", "<unknown>", "a", "b")
    assert tokenizer.encode("a c") == [4, tokenizer.unknown_id]


def test_mistakes_are_named():
    with pytest.raises(UserError, match="twice"):
        WordTokenizer(["a", "a"])
    with pytest.raises(UserError, match="sentencepiece"):
        train_tokenizer("sentencepiece", SENTENCES, vocab_size=10)
    with pytest.raises(UserError, match="magic"):
        tokenizer_from_dict({"kind": "magic"})
