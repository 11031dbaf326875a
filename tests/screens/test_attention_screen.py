"""The attention and positions screens on a real tiny network: each key, and what is shown after it."""

from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input

from screens.app import Workbench
from screens.attention_view import HeadNumber
from screens.evaluation import read_evaluation
from screens.navigation import make_screen
from screens.positions_screen import profile
from screens.tiles import LEAST, tiles_preview
from screens.widgets.mistakes_view import MistakesView
from screens.widgets.picker import Picker
from screens.widgets.picture import Picture
from screens.widgets.picture_sheet import PictureSheet, arranged
from tests.inspector.evaluated_run import tiny_pictures, tiny_run
from tests.inspector.tiny_checkpoint import GRID, HEADS, LABELS, LAYERS, tiny_checkpoint, tiny_picture
from vitbench.figures.colours import colourise
from vitbench.figures.provenance import read_provenance
from vitbench.inspector.client import Answer
from vitbench.inspector.requests import InspectorHandlers as Requests
from vitbench.progress import silent
from vitbench.recipe import Recipe
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store

WORK = ("pictures", "map", "strip", "save", "positions", "tile", "classes", "vote")


class DirectInspector:
    """The inspector's real handlers, without the process between."""

    def __init__(self, store) -> None:
        self.handlers = Requests(store).handlers
        self.asked: list[str] = []

    async def ask(self, request, /, *, progress=silent, replaces="", **arguments):
        self.asked.append(request)
        reply = self.handlers[request](arguments, silent)
        return Answer(reply.values, reply.arrays)

    async def close(self):
        pass


class Opened:
    def __init__(self, pilot, screen) -> None:
        self.pilot, self.screen = pilot, screen

    async def press(self, *keys):
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def settled(self):
        await self.pilot.pause()
        while workers := [worker for worker in self.pilot.app.workers if worker.group in WORK]:
            await self.pilot.app.workers.wait_for_complete(workers)
        await self.pilot.pause()

    def line(self, name):
        return self.screen.query_one(f"#{name}")._left.plain

    def shown(self, name):
        return self.screen.query_one(f"#{name}", Picture).pixels


@pytest.fixture
def opened(tmp_path):
    @asynccontextmanager
    async def opening(name, size=(100, 30), **subject):
        app = Workbench(tmp_path / "store")
        app.inspector = DirectInspector(tmp_path / "store")
        async with app.run_test(size=size) as pilot:
            screen = make_screen(name, **subject)
            app.push_screen(screen)
            made = Opened(pilot, screen)
            await made.settled()
            yield made

    return opening


@pytest.fixture
def subject(tmp_path):
    tiny_picture(tmp_path / "pictures" / "two.png", seed=1)
    return {
        "network": tiny_checkpoint(tmp_path / "net"),
        "path": tiny_picture(tmp_path / "pictures" / "one.png"),
    }


async def test_layers_heads_and_methods_change_the_overlay(opened, subject, monkeypatch):
    monkeypatch.setattr("screens.attention_view.TWO_DIGITS_WITHIN", 60.0)  # a busy machine is slow to press keys
    async with opened("attention", **subject) as at:
        screen = at.screen
        assert "Libra" in at.line("attention-facts")
        before = at.shown("attention-overlay")
        await at.press("down")
        assert screen.request.method == "raw"
        assert screen.request.layer == LAYERS - 1
        assert "Libra FullGrad+ has no layer: now raw attention" in at.line("note")
        assert not np.array_equal(at.shown("attention-overlay"), before)
        await at.press("right_square_bracket")
        assert screen.request.head == 1
        await at.press("1", "2")
        assert screen.request.head == HEADS
        assert f"head {HEADS}" in at.line("attention-facts")
        await at.press("0")
        assert screen.request.head is None
        await at.press("m", *"rollout", "enter")
        assert screen.request.method in ("rollout", "gradient_rollout")


