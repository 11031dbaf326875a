"""The package of docs/extending.md, built, installed and found in commands, app, help and documentation."""

import asyncio
import base64
import hashlib
import inspect
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from screens.app import Workbench
from screens.help_dialog import HelpDialog
from screens.navigation import SCREENS
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import Opened, opened
from vitbench import reference
from vitbench.cli import main
from vitbench.data.layouts.registry import phrases
from vitbench.declarations import all_kinds, left_out
from vitbench.recipe import load_recipe

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
_BLOCK = re.compile(r"```\w+\n# ([\w./]+)\n(.*?)```", re.DOTALL)
BROKEN = "vitbench.layouts", "torn", "sketches.torn:FORM"


def files_of_the_page() -> dict[str, str]:
    """Path: content, of every file that the page shows."""
    return dict(_BLOCK.findall(PAGE.read_text()))


def wheel(folder: Path) -> Path:
    """The package as a wheel, with one more declaration, which is broken."""
    files = files_of_the_page()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    name, version = project["name"], project["version"]
    groups = {group: dict(points) for group, points in project["entry-points"].items()}
    groups[BROKEN[0]][BROKEN[1]] = BROKEN[2]
    content = {path: text for path, text in files.items() if path.startswith(f"{name}/")}
    content |= {f"{name}/__init__.py": "", f"{name}/torn.py": "raise RuntimeError('torn in two')\n"}
    info = f"{name}-{version}.dist-info"
    points = [line for group, of in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in of.items()))]
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content[f"{info}/entry_points.txt"] = "\n".join(points) + "\n"
    rows = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return file


def _forget() -> None:
    for declared in (*all_kinds(), SCREENS):
        declared.forget()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package, installed into a folder that is on the path."""
    folder = tmp_path_factory.mktemp("installed")
    target = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    try:
        subprocess.run([*command, "--disable-pip-version-check", str(wheel(folder))], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        if b"No module named pip" not in error.stderr:
            raise AssertionError(error.stderr.decode()) from error
        with zipfile.ZipFile(wheel(folder)) as archive:  # uv's environments have no pip
            archive.extractall(target)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(target))
    _forget()
    yield target
    patch.undo()
    for name in [name for name in sys.modules if name.partition(".")[0] == "sketches"]:
        del sys.modules[name]
    _forget()
    assert all(declared.package_of(name) == "vitbench" for declared in all_kinds() for name in declared)
    assert left_out() == ()


@pytest.fixture
def pictures(tmp_path):
    """Two folders with a note each."""
    for folder, label, colour in (("a", "cat", "red"), ("b", "dog", "navy")):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
        (tmp_path / "pictures" / folder / "class.txt").write_text(label)
        for number in range(3):
            Image.new("RGB", (32, 32), colour).save(tmp_path / "pictures" / folder / f"{number}.png")
    return tmp_path / "pictures"


def test_the_page_shows_each_kind_and_its_test():
    files = files_of_the_page()
    groups = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]
    assert {declared.group for declared in (*all_kinds(), SCREENS)} == set(groups)
    for points in groups.values():
        for value in points.values():
            name = value.partition(":")[0].removeprefix("sketches.")
            assert {f"sketches/{name}.py", f"tests/test_{name}.py"} <= set(files)


TESTS = [path for path in files_of_the_page() if path.startswith("tests/")]


@pytest.mark.parametrize("path", TESTS)
def test_each_example_passes_its_own_test(installed, path, tmp_path):
    space: dict[str, object] = {"__name__": path}
    exec(compile(files_of_the_page()[path], path, "exec"), space)
    own = [test for name, test in space.items() if name.startswith("test_")]
    assert own
    for number, test in enumerate(own):
        folder = tmp_path / str(number)
        folder.mkdir()
        arguments = {"tmp_path": folder} if inspect.signature(test).parameters else {}
        result = test(**arguments)
        if inspect.isawaitable(result):
            asyncio.run(result)


def test_commands_find_them(installed, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VITBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    picture = str(pictures / "a" / "0.png")
    assert main(["attention", "demo", picture, "--method", "contrast", "--option", "power=2", "--out", "a.png"]) == 0
    assert "Contrast, power 2" in capsys.readouterr().out
    assert main(["figure", "again", "a.png", "--out", "b.png"]) == 0
    assert main(["attention", "demo", picture, "--method", "contrast", "--option", "strength=2"]) == 2
    assert "--option strength has no effect: the options of contrast are power." in capsys.readouterr().err
    assert main(["data", str(pictures)]) == 0
    said = capsys.readouterr()
    assert "Recognised folders with a class.txt" in said.out
    assert said.err.count("The layout torn of the package sketches is left out") == 1
    assert "RuntimeError: torn in two" in said.err
    assert main(["data", str(pictures), "--preview", "p.png", "--augment", "grey"]) == 0
    assert main(["recipe", "fast", "--set", "schedule.name=square-root", "--curve", "c.png"]) == 0
    assert main(["figure", "make", "brightness", f"picture={picture}", "bins=4", "--out", "h.png"]) == 0
    assert main(["figure", "again", "h.png", "--out", "h2.png"]) == 0
    for name in ("a", "b", "p", "c", "h", "h2"):
        assert Image.open(f"{name}.png").size[0] > 100


def test_help_refusals_and_documentation_name_them(installed, capsys):
    for command, words in (
        ("attention", "contrast              how far each patch is from the mean colour"),
        ("faithfulness", "contrast"),
        ("data", "note-folders"),
    ):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "".join(words.split()) in "".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        main(["figure", "make", "--help"])
    assert "how many pixels of a picture are how bright" in capsys.readouterr().out
    assert "folders with a class.txt that names the class" in phrases()
    recipe = load_recipe("fast").to_toml()
    assert "| square-root" in recipe
    assert "| grey" in recipe
    assert main(["extensions"]) == 0
    said = capsys.readouterr()
    for name in (
        *("contrast", "note folders", "named pictures", "grey", "square-root", "lab", "brightness", "data-sets"),
    ):
        assert re.search(rf"^- `{name}`.* \(of the package sketches\)$", said.out, re.MULTILINE), name
    assert "torn in two" in said.err
    assert "sketches" not in reference.document()


def help_words(at: Opened) -> list[str]:
    """The words of the help that is open, also of what one must scroll to."""
    assert isinstance(at.screen, HelpDialog)
    return at.screen._words().plain.split()


async def test_the_app_finds_the_screen_and_names_what_is_broken(installed, tmp_path, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(Workbench, "tell", lambda app, sentence, severity="information": told.append(sentence))
    FakeRun(tmp_path, "one").train(10)
    async with opened(tmp_path) as at:
        await at.until(lambda: at.screen.offers_packages, "the packages")
        await at.until(lambda: told == list(left_out()), "the notice of what is broken")
        assert told[0].startswith("The layout torn of the package sketches is left out")
        await at.press("question_mark")
        assert " ".join(help_words(at)).count("How many runs there are on each data set.") == 1
        await at.press("escape", "ctrl+p")
        await at.type("rarest")
        await at.see("Data sets: reverse")
        await at.press("enter")
        await at.until(lambda: type(at.screen).__name__ == "DataScreen", "the screen")
        await at.until(lambda: at.screen.rarest_first, "the action of the palette")
        await at.see("    1 ")
        await at.press("question_mark")
        assert "The rarest first, or the most frequent." in " ".join(help_words(at))


def test_the_reference_is_what_is_declared():
    page = PAGE.with_name("reference.md").read_text()
    assert page == reference.document(), "run python -m vitbench.reference"
