"""Tables of captions as programs and people write them, and what is said of splits that they lack."""

import json

import pytest

from tests.data.files_of_people import captions, draw, write
from vitbench.captions.data_report import captions_report, inspect_data
from vitbench.captions.index import open_captions
from vitbench.data.layouts import recognise
from vitbench.errors import UserError

PAIRS = {"b.jpg": "Two cats sleep in the sun", "c.jpg": "A man rides a red bicycle", "d.jpg": "A boat on the sea"}
WANTED = {name: [text] for name, text in PAIRS.items()}


def lines(form, header=""):
    return header + "".join(form.format(name=name, text=text) + "\n" for name, text in PAIRS.items())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("captions.csv", lines("{name};{text}", "sep=;\nimage;caption\n")),
        ("captions.csv", lines("{name},{text}", "# made by a program\nimage,caption\n")),
        ("captions.txt", lines("{name}: {text}")),
        ("captions.txt", lines("{name} -> {text}")),
        ("train.tsv", lines("{text}\thttp://x.org/{name}")),
        ("summaries.csv", lines("{name},{text}", "screenId,summary\n")),
        ("captions.csv", lines("{name},{text}\x1b[31m\x00", "image,caption\n")),
    ],
)
def test_a_form_is_read(tmp_path, file, text):
    draw(tmp_path, *(f"images/{name}" for name in PAIRS))
    write(tmp_path, file, text)
    assert captions(tmp_path) == WANTED


def test_what_is_taken_out_is_said(tmp_path):
    draw(tmp_path, *PAIRS)
    write(tmp_path, "captions.csv", lines("{name},{text}\x1b[31m\x00", "image,caption\n"))
    assert open_captions(tmp_path).notes == (
        "characters of control, such as U+001B, are taken out: 3 captions (first captions.csv, line 2)",
    )


def test_a_quotation_mark_without_its_partner_swallows_no_rows(tmp_path):
    draw(tmp_path, *PAIRS)
    rows = 'b.jpg,"Two cats\nc.jpg,"A man\non two lines"\nd.jpg,"A boat, ""blue"""\n'
    write(tmp_path, "captions.csv", "image,caption\n" + rows)
    assert captions(tmp_path) == {"b.jpg": ["Two cats"], "c.jpg": ["A man on two lines"], "d.jpg": ['A boat, "blue"']}
    assert open_captions(tmp_path).notes == ("captions.csv, line 2: a quotation mark without its partner is taken off",)
    write(tmp_path / "labels", "labels.csv", 'filename,label\nb.jpg,"cat\nc.jpg,dog\nd.jpg,cat\n')
    draw(tmp_path / "labels", *PAIRS)
    layout = recognise(tmp_path / "labels")
    assert [entry.label for entry in layout.entries] == ["cat", "dog", "cat"]
    assert any("line 2: a quotation mark without its partner" in note for note in layout.notes)


def test_quotation_marks_after_a_backslash_are_characters(tmp_path):
    draw(tmp_path, *PAIRS)
    write(tmp_path, "captions.csv", lines('{name},"{text}, \\"wow\\" there"', "image,caption\n"))
    assert captions(tmp_path)["b.jpg"] == ['Two cats sleep in the sun, "wow" there']


def test_splits_that_are_unknown_missing_or_drawn_are_said(tmp_path):
    draw(tmp_path, *PAIRS)
    parts = {"b.jpg": "train", "c.jpg": "holdback", "d.jpg": "val"}
    images = [{"filename": name, "split": parts[name], "sentences": [{"raw": text}]} for name, text in PAIRS.items()]
    write(tmp_path, "dataset.json", json.dumps({"images": images}))
    data = open_captions(tmp_path)
    assert data.notes == ("the split 'holdback' (1 time) is not known: read as if none was named",)
    assert data.drawn == "1 picture of no split count as train, such as c.jpg."
    (tmp_path / "dataset.json").unlink()
    write(tmp_path, "captions.csv", lines("{name},{text}", "image,caption\n"))
    drawn = open_captions(tmp_path)
    assert drawn.drawn.endswith("no such split: 1 picture for val, 1 picture for test.")
    assert drawn.drawn in captions_report(drawn, [])


def test_sentences_are_no_classes(tmp_path):
    draw(tmp_path, *PAIRS)
    write(tmp_path, "train.tsv", lines("{text}\t{name}"))
    doubts = [str(doubt) for doubt in recognise(tmp_path).doubts if doubt.stops_training]
    assert any("3 classes are sentences of one picture each" in doubt for doubt in doubts)
    assert inspect_data(str(tmp_path), tmp_path / "store").labels is None


def test_captions_in_several_languages_are_asked_about(tmp_path):
    draw(tmp_path, *PAIRS)
    write(tmp_path, "captions.csv", lines("{name},{text},Ein Satz", "image,caption_en,caption_de\n"))
    with pytest.raises(UserError, match=r"captions in several languages .caption_en, caption_de.: keep one"):
        open_captions(tmp_path)
