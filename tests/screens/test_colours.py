"""What is sent to terminals with 256, 16 and no colours: only what they have, and readable."""

import numpy as np
import pytest
from rich.color import Color, ColorType
from rich.style import Style
from textual.app import App, ComposeResult

from screens.coloured_app import ColourHint
from screens.colours import DepthFilter
from screens.remembered import Remembered
from screens.widgets.dithering import to_palette
from screens.widgets.oklab import oklab
from screens.widgets.picture import Picture
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.terminal_colours import Colours, Depth

PIXELS = np.random.default_rng(0).integers(0, 256, size=(20, 30, 3), dtype=np.uint8)


def in_depth(depth: Depth, hint: str = "") -> Colours:
    return Colours(depth, "this test", hint, hint)


def sent(app: App) -> list[Style]:
    """The styles of every cell on the screen, as they go to the terminal."""
    return [segment.style for strip in app.screen._compositor.render_strips() for segment in strip if segment.style]


class PictureApp(App[None]):
    def __init__(self, depth: Depth) -> None:
        super().__init__()
        self.colour_depth = depth

    def get_line_filters(self):
        return [*super().get_line_filters(), DepthFilter(self.colour_depth)]

    def compose(self) -> ComposeResult:
        yield Picture(PIXELS)


@pytest.mark.parametrize("theme", ["vitbench-dark", "vitbench-light"])
@pytest.mark.parametrize("depth", [Depth.PALETTE, Depth.SIXTEEN, Depth.NONE])
async def test_only_colours_that_the_terminal_has(store, depth: Depth, theme: str) -> None:
    for name, state in (("one", "finished"), ("two", "running"), ("three", "failed")):
        FakeRun(store, name).train(100).status(state)
    async with opened(store, (120, 40)) as at:
        at.app.theme = theme
        at.app._show_in(in_depth(depth))
        for keys in ((), ("enter",), ("question_mark",)):
            await at.press(*keys)
            await at.pilot.pause()
            styles = sent(at.app)
            inks, papers = [style.color for style in styles], [style.bgcolor for style in styles]
            kinds = {colour.type for colour in (*inks, *papers) if colour}
            assert len(styles) > 20
            if depth is Depth.PALETTE:
                assert kinds <= {ColorType.EIGHT_BIT, ColorType.DEFAULT}
                assert all(colour.number is None or colour.number >= 16 for colour in (*inks, *papers) if colour)
            elif depth is Depth.SIXTEEN:
                assert kinds <= {ColorType.STANDARD, ColorType.DEFAULT}
                assert all(paper.number is None or paper.number < 8 for paper in papers if paper)
            else:
                assert kinds <= {ColorType.DEFAULT}


@pytest.mark.parametrize("theme", ["vitbench-dark", "vitbench-light"])
@pytest.mark.parametrize("depth", [Depth.PALETTE, Depth.SIXTEEN])
async def test_the_selected_row_and_its_text_can_be_seen(store, depth: Depth, theme: str) -> None:
    for name in ("one", "two", "three"):
        FakeRun(store, name).train(100).status("finished")
    async with opened(store, (120, 40)) as at:
        at.app.theme = theme
        at.app._show_in(in_depth(depth))
        await at.press("home", "down")
        await at.pilot.pause()
        rows = [strip for strip in at.app.screen._compositor.render_strips() if "finished" in strip.text[:14]]
        papers = [next(s.style.bgcolor for s in row if "finished" in s.text) for row in rows]
        assert len({paper.number for paper in papers}) == 2
        for row in rows:
            for segment in row:
                if segment.text.strip(" ─━▁▂▃▄▅▆▇█") and segment.style.color and segment.style.bgcolor:
                    ink, paper = (oklab(np.array(c.triplet))[0] for c in (segment.style.color, segment.style.bgcolor))
                    assert abs(ink - paper) > 0.15, segment


