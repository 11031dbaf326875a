"""What the demo saves: figures of the trained network on pictures that it knows, captions of sample pictures."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.inspector.evaluated_run import tiny_pictures, tiny_run
from vitbench.demo import known_pictures, open_demo, save_figures


@pytest.mark.slow
def test_figures_show_the_run_s_network_on_its_own_test_part(store, tmp_path):
    run = tiny_run(store, tiny_pictures(tmp_path / "pictures"))
    pictures = known_pictures(open_demo(run, store))
    kinds = [Path(picture).parent.name for picture in pictures]
    assert len(set(kinds)) == 3
    assert all(Path(picture).parent.parent == tmp_path / "pictures" / "test" for picture in pictures)

    files = save_figures(run.id, tmp_path / "figures", store, pictures=pictures)
    assert [file.name for file in files] == [
        "positions.png",
        "attention-raw.png",
        "attention-libra.png",
        "01_bowtie_ladder.png",
        "04_heart_square.png",
    ]
    for file in files[1:3]:
        with Image.open(file) as picture:
            facts = json.loads(picture.info["vitbench"])
        assert facts["request"]["network"] == f"{run.id}@{run.checkpoint('best').step}"
        assert facts["request"]["pictures"] == pictures
    for file in files:
        with Image.open(file) as picture:
            low, high = picture.convert("L").getextrema()
            assert high - low > 50
