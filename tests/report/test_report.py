"""A report as a folder: of a run with nothing but a test result, of a hostile one, cancelled, and made again."""

import html.parser
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vitbench.cli import main
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.files.outputs import Outputs
from vitbench.models.adaptation import state_on_cpu
from vitbench.models.network import build_network, open_network
from vitbench.recipe import parse_recipe
from vitbench.recipe_tables import ModelTable
from vitbench.report.document import Code, Document, FigureBlock, Listing, Missing, Paragraph, Section, TableBlock
from vitbench.report.making import make_report, to_pdf
from vitbench.report.markdown import to_markdown
from vitbench.report.page import to_html
from vitbench.requests.report import ReportRequest
from vitbench.runs.store import Store
from vitbench.training.evaluation import Evaluation

LABELS = ("a cat", "<script>alert(1)</script>", "*bold* | \x1b[31mred")
OPTIONS = {"embed_dim": 24, "depth": 2, "num_heads": 3}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A store with one run: a checkpoint and a test result, nothing else."""
    folder = tmp_path_factory.mktemp("report")
    model = {"name": "timm:vit_tiny_patch16_224", "image_size": 64, "options": OPTIONS}
    store = Store(folder / "store")
    run = store.create(parse_recipe({"model": model, "data": {"path": str(folder / "pictures")}}, "test"), "mine")
    (folder / "pictures").mkdir()
    network = build_network(ModelTable(**model), num_classes=3, labels=LABELS)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.2)
    checkpoint = run.folder / "checkpoints" / "step-00000009"
    checkpoint.mkdir()
    save_file(state_on_cpu(network.module), checkpoint / "model.safetensors")
    network.write_network_json(checkpoint)
    files = []
    for number in range(30):
        files.append(f"{number}.png")
        values = np.random.default_rng(number).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / "pictures" / files[-1])
    label = np.arange(30) % 3
    guess = np.where(np.arange(30) < 24, label, (label + 1) % 3)
    top = np.stack([guess, (guess + 1) % 3, (guess + 2) % 3], axis=1)
    probability = np.tile(np.array([0.7, 0.2, 0.1], np.float32), (30, 1))
    loss = np.where(guess == label, 0.36, 2.3)
    found = Evaluation(str(folder / "pictures"), LABELS, np.array(files), label, top, probability, loss, 32)
    found.save(run.folder / "evaluations", "test", 9)
    return store, run


def made(evaluated, out, **values):
    store, run = evaluated
    request = ReportRequest.read({"run": run.id} | values)
    return make_report(request, Sources(store.folder), out, outputs=Outputs(store.folder))


@pytest.fixture(scope="module")
def report(evaluated, tmp_path_factory):
    return made(evaluated, tmp_path_factory.mktemp("out") / "report").folder


class _Page(html.parser.HTMLParser):
    """Which tags and addresses a page has."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_run_with_nothing_but_a_test_result(evaluated, report):
    _, run = evaluated
    text = (report / "report.md").read_text()
    assert "Test set: Average loss: 0.7480, Accuracy: 24/30 (80.0%)" in text
    assert "24 were given the right class: 80.0%, with a 95% interval (Wilson) from 62.7% to 90.5%" in text
    assert "always naming the commonest class" in text
    parameters = sum(map(torch.numel, open_network(run.id, Store(run.store_folder)).module.parameters()))
    assert f"depth 2 and num\\_heads 3; {parameters / 1e6:.1f} million parameters)" in text
    assert "Reported is the checkpoint of step 9." in text  # which nothing has called the best
    for missing, how in (
        ("No other run was named", f"`vitbench report {run.id} --compare RUN|SWEEP`"),
        ("The run has logged no scalars", ""),
        ("started from random numbers, so there is no network before it", ""),
        ("for want of pictures with masks", f"`vitbench report {run.id} --masks DIR`"),
        ("No captioner was named", f"`vitbench report {run.id} --captions RUN`"),
        ("Machine and versions are not known", ""),
        ("The energy is not known", ""),
    ):
        assert re.search(rf"^> \*\*Missing\.\*\* [^\n]*{re.escape(missing)}[^\n]*{re.escape(how)}", text, re.M), missing
    names = {file.name for file in (report / "figures").iterdir()}
    for name in ("confusion", "mistakes", "positions", "attention"):
        assert {f"{name}.png", f"{name}.pdf"} <= names
    assert (report / "recipe.toml").read_bytes() == (run.folder / "recipe.toml").read_bytes()


