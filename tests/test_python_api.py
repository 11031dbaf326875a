"""Every Python example of the documents runs as it stands there, and docs/python.md names all of `vitbench.api`."""

import re
import shutil

import pytest

from tests.documented import DOCUMENTS, ROOT, fences
from vitbench import api
from vitbench.paths import sample_images

OF_A_PACKAGE = {"extending.md"}
"""`tests/test_installed_package.py` runs the examples there."""
PAGES = [
    document
    for document in DOCUMENTS
    if document.name not in OF_A_PACKAGE and any(fence.language == "python" for fence in fences(document))
]


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_examples_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(sample_images() / "04_heart_square.png", "picture.png")
    space: dict[str, object] = {"__name__": "example"}
    compiled = 0
    for fence in fences(document):
        if fence.language == "python":
            compiled += 1
            code = compile(fence.text, document.name, "exec")
            if not fence.needs:
                exec(code, space)
    assert compiled
    if document.name == "python.md":
        assert {"attention.pdf", "heads.png"} <= {file.name for file in tmp_path.iterdir()}
        assert space["status"].state == "finished"


def test_the_page_of_the_api_names_all_of_it():
    page = (ROOT / "docs" / "python.md").read_text()
    assert {"recipe", "train", "compose"} <= set(api.__all__)
    for name in api.__all__:
        assert re.search(rf"\b{name}\b", page), name
        assert getattr(api, name).__doc__, name


def test_mistakes_are_user_errors(tmp_path):
    with pytest.raises(api.UserError, match="no figure"):
        api.compose("nothing")
    with pytest.raises(api.UserError, match="epoch"):
        api.recipe("fast", train__epoch=3)
    with pytest.raises(api.UserError, match="names no data"):
        api.train(api.recipe("fast"))
    sheet = api.explain("demo", [sample_images() / "06_ladder.png"], method="raw")
    own = tmp_path / "own.png"
    own.write_bytes(b"mine")
    with pytest.raises(api.UserError, match="overwrite"):
        api.save(sheet, own)
    assert own.read_bytes() == b"mine"
    assert api.save(sheet, own, overwrite=True) == own
    with pytest.raises(api.UserError, match="ends otherwise"):
        api.save(sheet, tmp_path / "figure.jpeg")
