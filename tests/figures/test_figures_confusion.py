"""The confusion matrix as a figure and as a table: rows are true, columns predicted, and every name can be read."""

import csv
import itertools
import json

import numpy as np
import pytest

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.figures.colours import colourise
from vitbench.figures.confusion import check_ending, compose_confusion, confusion_bytes
from vitbench.figures.draw import draw
from vitbench.figures.provenance import read_provenance
from vitbench.figures.save import sheet_bytes
from vitbench.requests.confusion import confusion_request, read_document
from vitbench.requests.drawing import Drawing

LABELS = [f"kind_{number}" + " of pets" * (number % 3) for number in range(37)]


def document(classes: list[str], seed: int = 0) -> dict:
    """An evaluation of 30 pictures a class, of which some are taken for the next class."""
    random, count = np.random.default_rng(seed), len(classes)
    matrix = np.zeros((count, count), dtype=int)
    for row in range(count):
        wrong = int(random.integers(1, 9))
        matrix[row, row] = 30 - wrong
        matrix[row, (row + 1) % count] += wrong
    return {
        "split": "test",
        "step": 1234,
        "classes": classes,
        "confusion": matrix.tolist(),
        "correct": int(np.trace(matrix)),
        "pictures": int(matrix.sum()),
        "root": "/data",
    }


def drawn(found: dict, **how):
    """The figure on paper."""
    return draw(compose_confusion(confusion_request(found, "pets")), Drawing(**how))


def drawn_texts(figure) -> dict[str, list]:
    """The labels of each axis as they are placed: text and box in pixels."""
    figure.canvas.draw()
    axes = figure.axes[0]
    found = {}
    for name, axis in (("columns", axes.xaxis), ("rows", axes.yaxis)):
        shown = [label for label in axis.get_ticklabels() if label.get_text()]
        found[name] = [(label.get_text(), label.get_window_extent()) for label in shown]
    return found


def test_rows_are_true_and_columns_predicted():
    found = document(["cat", "dog", "fox"])
    matrix = np.array(found["confusion"])
    sheet = compose_confusion(confusion_request(found))
    axes = draw(sheet).axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("True class", "Predicted class")
    side = sheet.panels[0].picture.shape[0] / 3
    numbers = {
        (int(text.get_position()[1] // side), int(text.get_position()[0] // side)): int(text.get_text())
        for text in axes.texts
    }
    assert numbers == {(row, column): matrix[row, column] for row, column in np.argwhere(matrix)}
    expected = colourise(100 * matrix / matrix.sum(1, keepdims=True), "Blues", 0, 100)
    np.testing.assert_array_equal(sheet.panels[0].picture[:: int(side), :: int(side)][:3, :3], expected)


def test_the_names_of_37_classes_are_all_there_and_do_not_touch():
    figure = drawn(document(LABELS))
    texts = drawn_texts(figure)
    width, height = figure.canvas.get_width_height()
    for name, side in (("rows", "y"), ("columns", "x")):
        assert [text for text, _ in texts[name]] == LABELS
        boxes = sorted((getattr(box, f"{side}0"), getattr(box, f"{side}1")) for _, box in texts[name])
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(boxes))
        assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for _, box in texts[name])


def test_a_thousand_classes_are_named_here_and_there():
    names = [f"class {number}" for number in range(1000)]
    found = {"classes": names, "confusion": np.eye(1000, dtype=int).tolist(), "correct": 1000, "pictures": 1000}
    figure = drawn(found)
    texts = drawn_texts(figure)["rows"]
    assert 30 < len(texts) < 110
    assert not figure.axes[0].texts


@pytest.mark.parametrize("ending", ["png", "pdf", "svg", "csv"])
def test_every_format_is_saved(tmp_path, ending):
    file = tmp_path / f"matrix.{ending}"
    file.write_bytes(confusion_bytes(f".{ending}", document(["a,b", "$x$", "_c\x1b[31m"]), "pets $1$ "))
    begin = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "csv": b"true class"}[ending]
    assert file.read_bytes().startswith(begin)
    if ending == "csv":
        rows = list(csv.reader(file.open()))
        assert rows[0] == ["true class \\ predicted class", "a,b", "$x$", "_c\x1b[31m"]
        assert [row[1:] for row in rows[1:]] == [list(map(str, row)) for row in document(["a"] * 3)["confusion"]]


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_figure_is_made_again_though_its_evaluation_is_gone(tmp_path, ending):
    source, file = tmp_path / "test-1234.json", tmp_path / f"matrix.{ending}"
    source.write_text(json.dumps(document(LABELS)))
    sheet = compose_confusion(confusion_request(read_document(source), "pets", source))
    file.write_bytes(sheet_bytes(sheet, f".{ending}", Drawing(width=120, dpi=150)))
    assert "step 1,234" in read_provenance(file)["facts"]["title"]
    source.unlink()
    again = tmp_path / f"again.{ending}"
    assert main(["figure", "again", str(file), "--out", str(again)]) == 0
    assert again.read_bytes() == file.read_bytes()


def test_mistakes_are_one_sentence(tmp_path):
    source = tmp_path / "test-1.json"
    source.write_text("{}")
    with pytest.raises(UserError, match="cannot be read as an evaluation"):
        read_document(source)
    with pytest.raises(UserError, match=r"matrix\.gif ends otherwise"):
        check_ending(tmp_path / "matrix.gif")
