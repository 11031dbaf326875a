"""The Figures screen: what was saved is listed, shown, copied, made again and deleted."""

import asyncio
import os

import pytest

from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.cli import main
from vitbench.figures.curves import compose_curves
from vitbench.figures.save import sheet_bytes
from vitbench.figures.saved import remove_figure, saved_figures, what_it_shows
from vitbench.files.outputs import Outputs
from vitbench.requests.plots import CurvesRequest
from vitbench.runs.store import Store


def figure(title: str = "loss", ending: str = ".png") -> bytes:
    line = {"name": "one", "colour": "#1f77b4", "x": [1, 2, 3], "y": [3.0, 2.0, 1.0]}
    return sheet_bytes(compose_curves(CurvesRequest.read({"title": title, "curves": [line]})), ending)


@pytest.fixture
def saved(store, tmp_path):
    """A run with one figure in its folder, one in a folder below, and one of the store elsewhere."""
    run = FakeRun(store, "mine").train(20).run
    outputs = Outputs(store)
    outputs.write(run.folder / "figures" / "first.png", figure())
    outputs.write(run.folder / "figures" / "captions" / "second.png", figure("accuracy"))
    outputs.write(tmp_path / "elsewhere" / "third.png", figure())
    (run.folder / "figures" / "notes.txt").write_text("no figure")
    (run.folder / "figures" / "link.png").symlink_to(tmp_path / "elsewhere" / "third.png")
    for age, name in ((30, "figures/first.png"), (20, "figures/captions/second.png")):
        os.utime(run.folder / name, (1e9 - age, 1e9 - age))
    return run


def test_figures_of_a_run_and_of_the_store(saved, store, tmp_path):
    names = [one.file.name for one in saved_figures(Store(store), saved)]
    assert names == ["second.png", "first.png"]
    everywhere = saved_figures(Store(store))
    assert [one.file.name for one in everywhere] == ["third.png", "second.png", "first.png"]
    assert what_it_shows(everywhere[0].file).startswith("curves: Loss")
    everywhere[0].file.write_bytes(b"another")
    with pytest.raises(Exception, match="another file by now"):
        remove_figure(everywhere[0])
    assert everywhere[0].file.exists()
    assert "is not a figure" in what_it_shows(everywhere[0].file)


def test_the_command_lists_them(saved, store, capsys):
    assert main(["figure", "list", saved.id]) == 0
    said = capsys.readouterr().out
    assert "second.png" in said
    assert "curves: Accuracy" in said
    assert "third.png" not in said


