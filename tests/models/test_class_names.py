"""Class names from the files that people keep beside weights."""

import json

import pytest

from tests.inspector.tiny_checkpoint import LABELS, tiny_checkpoint, tiny_picture
from vitbench import cli
from vitbench.errors import UserError
from vitbench.models.class_names import read_class_names

FORMS = {
    "a name a line": "cat\ndog\nmaine coon\n",
    "Windows' ends of lines": "cat\r\ndog\r\nmaine coon\r\n",
    "number and name, shuffled": "2 maine coon\n0 cat\n1 dog\n",
    "CSV with a header": "id,name\n0,cat\n1,dog\n2,maine coon\n",
    "tabs": "0\tcat\n1\tdog\n2\tmaine coon\n",
    "JSON list": json.dumps(["cat", "dog", "maine coon"]),
    "config.json": json.dumps({"model_type": "vit", "id2label": {"2": "maine coon", "0": "cat", "1": "dog"}}),
    "class_to_idx": json.dumps({"cat": 0, "maine coon": 2, "dog": 1}),
    "ImageNet's index": json.dumps({"0": ["n01", "cat"], "1": ["n02", "dog"], "2": ["n03", "maine coon"]}),
    "nested": json.dumps({"class_to_idx": {"cat": 0, "maine coon": 2, "dog": 1}, "epoch": 3}),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_names_in_order(form, tmp_path):
    file = tmp_path / ("names.json" if FORMS[form].startswith(("{", "[")) else "names.txt")
    file.write_bytes(FORMS[form].encode())
    assert read_class_names(str(file)) == ("cat", "dog", "maine coon")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no classes"),
        ("cat\ncat\n", "two classes 'cat'"),
        ("1 cat\n2 dog\n", "counts classes from 1"),
        ("0 cat\n2 dog\n", "no name for class 1"),
        ('{"cat": "dog"}', "a list"),
        ('{"a": 1', "JSON"),
    ],
)
def test_what_names_no_classes_is_refused_in_a_sentence(text, words, tmp_path):
    file = tmp_path / "names.txt"
    file.write_text(text)
    with pytest.raises(UserError, match=words):
        read_class_names(str(file))


def test_classes_of_imagenet_are_known_by_their_synsets_too():
    from types import SimpleNamespace

    from vitbench.models.timm_networks import imagenet_numbers, published_labels
    from vitbench.training.evaluation import labels_by_name

    words = published_labels(1000)
    assert words is not None
    # The numbers are those of ILSVRC's own list; the two cranes are told apart.
    classes = ("crane (n02012849)", "crane (n03126707)", "n01440764", "n02012849", "n03126707", "n15075141", "tench")
    data = SimpleNamespace(classes=classes, root="data")
    network = SimpleNamespace(labels=words, name="net", num_classes=1000)
    assert labels_by_name(network, data).tolist() == [134, 517, 0, 134, 517, 999, 0]
    assert "crane" not in imagenet_numbers(words)
    assert imagenet_numbers(("cat", *words[1:])) == {}


def test_the_names_are_those_of_figure_and_evaluation(tmp_path, capsys):
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "pictures" / "a" / "p.png")
    tiny_picture(tmp_path / "pictures" / "b" / "q.png", 1)
    names, out = tmp_path / "names.txt", str(tmp_path / "f.png")
    names.write_text("\n".join("abcdefg"))
    arguments = ["attention", network, picture, "--out", out, "--json", "--classes", str(names)]
    assert cli.main([*arguments, "--target", "c"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {guess["label"] for guess in told["pictures"][0]["top"]} <= set("abcdefg")
    assert told["pictures"][0]["target_label"] == "c"
    evaluate = ["evaluate", network, "--data", str(tmp_path / "pictures"), "--device", "cpu"]
    assert cli.main(evaluate) == 2
    assert f"knows {len(LABELS)} classes" in capsys.readouterr().err
    assert cli.main([*evaluate, "--classes", str(names)]) == 0
    assert "/2 (" in capsys.readouterr().out
    names.write_text("a\nb\n")
    assert cli.main(arguments) == 2
    assert f"names 2 classes, but timm:vit_tiny_patch16_224 has {len(LABELS)}" in capsys.readouterr().err