async def test_the_query_patch_moves_and_stays_inside(opened, subject):
    async with opened("attention", **subject) as at:
        await at.press("space")
        assert at.screen.request.query == (GRID[0] // 2 + 1, GRID[1] // 2 + 1)
        await at.press("right", "right", "right", "up", "up")
        assert at.screen.request.query == (1, GRID[1])
        await at.press("space")
        assert at.screen.request.query is None


async def test_the_target_is_chosen_by_name(opened, subject):
    async with opened("attention", **subject) as at:
        await at.press("t")
        chosen = at.screen.seen.top[2][0]
        await at.press(*chosen, "enter")
        assert at.screen.request.target == chosen
        assert f"for {chosen}" in at.line("attention-facts")


async def test_every_class_is_in_the_list_the_likely_ones_first(opened, subject):
    async with opened("attention", **subject) as at:
        likely = [guess.label for guess in at.screen.seen.top]
        await at.press("t")
        asked = at.pilot.app.screen.query_one("#asked", Picker)
        values = [choice.value for choice in asked._choices]
        assert values[2:] == [*likely, *(label for label in LABELS if label not in likely)]
        await at.press(*"side", "enter")
        titles = [title for title, _ in at.screen.query_one("#attention-sheet", PictureSheet).panels]
        assert [title.split(",")[0] for title in titles[1:]] == [f"for {label}" for label in likely[:3]]
        await at.press("t", *values[-1], "enter")
        assert (at.screen.grid, at.screen.request.target) == (None, values[-1])


async def test_a_mistake_opens_the_maps_of_the_predicted_and_of_the_true_class(opened, store, tmp_path, monkeypatch):
    """Through the run's own screen: 6, down, Enter; what is saved from there is what is shown."""
    monkeypatch.chdir(tmp_path)
    run = tiny_run(store, tiny_pictures(tmp_path / "pictures"))
    evaluated = Requests(store).handlers["evaluate"]({"network": run.id}, silent).values
    async with opened("run", run_id=run.id, size=(120, 40)) as at:
        app = at.pilot.app
        await until(at, lambda: app.snapshot.run(run.id))
        await at.press("6")
        mistakes = at.screen.query_one(MistakesView)
        await until(at, lambda: mistakes.current is not None)
        await at.press("down")
        mistake = mistakes.current
        assert mistake == read_evaluation(run.folder / "evaluations" / evaluated["name"]).worst[1]
        await at.press("enter")
        screen = at.screen = app.screen
        await until(at, lambda: screen.seen is not None)
        await at.settled()
        assert Path(screen.files[screen.number]) == mistake.file
        sheet = screen.query_one("#attention-sheet", PictureSheet)
        titles = [title.split(",")[0] for title, _ in sheet.panels]
        assert titles == [mistake.file.name, f"for {mistake.predicted}", f"for {mistake.label}"]
        assert f"Predicted {mistake.predicted}, true class {mistake.label}" in at.line("attention-facts")
        for title, label in ((1, mistake.predicted), (2, mistake.label)):
            request = screen.request.changed(target=label)
            alone = Requests(store).handlers["sheet"]({"kind": "attention", "request": request.record()}, silent)
            np.testing.assert_array_equal(sheet.panels[title][1], alone.arrays["panel 1"])
        await at.press("e")
        app.screen.query_one("#file", Input).value = f"{tmp_path}/pair.png"
        await at.press("enter")
        assert read_provenance(tmp_path / "pair.png")["request"]["targets"] == [mistake.predicted, mistake.label]
        await at.press("pagedown")
        assert not sheet.display


async def test_sheets_style_pictures_and_export(opened, subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with opened("attention", **subject) as at:
        single = at.shown("attention-overlay")
        await at.press("g")
        sheet = at.screen.query_one("#attention-sheet", PictureSheet)
        assert [title for title, _ in sheet.panels] == ["one.png", "mean", *(f"head {n + 1}" for n in range(HEADS))]
        assert all(panel.shape == single.shape for _, panel in sheet.panels)
        assert "All heads: raw attention, last layer" in at.line("attention-facts")
        shown = "\n".join(sheet.render_line(y).text for y in range(sheet.size.height))
        assert all(f"head {n + 1}" in shown for n in range(HEADS))
        assert not at.screen.query_one("#attention-picture").display
        await at.press("g", "g", "g")
        assert [title.split(",")[0] for title, _ in sheet.panels[1:]] == [
            f"for {g.label}" for g in at.screen.seen.top[:3]
        ]
        await at.press("g")
        assert not sheet.display
        assert np.array_equal(at.shown("attention-overlay"), single)
        await at.press("u", "x", "plus", "X", "P")
        request = at.screen.request
        assert request.colour_map == "gray"
        assert (request.smooth, request.strength) == (False, 0.7)
        assert (request.mask_outliers, request.preprocess) == (True, "report")
        await at.press("pagedown")
        assert "two.png" in at.line("title")
        await at.press("e", "enter")
        saved = list((tmp_path / "figures").glob("*.png"))
        assert [file.name for file in saved] == ["two-libra.png"]
        assert "Saved" in at.line("note")


async def test_the_path_and_the_scp_line_of_a_saved_figure_are_whole(opened, subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.2 5000 10.0.0.7 22")
    async with opened("attention", size=(80, 24), **subject) as at:
        await at.press("e", "enter")
        note = at.screen.query_one("#note")
        said = "".join(row.plain.strip() for row in note.render().split("\n"))
        assert str(tmp_path / "figures" / "one-libra.png") in said
        assert "@10.0.0.7:" in said
        assert said.endswith(" .")
        assert note.region.bottom <= 24


@pytest.mark.parametrize("name", ["attention", "positions"])
async def test_a_newer_checkpoint_of_a_run_in_training_is_followed(opened, store, tmp_path, name):
    run = Store(store).create(Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}}))
    write_status(run.folder, read_status(run.folder).model_copy(update={"step": 1}))
    tiny_checkpoint(run.folder / "checkpoints" / "step-00000003", seed=3)
    given = {"path": tiny_picture(tmp_path / "pictures" / "one.png")} if name == "attention" else {}
    async with opened(name, network=f"{run.id}@last", **given) as at:
        workbench = at.pilot.app
        asked = workbench.inspector.asked
        await until(at, lambda: workbench.snapshot.run(run.id))
        at.screen.apply(workbench.snapshot)
        await at.settled()
        before = len(asked)
        at.screen._seen_step = -1  # a step was made, and there is no checkpoint of it
        at.screen.apply(workbench.snapshot)
        await at.settled()
        assert len(asked) == before, "what a note says stays until there is something new"
        tiny_checkpoint(run.folder / "checkpoints" / "step-00000009", seed=9)
        at.screen._seen_step = -1
        at.screen.apply(workbench.snapshot)
        await at.settled()
        assert "checkpoint: step 9" in at.screen.query_one("#title")._right.plain