def test_the_page_stands_alone_and_labels_stay_text(report):
    text = (report / "report.html").read_text()
    page = _Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert "\x1b" not in (report / "report.md").read_text()


def test_every_figure_says_how_it_was_made(report, evaluated, monkeypatch):
    from vitbench.compose import read_request
    from vitbench.figures.provenance import read_provenance

    files = list((report / "figures").iterdir())
    assert len(files) > 2
    for file in files:
        found = read_provenance(file)
        assert read_request(found["kind"], found["request"]).kind == file.stem.partition("-")[0]


def test_a_report_is_made_again_in_its_place(evaluated, report, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(report, folder)
    (folder / "report.md").write_text("edited")
    with pytest.raises(UserError, match="has been changed since vitbench wrote it"):
        made(evaluated, folder)
    (folder / "report.md").write_bytes((report / "report.md").read_bytes())
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"did not write \(mine.txt\)"):
        made(evaluated, folder)


def test_a_cancelled_report_leaves_nothing(evaluated, tmp_path):
    store, run = evaluated
    seen = []

    def cancel(done, total, what):
        seen.append(what)
        if "positions" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_report(
            ReportRequest(run=run.id),
            Sources(store.folder),
            tmp_path / "out",
            outputs=Outputs(store.folder),
            progress=cancel,
        )
    assert list(tmp_path.iterdir()) == []
    assert any(what.startswith("report, 1 of 6") for what in seen)


def test_what_cannot_be_is_said_before_the_work(evaluated, tmp_path, capsys):
    store, run = evaluated
    given = ["report", run.id, "--store", str(store.folder), "--out", str(tmp_path / "out")]
    for more, words in (
        (["--compare", "nobody"], "There is no run 'nobody'"),
        (["--method", "nothing"], "nothing"),
        (["--count", "1"], "--count"),
    ):
        assert main([*given, *more]) == 2
        assert words in capsys.readouterr().err
    assert main(["report", f"{run.id}@3", "--store", str(store.folder)]) == 2
    assert "has no checkpoint '3'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


EVIL = "1. # <b>&\"'`*_[x](y)| $z$\x1b[31m\n- next"


def test_renderers_escape_everything(tmp_path):
    figure = FigureBlock("name", EVIL, b"png", b"pdf")
    blocks = (
        Paragraph(EVIL),
        Listing((EVIL,)),
        TableBlock((EVIL,), ((EVIL,),), EVIL),
        Code(EVIL),
        figure,
        Missing(EVIL, EVIL),
    )
    document = Document(EVIL, EVIL, (Section(EVIL, blocks),))
    page = _Page(to_html(document))
    assert "b" not in page.tags
    assert page.open == []
    text = to_markdown(document)
    assert "<b>" not in re.sub(r"```.*?```", "", text.replace("\\<b\\>", ""), flags=re.S)
    assert text.count("\n## ") == 1
    assert not re.search(r"(?<!\\)\[x\]\(y\)", re.sub(r"```.*?```", "", text, flags=re.S))


def test_the_pdf_has_the_pages_words():
    pytest.importorskip("weasyprint", reason="WeasyPrint is not installed (pip install 'vitbench[pdf]')")
    document = Document("A title", "of today", (Section("One", (Paragraph("Some words."),)),))
    content, notes = to_pdf(to_html(document))
    if content is None:
        pytest.skip(notes[0])
    assert content.startswith(b"%PDF-")


def test_without_weasyprint_the_report_says_how_to_get_the_pdf(monkeypatch):
    monkeypatch.setattr("vitbench.report.making.find_spec", lambda name: None)
    content, notes = to_pdf("<p>x</p>")
    assert content is None
    assert "pip install 'vitbench[pdf]'" in notes[0]
