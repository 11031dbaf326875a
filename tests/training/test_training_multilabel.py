"""Several labels a picture: read from tables, trained, evaluated, predicted, and each label explained."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tests.training.worker_for_tests import worker_recipe
from vitbench.cli import main
from vitbench.data.index import open_index, open_recipe_data, with_several
from vitbench.data.layouts import recognise
from vitbench.data.layouts.several import labels_in, separator_of
from vitbench.data.split import read_own_split, read_split, with_validation, write_split
from vitbench.errors import UserError
from vitbench.export import transformers_folder
from vitbench.export.card import Origin, model_card
from vitbench.export.formats import EXPORT_FORMATS
from vitbench.faithfulness.pictures import open_masks
from vitbench.faithfulness.study import study
from vitbench.models.network import open_network
from vitbench.progress import silent
from vitbench.recipe import parse_recipe
from vitbench.report.document import FigureBlock
from vitbench.report.gather_run import gather_result
from vitbench.report.say_labels import label_blocks
from vitbench.runs.store import Store
from vitbench.statistics import average_precision
from vitbench.training import worker
from vitbench.training.check import check_recipe
from vitbench.training.multilabel_evaluation import best_threshold
from vitbench.training.open_classification import open_classification

COLOURS = ("red", "green", "blue")


def labels_of(number: int) -> list[str]:
    return [colour for place, colour in enumerate(COLOURS) if number >> place & 1]


def draw_squares(root, count=32):
    """Pictures with a square of each colour that their number's bits name."""
    random = np.random.default_rng(4)
    (root / "images").mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 60, (16, 16, 3), dtype=np.uint8)
        for place in range(3):
            if number >> place & 1:
                pixels[place * 5 : place * 5 + 5, :, place] = 250
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")


TABLES = {
    "bars": ("labels.csv", lambda: rows_of("image,labels", lambda labels: "|".join(labels))),
    "commas in quotation marks": ("labels.csv", lambda: rows_of("image,labels", lambda names: f'"{", ".join(names)}"')),
    "tags with blanks": ("train.csv", lambda: rows_of("image_name,tags", " ".join)),
    "one-hot": (
        "labels.csv",
        lambda: rows_of("image,red,green,blue", lambda names: ",".join(str(int(c in names)) for c in COLOURS)),
    ),
    "a row a label": (
        "labels.csv",
        lambda: "image,label\n" + "".join(f"{n}.png,{c}\n" for n in range(32) for c in labels_of(n) or [""]),
    ),
    "imagefolder": (
        "images/metadata.jsonl",
        lambda: "".join(json.dumps({"file_name": f"{n}.png", "labels": labels_of(n)}) + "\n" for n in range(32)),
    ),
}


def rows_of(header, cell):
    return f"{header}\n" + "".join(f"{n}.png,{cell(labels_of(n))}\n" for n in range(32))


@pytest.mark.parametrize("form", TABLES)
def test_several_labels_are_read_from_tables(form, tmp_path):
    draw_squares(tmp_path)
    name, text = TABLES[form]
    (tmp_path / name).write_text(text())
    entries = {entry.file: entry for entry in recognise(tmp_path, with_several("")).entries}
    assert {file: set(entry.labels) for file, entry in entries.items()} == {
        f"images/{n}.png": set(labels_of(n)) for n in range(32)
    }
    assert entries["images/0.png"].label is None


def test_separators_are_found_where_they_part_labels_that_come_back():
    assert separator_of("yes", ["a|b", "b", "a"]) == "|"
    assert separator_of("yes", ["New York", "Los Angeles", "San Jose"]) == ""
    assert separator_of("yes", ["haze primary", "primary", "haze"]) == " "
    assert separator_of("comma", ["a|b"]) == ","
    with pytest.raises(UserError, match="several=dots is unknown"):
        separator_of("dots", ["a"])
    assert labels_in("No Finding", "|") == ()
    assert labels_in('["b", "a", "b"]', "") == ("b", "a")


def test_what_is_no_table_of_several_labels_is_said(tmp_path, store):
    for label in ("cats", "dogs"):
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / label / f"{number}.png")
    recipe = parse_recipe({"task": "multilabel", "data": {"path": str(tmp_path)}}, "test")
    with pytest.raises(UserError, match="holds no table of several labels per picture"):
        open_recipe_data(recipe, store)