async def test_the_screen_lists_previews_copies_and_deletes(saved, store, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 2222")
    async with opened(store) as app:
        await app.see("mine")
        await app.press("F")
        await app.see("Figures", "second.png", "first.png", "2 figures", "curves: Accuracy")
        assert app.screen.query_one("#figures-picture").pixels is not None
        copied = [choice.value for choice in app.screen.copied()]
        assert copied[0].startswith("scp -P 2222 ")
        assert copied[1].endswith("second.png")
        assert copied[2].startswith("vitbench figure again ")
        await app.press("y")
        await app.see("Copy", "to fetch it")
        await app.press("enter")
        await app.until(lambda: app.app.clipboard == copied[0], "the copied line")
        await app.press("down")
        await app.see("curves: Loss")
        await app.press("D")
        await app.see("Delete (y)", "undone.")
        await app.press("n")
        assert (saved.folder / "figures" / "first.png").exists()
        await app.press("D", "y")
        await app.until(lambda: "first.png" not in app.text(), "the list without it")
        assert not (saved.folder / "figures" / "first.png").exists()
        await app.press("F")
        await app.see("third.png", "2 figures")


async def test_a_pdf_is_shown_by_the_picture_beside_it(saved, store):
    outputs = Outputs(store)
    for name in ("first.pdf", "alone.pdf"):
        outputs.write(saved.folder / "figures" / name, figure(ending=".pdf"))
    os.utime(saved.folder / "figures" / "first.pdf", (2e9, 2e9))
    async with opened(store, (80, 24)) as app:
        await app.see("mine")
        await app.press("F")
        await app.see("first.png beside it is shown.", "4 figures")
        assert app.screen.query_one("#figures-picture").pixels is not None
        rows = app.text().splitlines()
        first = next(number for number, row in enumerate(rows) if row.startswith("first.pdf"))
        names = [row.split(".")[0] for row in rows[first : first + 4]]
        assert sorted(names) == ["alone", "first", "first", "second"], "a figure takes one row"
        await app.press("down")
        await app.see("PDF has no preview in a terminal.")
        assert app.screen.query_one("#figures-picture").pixels is None


async def test_a_figure_is_made_again_from_its_screen(saved, store):
    """By the real inspector, since curves need no network."""
    async with opened(store) as app:
        await app.see("mine")
        await app.press("F")
        await app.see("second.png")
        await app.press("A")
        again = saved.folder / "figures" / "captions" / "second again.png"
        await app.until(again.exists, "the figure made again")
        await app.see("second again.png")
        assert again.read_bytes() == (saved.folder / "figures" / "captions" / "second.png").read_bytes()


async def test_a_run_without_figures_says_so(store):
    FakeRun(store, "bare").train(10)
    async with opened(store) as app:
        await app.see("bare")
        await app.press("F")
        await app.see("This run has no saved figures yet")


async def test_a_report_and_an_export_are_asked_for_by_key(saved, store, monkeypatch, tmp_path):
    """What is asked goes to the inspector with the run and the folder."""
    asked = []

    async def ask(request, /, **arguments):
        arguments.pop("progress", None)
        asked.append((request, arguments))
        raise asyncio.CancelledError

    monkeypatch.chdir(tmp_path)
    other = FakeRun(store, "other").train(10).run
    picture = tmp_path / "a picture.png"
    picture.write_bytes(figure())
    async with opened(store) as app:
        await app.see("mine", "other")
        app.app.select_run(saved.id)
        await app.until(lambda: app.app.screen.current_run().id == saved.id, "the cursor on the run")
        monkeypatch.setattr(app.app.inspector, "ask", ask)
        await app.press("R")
        await app.see("Report on", f"report-{saved.id}"[:20])
        await app.press("enter")
        await app.until(lambda: asked, "the report")
        folder = str(tmp_path / f"report-{saved.id}")
        assert asked.pop() == ("report", {"request": {"run": saved.id}, "folder": folder})
        app.app.remembered.set("marked", sorted([saved.id, other.id]))
        await app.press("R")
        await app.see("Compare", "Measured")
        assert app.screen.query_one("#compare").value == other.id
        await app.press("tab", "tab", *"demo")
        await app.see("the package's")
        await app.press("enter")
        for name, typed in (("masks", str(tmp_path)), ("method", "libra"), ("count", "5")):
            app.screen.query_one(f"#{name}").put(typed)
        await app.press("ctrl+s")
        await app.see("Measured is a number of pictures from 10 to 5,000.")
        app.screen.query_one("#count").put("30")
        app.screen.query_one("#pictures").put("nowhere.png")
        await app.press("ctrl+s")
        await app.see("nowhere.png is no")
        app.screen.query_one("#pictures").put(f"'{picture}'")
        await app.press("ctrl+s")
        await app.until(lambda: asked, "the report with choices")
        wanted = {"run": saved.id, "captions": "demo", "method": "libra", "compare": [other.id]}
        wanted |= {"pictures": [str(picture)], "masks": str(tmp_path), "count": 30}
        assert asked.pop() == ("report", {"request": wanted, "folder": folder})
        await app.press("e")
        await app.see("Export the network", "pytorch_pretrained_vit")
        await app.press("enter")
        await app.see("for timm")
        await app.press("enter")
        await app.until(lambda: asked, "the export")
        folder = str(tmp_path / f"{saved.id}-timm")
        assert asked.pop() == ("export_network", {"network": saved.id, "format": "timm", "folder": folder})
