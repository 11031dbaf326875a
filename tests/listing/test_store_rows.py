"""A store as rows: only what changed is read, recipes and scores when they are asked for, seeds as one row."""

import os
import shutil

import pytest

from tests.screens.fake_runs import FakeRun
from vitbench.comparing.bands import mean_band
from vitbench.comparing.recipes import flat
from vitbench.listing.filters import completions, parse_filter
from vitbench.listing.groups import Groups, group_row, row_spread, spread_words
from vitbench.listing.recipe_keys import RecipeReader, known_keys
from vitbench.listing.store_rows import StoreRows
from vitbench.listing.values import value_of
from vitbench.recipe import load_recipe
from vitbench.runs.about import change_tags
from vitbench.runs.store import Store


@pytest.fixture
def seeds(store):
    """Three seeds of one recipe and a run with another learning rate, all finished."""
    fakes = []
    for number in range(4):
        fake = FakeRun(store, f"pets {number}", seed=4 * number).train(400).status("finished")
        recipe = fake.run.folder / "recipe.toml"
        text = recipe.read_text().replace("seed = 0", f"seed = {number}", 1)
        assert f"seed = {number}" in text
        recipe.write_text(text if number < 3 else text.replace("lr = ", "lr = 2", 1))
        fakes.append(fake)
    return fakes


def test_rows_that_are_as_before_are_the_same_objects(store, seeds, monkeypatch):
    rows = StoreRows(Store(store))
    before = rows.poll().rows
    assert [row.name for row in before.values()] == ["pets 0", "pets 1", "pets 2", "pets 3"]
    read = []
    real = rows._read
    monkeypatch.setattr(rows, "_read", lambda name, *rest: (read.append(name), real(name, *rest)))
    after = rows.poll().rows
    assert all(after[name] is row for name, row in before.items())
    assert read == []
    change_tags(seeds[1].run, ("paper",))
    shutil.rmtree(seeds[2].run.folder)
    after = rows.poll().rows
    assert read == [seeds[1].id]
    assert after[seeds[1].id].tags == ("paper",)
    assert seeds[2].id not in after


def test_a_file_that_is_edited_in_place_is_noticed(store, seeds):
    rows = StoreRows(Store(store))
    rows.poll()
    file = seeds[0].run.folder / "status.json"
    text = file.read_text().replace('"pets 0"', '"cats 0"')
    with file.open("r+") as stream:  # an editor that does not replace the file: its folder stays as it was
        stream.write(text)
        stream.truncate()
    rows.poll()
    assert rows.poll().rows[seeds[0].id].name == "cats 0"


def test_a_large_store_comes_by_and_by_the_newest_first(store, seeds):
    rows = StoreRows(Store(store))
    first = rows.poll(seconds=-1.0)
    assert (len(first.rows), first.left) == (0, 4)
    newest = rows.poll(seconds=60.0)
    assert (len(newest.rows), newest.left) == (4, 0)


def test_recipes_are_read_as_they_are(store, seeds):
    reader = RecipeReader()
    for fake in seeds:
        assert dict(reader.read(fake.run)) == {
            key: value for key, value in flat(fake.run.recipe()).items() if value is not None and "caption." not in key
        }
    edited = seeds[0].run.folder / "recipe.toml"
    edited.write_text('task = "classify"\n[data]\npath = """\n/data\n/pets"""\ntrain.x = [\n1,\n2]\n')
    assert dict(reader.read(seeds[0].run))["data.path"] == "/data\n/pets"
    edited.write_text("no = = recipe")
    assert not reader.read(seeds[0].run)
    assert set(flat(load_recipe("scratch", ["data.path=/x"]))) <= {*known_keys(), *flat(seeds[1].run.recipe())}