def read_back(index, file, split):
    """One split of the index with a drawn validation split: as it was drawn, and as it is read from its file."""
    drawn = with_validation(index, fraction=0.25, seed=1)
    write_split(drawn, file)
    assert read_split(index, file).samples == drawn.samples
    part, changed = read_own_split(index, file, split)
    assert changed == ""
    assert len(part.samples) == len(drawn.split(split)) > 0
    return drawn.split(split), part.samples


def test_a_split_of_several_labels_is_written_and_read_back(tmp_path, store):
    draw_squares(tmp_path)
    (tmp_path / "labels.csv").write_text(TABLES["bars"][1]())
    index = open_index(str(tmp_path), layout=with_several(""), store=store)
    assert index.classes == ("blue", "green", "red")
    assert index.targets(np.array([0])).tolist() == [[False, False, False]]
    drawn, read = read_back(index, tmp_path / "split.csv", "val")
    assert [sample.labels for sample in read] == [sample.labels for sample in drawn]


def test_average_precision_and_threshold_by_hand():
    truth = np.array([True, False, True, False, False])
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.1])
    # scikit-learn 1.7: average_precision_score of these is 0.75: 1 of 1 at 0.9, and 2 of 4 at the two equal scores.
    assert average_precision(truth, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    assert np.isnan(average_precision(np.zeros(5, bool), scores))
    assert best_threshold(truth, scores) == pytest.approx((0.9 + 0.8) / 2)
    assert best_threshold(np.zeros(5, bool), scores) == 0.5


def recipe_for(root, **tables):
    values = worker_recipe(root, **tables).model_dump(exclude_none=True)
    values["task"] = "multilabel"
    values["data"] |= {"mixup": 0.0, "augment": "none"}
    return parse_recipe(values, "test")


def test_the_loss_is_that_of_each_label_by_itself(tmp_path, store):
    draw_squares(tmp_path / "data")
    (tmp_path / "data" / "labels.csv").write_text(TABLES["one-hot"][1]())
    recipe = recipe_for(tmp_path / "data", data={"class_weights": "balanced"}, train={"label_smoothing": 0.2})
    run = Store(tmp_path / "runs").create(recipe)
    task, _ = open_classification(recipe, run.folder, store, torch.device("cpu"), silent)
    batch = next(iter(task.batches(0, 0, 8)))
    loss, extras = task.loss(task.network.module.eval(), batch)
    logits = task.network.module(batch.pixels).detach().double()
    target = 0.8 * batch.labels.double() + 0.1
    positives = task.data.targets(task.train.positions).sum(axis=0)
    weights = torch.from_numpy((len(task.train) - positives) / positives)
    by_hand = -(weights * target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).mean()
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert set(extras) == {"exact_match"}


@pytest.fixture
def unsure(tmp_path):
    """Squares whose table leaves every third mark open: -1 and blank in turn, with the truth of what it says."""
    draw_squares(tmp_path / "data")
    marks = np.array([[int(colour in labels_of(number)) for colour in COLOURS] for number in range(32)])
    cells = [[str(mark) for mark in row] for row in marks]
    for number in range(32):
        cells[number][(number // 2 + number // 8) % 3] = "-1" if number % 2 else ""
    cells[5] = ["-1", "", "-1"]
    rows = "".join(f"{number}.png,{','.join(row)}\n" for number, row in enumerate(cells))
    (tmp_path / "data" / "labels.csv").write_text(f"image,{','.join(COLOURS)}\n{rows}")
    return tmp_path / "data", {f"images/{number}.png": row for number, row in enumerate(cells)}


def test_unknown_labels_are_no_part_of_the_loss_and_of_the_scores(unsure, tmp_path, store):
    root, cells = unsure
    layout = ":uncertain=unknown,blank=unknown"
    recipe = recipe_for(root, data={"class_weights": "balanced", "layout": layout}, train={"label_smoothing": 0.2})
    run = Store(tmp_path / "runs").create(recipe)
    task, _ = open_classification(recipe, run.folder, store, torch.device("cpu"), silent)
    names = task.data.classes
    said = [
        [cells[task.data.samples[position].file][COLOURS.index(name)] for name in names]
        for position in task.train.positions.tolist()
    ]
    batch = next(iter(task.batches(0, 0, len(said))))
    module = task.network.module.eval()
    loss, _ = task.loss(module, batch)
    logits = module(batch.pixels).detach().double()
    total = 0.0
    for row in range(len(said)):
        for k in range(3):
            mark = batch.labels[row, k].item()
            if np.isnan(mark):
                continue
            column = [one[k] for one in said]
            weight = column.count("0") / column.count("1")
            target = 0.8 * mark + 0.1
            log_yes, log_no = F.logsigmoid(logits[row, k]).item(), F.logsigmoid(-logits[row, k]).item()
            total -= weight * target * log_yes + (1 - target) * log_no
    assert loss.item() == pytest.approx(total / (3 * len(said)), rel=1e-5)
    assert sorted(map(str, batch.labels.tolist())) == sorted(
        str([float(mark) if mark in "01" and mark else float("nan") for mark in row]) for row in said
    )
    scores = task.evaluate(module, "val", step=1, folder=run.folder / "evaluations", progress=silent)
    rows = np.load(run.folder / "evaluations" / "val-1.npz")
    precisions, losses = [], []
    for k, name in enumerate(names):
        own = [
            (cells[str(file)][COLOURS.index(name)] == "1", p)
            for file, p in zip(rows["file"], rows["probability"][:, k], strict=True)
            if cells[str(file)][COLOURS.index(name)] in ("0", "1")
        ]
        losses += [-np.log(p if truth else 1 - p) for truth, p in own]
        if any(truth for truth, _ in own):
            # The mean over positives of the share of positives among all that score as high; no scores are equal.
            precisions.append(np.mean([np.mean([t for t, q in own if q >= p]) for truth, p in own if truth]))
    assert len(losses) < 3 * len(rows["file"])
    assert scores["mean_average_precision"] == pytest.approx(np.mean(precisions))
    assert scores["loss"] == pytest.approx(sum(losses) / (3 * len(rows["file"])), rel=1e-5)


def test_unknown_labels_stand_in_the_split_of_a_run(unsure, tmp_path, store):
    root, cells = unsure
    index = open_index(str(root), layout=with_several(":uncertain=unknown"), store=store)
    drawn, read = read_back(index, tmp_path / "split.csv", "train")
    assert [sample.unknown for sample in read] == [sample.unknown for sample in drawn]
    assert sum(len(sample.unknown) for sample in index.samples) == sum(row.count("-1") for row in cells.values())
    other = open_index(str(root), layout=with_several(":uncertain=no"), store=store)
    assert other.fingerprint != index.fingerprint
    with pytest.raises(UserError, match="is not what the run was trained beside"):
        read_own_split(other, tmp_path / "split.csv", "train")


def leaves_with_its_labels(run, tmp_path, capsys):
    """What leaves: report, card and configuration of an export, a comparison, and how well maps find each label."""
    best = run.status().best
    store = Store(run.folder.parent.parent)
    network = open_network(f"{run.id}@{best.step}", store)

    facts = gather_result(run, best.step, lambda name, request, caption: FigureBlock(name, caption, b"", b""))
    assert [one.mean_average_precision for one in facts.labels] == [pytest.approx(best.value)]
    page = str(label_blocks(facts.labels, ["the validation split"]))
    assert f"the mean average precision is {best.value:.1%}" in page
    assert "'red'" in page
    assert not any("captioner" in one.what for one in facts.missing)

    card = model_card(network, Origin(run, best.step), EXPORT_FORMATS["hf"], "folder", False, "", ())
    assert f"| val | {facts.labels[0].pictures} | {best.value:.1%} |" in card
    assert "names one of" not in card
    assert transformers_folder._config(network, transformers_folder.VIT)["problem_type"] == "multi_label_classification"

    shutil.copytree(run.folder, run.folder.with_name("the-same"))
    capsys.readouterr()
    assert main(["compare", run.id, "the-same"]) == 0
    said = capsys.readouterr().out
    assert "validation/mean_average_precision best" in said
    assert "all of its labels right" in said

    shutil.copytree(tmp_path / "data" / "images", tmp_path / "masks" / "images")
    (tmp_path / "masks" / "annotations").mkdir()
    (tmp_path / "masks" / "annotations" / "instances_val.json").write_text(json.dumps(instances()))
    pictures = [one for one in open_masks(str(tmp_path / "masks"), store.folder).pictures if one.file.name == "7.png"]
    found = study(network, pictures, ["raw"], randomise=False)
    targets = {record.target.number: record for record in found.records if record.method == "raw"}
    assert {network.labels[number] for number in targets} == set(COLOURS), "each label is explained, not one"
    with torch.no_grad():
        logits = network.module(network.preprocessing.normalize(found.pictures[0].pixels)[None])[0]
    assert all(record.target.correct == bool(logits[number] >= 0) for number, record in targets.items())
    assert all(record.curves is not None for record in targets.values())


def instances():
    """The squares as COCO instances."""
    box = [[0, place * 5, 16, place * 5, 16, place * 5 + 5, 0, place * 5 + 5] for place in range(3)]
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 16, "height": 16} for n in range(32)],
        "categories": [{"id": place + 1, "name": colour} for place, colour in enumerate(COLOURS)],
        "annotations": [
            {"id": 3 * n + place + 1, "image_id": n, "category_id": place + 1, "segmentation": [box[place]]}
            for n in range(32)
            for place in range(3)
            if n >> place & 1
        ],
    }


