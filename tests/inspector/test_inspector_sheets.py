"""The screens' questions through a real inspector process, as the app sends them."""

import numpy as np

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench.figures.sheet import sheet_from
from vitbench.inspector.client import Inspector
from vitbench.paths import sample_images
from vitbench.requests.attention import AttentionRequest
from vitbench.requests.captions import CaptionRequest
from vitbench.requests.positions import PositionRequest


async def test_every_kind_of_sheet_comes_through_the_process(tmp_path):
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "one.png")
    requests = (
        AttentionRequest(network=network, pictures=(picture,)),
        PositionRequest(network=network, permutations=9),
        CaptionRequest(captioner="demo", picture=str(next(sample_images().glob("*.png"))), text="a red heart"),
    )
    inspector = Inspector(tmp_path / "store")
    try:
        for request in requests:
            answer = await inspector.ask("sheet", kind=request.kind, request=request.record(), arrays=True)
            sheet = sheet_from(answer.values, answer.arrays)
            assert sheet.kind == request.kind
            assert all(panel.picture.dtype == np.uint8 for panel in sheet.panels)
            file = tmp_path / f"{request.kind}.png"
            asked = {"kind": request.kind, "request": sheet.request, "file": str(file)}
            assert (await inspector.ask("save_sheet", **asked)).values["file"] == str(file)
    finally:
        await inspector.close()
