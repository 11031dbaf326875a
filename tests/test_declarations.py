"""What can be added by one file: declarations of vitbench, and those of installed packages."""

import textwrap

import pytest

from vitbench.declarations import all_kinds, left_out, loaded
from vitbench.errors import UserError
from vitbench.methods import METHODS, offered
from vitbench.methods.base import Option
from vitbench.requests.kinds import FIGURE_KINDS


@pytest.mark.parametrize("declared", all_kinds(), ids=lambda declared: declared.group)
def test_all_that_is_declared_can_be_computed(declared):
    assert list(declared) == [one.name for one in declared.own()], "the environment of the tests has no plug-ins"
    for name, one in declared.items():
        assert declared.find(name) is one
        computation = getattr(one, "compute", None) or getattr(one, "compose", None)
        if computation is not None:
            assert callable(loaded(computation)), name
        words = getattr(one, "summary", None) or one.phrase
        assert words.rstrip(".") == words != "", name
    with pytest.raises(UserError, match=f"There is no {declared.kind} 'none such'.*; there are {next(iter(declared))}"):
        declared.find("none such")


def test_the_figures_are_those_of_their_requests():
    assert all(kind.request.kind == name for name, kind in FIGURE_KINDS.items())


def test_methods_with_a_caution_are_offered_last():
    able = offered(needs_attention=False)
    assert able[0] == "hires_cam"
    assert [name for name in able if METHODS[name].caution] == [able[-1]] == ["token_grad_cam"]
    assert set(offered()) == set(METHODS)


@pytest.mark.parametrize(
    ("option", "value", "read"),
    [
        (Option("steps", "n", 32, least=1), "64", 64),
        (Option("share", "n", 0.0, least=0, below=1), "0.25", 0.25),
        (Option("open", "n", False), "true", True),
        (Option("fuse", "n", "mean", choices=("mean", "max")), "max", "max"),
        (Option("steps", "n", 32, least=1), "0", "must be at least 1"),
        (Option("steps", "n", 32, least=1), "2.5", "is not a whole number"),
        (Option("steps", "n", 32, least=1), "nan", "is not a whole number"),
        (Option("steps", "n", 32, least=1), True, "is not a whole number"),
        (Option("share", "n", 0.0, below=1), "1", "must be below 1"),
        (Option("share", "n", 0.0, below=1), "inf", "is not a number"),
        (Option("open", "n", False), "perhaps", "is not true or false"),
        (Option("fuse", "n", "mean", choices=("mean", "max")), "median", "is none of mean, max"),
    ],
)
def test_an_option_is_read_or_says_what_it_is(option, value, read):
    if isinstance(read, str) and " " in read:
        with pytest.raises(UserError, match=read):
            option.read(value)
    else:
        assert option.read(value) == read
        assert type(option.read(value)) is type(read)


BROKEN = {
    "raises": ("raise RuntimeError('a fault of its own')", "RuntimeError: a fault of its own"),
    "leaves": ("raise SystemExit(3)", "SystemExit: 3"),
    "syntax": ("def (:", "SyntaxError"),
    "absent": ("import no_such_package_at_all", "No module named 'no_such_package_at_all'"),
    "another": ("METHOD = 3", "is int, and no Method"),
    "nothing": ("", "has no attribute 'METHOD'"),
    "loud": ("METHOD = Method('a \x1b[31mred', 't', 's', 'x:y')", "is not of small letters"),
    "taken": ("METHOD = Method('libra', 't', 's', 'x:y')", "there is a method libra already"),
    "twice": ("METHOD = Method('good', 't', 's', 'x:y')", "there is a method good already"),
    "good": ("METHOD = Method('good', 'Good', 'a good one', 'plug_good:compute')", ""),
}


def test_a_broken_plug_in_is_named_and_left_out(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    info = tmp_path / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    lines = ["[vitbench.methods]"]
    for name, (source, _) in BROKEN.items():
        (tmp_path / f"plug_{name}.py").write_text(f"from vitbench.methods.base import Method\n{source}\n")
        lines.append(f"{name} = plug_{name}:METHOD")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    METHODS.forget()
    try:
        assert [name for name in METHODS if name not in {one.name for one in METHODS.own()}] == ["good"]
        said = {sentence.split()[2]: sentence for sentence in left_out()}
        assert set(said) == set(BROKEN) - {"good"}
        for name, (_, reason) in BROKEN.items():
            if name != "good":
                assert said[name].startswith(f"The method {name} of the package plug is left out: ")
                assert reason in said[name], said[name]
                assert "\x1b" not in said[name]
        with pytest.raises(UserError, match="plug_good:compute cannot be imported"):
            METHODS["good"].function  # noqa: B018 - a declaration may name what is not there
    finally:
        monkeypatch.undo()
        METHODS.forget()
    assert "good" not in METHODS
    assert left_out() == ()


def test_torch_at_the_top_of_a_declaration_is_refused(tmp_path):
    """In a process that has no torch, such as the app's."""
    import subprocess
    import sys

    (tmp_path / "plug_torch.py").write_text(
        "import torch\nfrom vitbench.methods.base import Method\nMETHOD = Method('heavy', 't', 's', 'x:y')\n"
    )
    info = tmp_path / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vitbench.methods]\nheavy = plug_torch:METHOD\n")
    program = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from vitbench.declarations import left_out
        from vitbench.methods import METHODS
        METHODS["libra"]
        assert not left_out(), "packages are not looked at for what comes with vitbench"
        assert "heavy" not in METHODS and "torch" not in sys.modules
        print(*left_out())
    """)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "it imports torch where it is declared; that belongs into the function that computes" in answer.stdout