def test_seeds_are_one_row_with_mean_and_extremes(store, seeds):
    rows = StoreRows(Store(store))
    known = rows.poll().rows
    groups = Groups()
    assert len(groups.of(known.values())) == 4  # nothing is known of the recipes yet
    assert rows.read_recipes(known)
    known = rows.poll().rows
    group, alone = groups.of(known.values())
    assert group.name == "pets (3 seeds)"
    assert [row.name for row in group.members] == ["pets 0", "pets 1", "pets 2"]
    assert alone.name == "pets 3"
    assert group_row(group.members[:1] * 2).name == "pets 0 (2 runs of 1 seed)"
    values = [row.best_value for row in group.members]
    assert group.best_value == pytest.approx(sum(values) / 3)
    assert not group.is_own
    assert groups.of(known.values())[0] is group
    words = spread_words("accuracy", row_spread(group.members, lambda row: row.best_value))
    assert words == f"{sum(values) / 3:.1%} ({min(values) * 100:.1f} to {max(values):.1%})"


def test_scores_of_any_scalar_with_their_steps(store, seeds):
    rows = StoreRows(Store(store))
    known = rows.poll().rows
    tags = frozenset({"validation/loss", "no/such"})
    assert rows.read_scores(known, tags)
    row = rows.row(seeds[0].id)
    assert row.scores["validation/loss"].best.value == pytest.approx(row.scores["validation/loss"].last.value)
    assert row.scores["validation/loss"].best.step == 400
    assert value_of(row, "validation/loss") == value_of(row, "best:validation/loss") > 0
    assert value_of(row, "no/such") is None
    before = {name: rows.row(name) for name in known}
    os.utime(seeds[0].run.folder)
    assert rows.read_scores(known, tags)
    assert all(rows.row(name) is row for name, row in before.items())


def test_the_filter_speaks_of_best_values_scalars_and_recipes(store, seeds):
    rows = StoreRows(Store(store))
    names = rows.poll().rows
    rows.read_recipes(names)
    rows.read_scores(names, frozenset({"validation/loss"}))
    known = [rows.row(name) for name in names]

    def passing(text):
        return [row.name[-1] for row in parse_filter(text).of(known)]

    assert passing("best>0.01") == ["0", "1", "2", "3"]
    assert passing("best_step=400") == passing("best_step>=400")
    assert passing("validation/loss>0 last:validation/loss<100") == ["0", "1", "2", "3"]
    assert passing("train.seed=2") == ["2"]
    assert passing("-train.seed=2 train.seed>0") == ["1", "3"]
    assert passing("optim.name:adam") == passing("optim.name=adamw") == ["0", "1", "2", "3"]
    assert parse_filter("train.seed=2 pets best:validation/loss<1").names == {"train.seed", "best:validation/loss"}


def test_the_filter_completes_keys_and_the_values_that_occur(store, seeds):
    rows = StoreRows(Store(store))
    names = rows.poll().rows
    rows.read_recipes(names)
    known = [rows.row(name) for name in names]
    words = [word for word, _ in completions("pets optim.l", known)]
    assert words[0] == "pets optim.lr="
    assert ("train.seed=2", "1 run") in completions("train.seed=", known)
    assert completions("state:", known) == [("state:finished", "4 runs")]
    assert completions("x -state:f", known) == [("x -state:finished", "4 runs")]
    assert completions("validation/l", known, ["validation/loss"])[0] == ("validation/loss>", "a scalar")
    assert completions("nothing-like", known) == []


def test_a_band_counts_only_what_was_measured():
    import numpy as np

    nan = float("nan")
    found = mean_band(
        [
            (np.array([0.0, 10.0, 20.0]), np.array([1.0, 2.0, 3.0])),
            (np.array([0.0, 20.0]), np.array([3.0, 5.0])),
            (np.array([0.0, 10.0]), np.array([5.0, nan])),
        ]
    )
    assert found.x.tolist() == [0, 10, 20]
    assert found.mean.tolist() == [3, 3, 4]
    assert found.low.tolist() == [1, 2, 3]
    assert found.high.tolist() == [5, 4, 5]
    assert found.count.tolist() == [3, 2, 2]
    assert mean_band([]).x.size == 0
