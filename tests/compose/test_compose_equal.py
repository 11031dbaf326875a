"""One request, one sheet: what the screen shows, what matplotlib draws, and what is made again are equal pixels."""

import os
import random
import re

import numpy as np
import pytest

from tests.compose.random_requests import (
    make_subjects,
    random_attention,
    random_caption,
    random_features,
    random_positions,
)
from vitbench.compose import compose, read_request
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.figures.draw import draw
from vitbench.figures.provenance import read_provenance
from vitbench.figures.save import sheet_bytes
from vitbench.figures.sheet import sheet_from
from vitbench.inspector.requests import InspectorHandlers
from vitbench.progress import silent
from vitbench.requests.drawing import Drawing

FULL = os.environ.get("VITBENCH_STORM") == "full"
COUNT = 300 if FULL else 7
MAKERS = {
    "attention": random_attention,
    "positions": random_positions,
    "features": random_features,
    "caption": random_caption,
}


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    return make_subjects(tmp_path_factory.mktemp("subjects"))


@pytest.mark.storm
@pytest.mark.parametrize("kind", MAKERS)
def test_screen_paper_and_the_figure_made_again_show_the_same_pixels(kind, subjects, tmp_path):
    screen = InspectorHandlers(subjects.store).handlers["sheet"]
    paper = Sources(subjects.store)
    endings = (".png", ".pdf", ".svg")
    refused = 0
    for seed in range(COUNT):
        chance = random.Random(f"{kind} {seed}")
        request = MAKERS[kind](chance, subjects)
        try:
            reply = screen({"kind": kind, "request": request.record()}, silent)
        except UserError as refusal:  # by what the network makes of the pictures: both refuse it, in the same words
            with pytest.raises(UserError, match=f"^{re.escape(str(refusal))}$"):
                compose(request, paper)
            refused += 1
            continue
        shown = sheet_from(reply.values, reply.arrays)
        sheet = compose(request, paper)
        assert_equal(shown, sheet, request)
        assert shown.request == sheet.request, "plain values that JSON can carry"
        drawing = Drawing(dpi=chance.choice((72, 300)), caption=chance.random() < 0.5)
        figure = draw(sheet, drawing)
        drawn = [image.get_array() for axes in figure.axes for image in axes.images]
        for panel in sheet.panels:
            assert any(np.array_equal(panel.picture, array) for array in drawn), request
        file = tmp_path / f"figure{endings[seed % 3]}"
        file.write_bytes(sheet_bytes(sheet, file.suffix, drawing))
        recorded = read_provenance(file)
        again = compose(read_request(recorded["kind"], recorded["request"]), Sources(subjects.store))
        assert_equal(again, sheet, request)
        assert recorded["inputs"] == again.inputs
    assert refused <= COUNT // 20


def assert_equal(one, other, request):
    assert [panel.title for panel in one.panels] == [panel.title for panel in other.panels], request
    assert [panel.place for panel in one.panels] == [panel.place for panel in other.panels], request
    assert [panel.scale for panel in one.panels] == [panel.scale for panel in other.panels], request
    for mine, theirs in zip(one.panels, other.panels, strict=True):
        np.testing.assert_array_equal(mine.picture, theirs.picture, err_msg=str(request))
    assert (one.caption, one.title) == (other.caption, other.title), request