def test_a_run_from_the_table_to_the_explained_label(tmp_path, store, capsys, monkeypatch):
    draw_squares(tmp_path / "data")
    (tmp_path / "data" / "labels.csv").write_text(TABLES["bars"][1]())
    train = {"epochs": 12, "ema": 0.0, "batch_size": 8}
    off = {"drop_rate": 0.0, "drop_path_rate": 0.0}
    recipe = recipe_for(tmp_path / "data", train=train, optim={"lr": 5e-3}, model=off)
    check = check_recipe(recipe, store)
    assert not check.problems
    run = Store(store).create(recipe)
    assert worker.main(run.folder) == 0
    best = run.status().best
    assert best is not None
    assert best.metric == "validation/mean_average_precision"
    document = json.loads((run.folder / "evaluations" / f"val-{best.step}.json").read_text())
    assert document["mean_average_precision"] == pytest.approx(best.value)
    assert set(document["thresholds"]) == set(COLOURS)

    assert main(["evaluate", run.id, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "Mean average precision" in said
    assert "red: average precision" in said
    table = tmp_path / "out.csv"
    assert main(["predict", run.id, "--data", str(tmp_path / "data" / "images"), "--csv", str(table)]) == 0
    assert "best for it on the validation split" in capsys.readouterr().err
    rows = list(csv.DictReader(table.open()))
    assert rows[0].keys() == {"filename", "labels"}
    right = sum(
        set(filter(None, row["labels"].split("|"))) == set(labels_of(int(row["filename"][:-4]))) for row in rows
    )
    assert right > len(rows) / 2

    picture = str(tmp_path / "data" / "images" / "7.png")
    figure = tmp_path / "labels.png"
    arguments = [
        "attention",
        run.id,
        picture,
        "--grid",
        "classes",
        "--method",
        "generic",
        "--out",
        str(figure),
        "--json",
    ]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    top = told["pictures"][0]["top"]
    assert sum(guess["probability"] for guess in top) > 1.2, "labels have probabilities of their own"
    assert figure.is_file()
    assert main(["evaluate", run.id, "--confusion", str(tmp_path / "c.png")]) == 2
    leaves_with_its_labels(run, tmp_path, capsys)


def test_keys_without_effect_on_several_labels_are_refused():
    for tables, key in (
        ({"data": {"mixup": 0.2}}, "data.mixup"),
        ({"data": {"sampler": "balanced"}}, "data.sampler"),
        ({"train": {"monitor": "macro_f1"}}, "train.monitor"),
    ):
        with pytest.raises(UserError, match=f'{key} = .*for task = "multilabel"'):
            parse_recipe({"task": "multilabel", **tables}, "test")
