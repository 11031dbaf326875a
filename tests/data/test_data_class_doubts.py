"""Names of classes that are doubted, whatever layout they come from."""

import pytest
from PIL import Image

from vitbench.data.layouts import recognise


def draw(root, classes):
    for kind, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), (kind, number, 0)).save(root / name / f"{kind}{number}.png")


@pytest.mark.parametrize(
    ("classes", "said", "stops"),
    [
        (("trainA", "trainB", "testA", "testB"), "as CycleGAN has them", True),
        (("20.5", "21.75", "23", "24.25"), "numbers with fractions", True),
        (
            ("cat", "dog", "NaN"),
            "NaN (2 pictures) among the classes is taken for a class like the others, though it may stand for no label",
            False,
        ),
        (("cat", "cat_augmented", "dog"), "cat_augmented seem to be made from others (cat)", False),
        (("1.0", "2.0", "3.0"), "", False),
        (("a", "b", "none of them"), "", False),
    ],
)
def test_names_that_say_they_are_no_class(classes, said, stops, tmp_path):
    draw(tmp_path, classes)
    doubts = recognise(tmp_path).doubts
    assert any(said in str(doubt) for doubt in doubts) or not said
    assert any(doubt.stops_training for doubt in doubts) == stops


def test_measured_numbers_in_a_table_do_not_train_silently(tmp_path):
    draw(tmp_path, ["img"])
    ages = "".join(f"0{number}.png,{20.5 + number}\n" for number in range(2))
    (tmp_path / "labels.csv").write_text(f"file,age\n{ages}")
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 9, 9)).save(tmp_path / "img" / f"x{number}.png")
    with (tmp_path / "labels.csv").open("a") as table:
        table.writelines(f"x{number}.png,{30.25 + number}\n" for number in range(4))
    assert any("numbers with fractions" in str(doubt) and doubt.stops_training for doubt in recognise(tmp_path).doubts)