async def test_a_picture_in_256_colours_is_dithered() -> None:
    app = PictureApp(Depth.PALETTE)
    async with app.run_test(size=(30, 10)):
        numbers = {style.color.number for style in sent(app) if style.color}
    assert len(numbers) > 50
    assert min(numbers) >= 16


async def test_each_pixel_in_256_colours_arrives_as_it_was_dithered() -> None:
    """Also where two pixels of a cell differ little: what keeps text readable leaves pictures alone."""
    ramp = np.linspace(0, 255, 30).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (20, 1)), np.tile(ramp[::-1], (20, 1)), np.full((20, 30), 90, np.uint8)], -1)
    app = PictureApp(Depth.PALETTE)
    async with app.run_test(size=(30, 10)) as pilot:
        app.query_one(Picture).show(pixels)
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
    cells = [[(s.style.color.triplet, s.style.bgcolor.triplet) for s in strip for _ in s.text] for strip in strips]
    shown = np.array(cells).transpose(0, 2, 1, 3).reshape(20, 30, 3)
    assert np.array_equal(shown, to_palette(pixels))


async def test_a_picture_in_16_colours_is_made_of_greys() -> None:
    app = PictureApp(Depth.SIXTEEN)
    async with app.run_test(size=(30, 10)):
        strips = app.screen._compositor.render_strips()
    cells = [segment for strip in strips for segment in strip if segment.text.strip()]
    assert {cell.style.color.number for cell in cells} == {7, 15}
    assert {cell.style.bgcolor.number for cell in cells} == {0, 7}
    assert {sign for cell in cells for sign in cell.text} <= set(" ░▒▓█▀▄")


async def test_without_colours_a_picture_is_made_of_signs() -> None:
    app = PictureApp(Depth.NONE)
    async with app.run_test(size=(30, 10)):
        text = "".join(strip.text for strip in app.screen._compositor.render_strips())
    assert text.isascii()
    assert len(set(text)) > 5


async def test_light_signs_on_dark_and_dark_signs_on_light(monkeypatch) -> None:
    monkeypatch.setenv("VITBENCH_ASCII", "1")
    app = PictureApp(Depth.TRUE)
    async with app.run_test(size=(30, 10)) as pilot:
        app.query_one(Picture).show(np.full((20, 30, 3), 250, np.uint8))
        await pilot.pause()
        app.theme = "textual-dark"
        await pilot.pause()
        assert "@" in app.query_one(Picture).render_line(5).text
        app.theme = "textual-light"
        await pilot.pause()
        assert not app.query_one(Picture).render_line(5).text.strip()


async def test_the_hint_is_there_below_pictures_and_only_while_colours_are_missing(store) -> None:
    async with opened(store, (120, 40)) as at:
        await at.show("positions", network="demo")
        assert "true colour" not in at.text()
        at.app._show_in(in_depth(Depth.PALETTE, "256 colours; how to get true colour"))
        await at.see("256 colours; how to get true colour")
        assert at.screen.query_one(ColourHint).size.height == 1
        at.app._show_in(in_depth(Depth.TRUE))
        await at.until(lambda: "true colour" not in at.text())


async def test_the_palette_changes_colours_and_remembers(store) -> None:
    async with opened(store, (120, 40)) as at:
        await at.press("ctrl+p")
        await at.type("colours: 256")
        await at.see("Colours: 256")
        await at.press("enter")
        await at.until(lambda: at.app.colour_depth is Depth.PALETTE)
        await at.until(lambda: any("256 colours" in notice.message for notice in at.app._notifications))
    assert Remembered(store).text("colours", "") == "256"


def test_text_that_would_vanish_in_few_colours_is_drawn_in_black_or_white() -> None:
    faint = Style(color=Color.parse("#606060"), bgcolor=Color.parse("#202020"))
    few = DepthFilter(Depth.SIXTEEN)
    from rich.segment import Segment
    from textual.color import Color as TextualColor

    (segment,) = few.apply([Segment("text", faint)], TextualColor(0, 0, 0))
    assert segment.style is not None
    assert segment.style.color.number in (8, 15)
    assert segment.style.bgcolor.number == 0
