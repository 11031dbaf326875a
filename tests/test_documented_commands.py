"""Every command that a document or a help text shows is one that the real parser takes, with recipes that there are."""

import argparse
import subprocess
import sys

import pytest

from tests.documented import DOCUMENTS, NEEDS, ROOT, commands, commands_of_line, fences, inline_commands
from vitbench.cli import COMMANDS, EXIT_CODES, build_parser
from vitbench.commands._examples import EXAMPLES
from vitbench.recipe import load_recipe, preset_names


def parsed(words: list[str]) -> argparse.Namespace | None:
    """The arguments, checked further where a preset is named; None for the app. Fails with the command's words."""
    command = next((word for word in words if not word.startswith("-")), None)
    if not words or command is None or words[0] in ("--store", "--run"):
        return None
    try:
        arguments = build_parser(command).parse_args(words)
    except SystemExit as refused:
        if refused.code == 0:  # --help, --version
            return None
        raise AssertionError(f"vitbench {' '.join(words)} is refused") from None
    recipe = getattr(arguments, "recipe", None)
    if recipe in preset_names():
        load_recipe(recipe, getattr(arguments, "set", []))
    elif recipe is not None:
        assert recipe.endswith(".toml") or recipe.isupper(), f"vitbench {' '.join(words)}: there is no preset {recipe}"
    return arguments


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_commands_of_a_document_are_taken(document):
    for words in commands(document):
        parsed(words)


def test_commands_are_found_in_the_documents():
    assert sum(len(list(commands(document))) for document in DOCUMENTS) > 100
    assert sum(len(list(inline_commands(document))) for document in DOCUMENTS) > 50


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_commands_in_running_text_and_their_options_exist(document):
    for words in inline_commands(document):
        command = words[0] if words else ""
        if command.startswith("-"):
            continue
        assert command in COMMANDS or command.isupper(), f"`vitbench {' '.join(words)}`: there is no such command"
        known = options_of(command) if command in COMMANDS else {"--help"}
        given = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
        assert given <= known, f"`vitbench {' '.join(words)}`: there is no {', '.join(given - known)}"


def options_of(command: str) -> set[str]:
    """All options of a command and of its parts."""
    found: set[str] = set()
    subcommands = [one for one in build_parser(command)._actions if isinstance(one, argparse._SubParsersAction)]
    waiting = [subcommands[0].choices[command]]
    while waiting:
        for action in waiting.pop()._actions:
            found.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
    return found


def test_the_documents_show_commands():
    """The patterns find what they are to check."""
    assert len(commands(ROOT / "README.md")) > 15
    assert sum(len(commands(document)) for document in DOCUMENTS) > 60
    assert sum(len(inline_commands(document)) for document in DOCUMENTS) > 30
    with pytest.raises(AssertionError, match="refused"):
        parsed(["attention", "demo", "a.png", "--no-such-option"])


def test_what_fences_need_is_known():
    found = [(document.name, fence.needs) for document in DOCUMENTS for fence in fences(document)]
    assert any(needs for _, needs in found)
    assert [(name, needs) for name, needs in found if not needs <= NEEDS] == []


def test_running_text_names_commands():
    assert sum(len(inline_commands(document)) for document in DOCUMENTS) > len(COMMANDS)


def test_each_command_has_examples_which_its_help_ends_with(capsys):
    assert set(EXAMPLES) == set(COMMANDS)
    for command, examples in EXAMPLES.items():
        assert examples
        for words, _ in examples:
            (found,) = commands_of_line(f"vitbench {words}")
            assert found[0] == command
            parsed(found)
        with pytest.raises(SystemExit):
            build_parser(command).parse_args([command, "--help"])
        said = capsys.readouterr().out
        assert said.rstrip().endswith(examples[-1][1]), command
        assert f"vitbench {examples[0][0]}" in said


def test_the_help_names_commands_and_exit_codes():
    said = build_parser(None).format_help()
    for command in COMMANDS:
        assert f"\n    {command} " in said or f"\n    {command}\n" in said
    for code, words in EXIT_CODES.items():
        assert f"{code}  {words}" in said


def test_no_help_waits_for_torch():
    """In a process of its own: in this one torch is there already."""
    program = (
        "import sys\n"
        "from vitbench.cli import COMMANDS, build_parser\n"
        "for command in COMMANDS:\n"
        "    build_parser(command)\n"
        "print(sorted({'torch', 'timm', 'torchvision', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