async def until(at, condition):
    for _ in range(400):
        if condition():
            return
        await at.pilot.pause(0.05)
    raise AssertionError("never so")


def test_a_sheet_makes_its_pictures_as_large_as_they_can_be():
    assert arranged(1, (100, 100), 80, 41) == (1, 80, 40)
    assert arranged(4, (100, 100), 80, 10)[0] == 4
    assert arranged(4, (10, 100), 80, 40)[0] == 1
    for count in range(1, 30):
        across, wide, high = arranged(count, (213, 320), 80, 14)
        assert across * wide + across - 1 <= 80
        assert -(-count // across) * (high + 1) <= 14


async def test_a_missing_network_is_told_in_words(opened, subject):
    async with opened("attention", network="/nowhere", path=subject["path"]) as at:
        assert at.screen.seen is None
        assert at.line("note").strip()


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_it_fits(opened, subject, size):
    async with opened("attention", size=size, **subject) as at:
        for name in ("attention-picture", "attention-overlay", "attention-facts", "note"):
            region = at.screen.query_one(f"#{name}").region
            assert region.height > 0
            assert region.bottom <= size[1]


async def test_positions_show_the_tile_under_the_cursor(opened, subject):
    async with opened("positions", network=subject["network"]) as at:
        screen = at.screen
        assert screen.cursor == (GRID[0] // 2, GRID[1] // 2)
        await at.press("left", "up")
        assert screen.cursor == (0, 1)
        expected = colourise(screen.seen.similarity()[1].reshape(GRID), "viridis", -1, 1)
        shown = at.shown("positions-tile")
        factor = shown.shape[0] // GRID[0]
        np.testing.assert_array_equal(shown[::factor, ::factor], expected)
        assert "row 1, column 2" in at.line("positions-profile")
        await at.press("m", "h")
        assert "not a run" in at.line("note")


async def test_two_networks_stand_side_by_side(opened, subject, tmp_path):
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    async with opened("positions", network=subject["network"]) as at:
        await at.press("c")
        at.pilot.app.screen.query_one(Input).value = other
        await at.press("enter")
        assert at.screen.query_one("#positions-other-side").display
        one, two = (array for name, array in sorted(at.screen.seen.sheet.arrays.items()))
        assert f"{np.abs(one - two).mean():.3g}" in at.line("note")
        sizes = {at.shown(f"positions-{name}").shape for name in ("grid", "other")}
        assert len(sizes) == 1, "both grids have one size"
        assert all("2 x 4 patches" in at.line(f"positions-{name}-name") for name in ("grid", "other"))
        scores = at.screen.query_one("#positions-scores").facts
        assert scores
        assert all(value.split("p")[0].strip() for _, value, _ in scores), "two numbers a line"


def test_two_digits_make_one_number_only_in_time_and_where_there_are_so_many_heads():
    number = HeadNumber()
    assert number.typed(1, 12, now=0.0) == 1
    assert number.typed(2, 12, now=0.4) == 12
    assert number.typed(1, 12, now=5.0) == 1
    assert number.typed(2, 12, now=5.6) == 2
    few = HeadNumber()
    assert few.typed(1, 3, now=0.0) == 1
    assert few.typed(2, 3, now=0.1) == 2


def test_a_profile_is_a_block_a_value():
    assert profile(np.array([-1.0, 0.0, 1.0], dtype=np.float32)) == " ▄█"


def tiles_of(grid, factor=3):
    """A raster of tiles, each of one grey of its own, with white gaps of a value between them."""
    rows, columns = grid
    small = np.full((rows * (rows + 1) + 1, columns * (columns + 1) + 1, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = row * (rows + 1) + 1, column * (columns + 1) + 1
            small[y : y + rows, x : x + columns] = (10 + row * columns + column) % 250
    return small.repeat(factor, 0).repeat(factor, 1)


GROUND = (1, 2, 3)


@pytest.mark.parametrize(("grid", "room"), [((12, 12), (60, 60)), ((2, 4), (40, 100)), ((14, 14), (84, 58))])
def test_tiles_in_few_pixels_stay_apart(grid, room):
    preview = tiles_preview(tiles_of(grid), grid, (1, 1), room, GROUND)
    assert preview.pixels.shape == (*room, 3)
    assert preview.whole
    middle = preview.pixels[:, :, 0].astype(int)
    line = middle[room[0] // 2 - 1]
    runs = np.split(line, np.flatnonzero(np.diff(line)) + 1)
    tiles = [run for run in runs if run[0] >= 10 and run[0] != 255]
    assert all(len(run) >= LEAST for run in tiles), "no colour runs into the next tile"
    assert len(tiles) in (grid[1], 0)


def test_where_tiles_cannot_be_told_apart_those_around_the_cursor_are_shown():
    preview = tiles_preview(tiles_of((24, 24)), (24, 24), (23, 10), (48, 50), GROUND)
    assert not preview.whole
    assert preview.last[0] == 23
    assert preview.first[1] <= 10 <= preview.last[1]
    assert preview.words() == f"rows {preview.first[0] + 1} to 24, columns {preview.first[1] + 1} to " + str(
        preview.last[1] + 1
    )
    greys = set(np.unique(preview.pixels[:, :, 0])) - {GROUND[0], 255}
    shown = {(10 + row * 24 + column) % 250 for row in range(preview.first[0], 24)
             for column in range(preview.first[1], preview.last[1] + 1)}  # fmt: skip
    assert greys <= shown
