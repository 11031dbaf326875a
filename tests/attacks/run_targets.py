"""Attacks on the files of runs: status, log, events, names, and the folders themselves."""

import contextlib
import io
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from attack import Harm
from hostile import damaged, json_bytes, put

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.recipe import Recipe, load_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.events import EventReader
from vitbench.runs.log import LogTail, last_lines, read_log
from vitbench.runs.status import Best, Status, read_status, write_status
from vitbench.runs.store import Run, Store

Attempt = Callable[[random.Random, Path], str]
_RECIPE = Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}})


def command(*arguments: str) -> str:
    """What a command prints; Harm if it is not clean. Raises UserError where it ends with a sentence."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    printed = out.getvalue() + err.getvalue()
    for sign in ("\x1b", "\x07", "\x9b", "\r", "\u202e", "\0"):
        if sign in printed:
            raise Harm(f"{sign!r} was printed by {arguments[0]}")
    if "Traceback" in printed:
        raise Harm(f"{arguments[0]} printed a traceback: {printed[-300:]}")
    if code == 2:
        raise UserError(err.getvalue())
    if "--json" in " ".join(arguments).partition(" -- ")[0].split():
        json.loads(out.getvalue(), parse_constant=_no_json)
    return out.getvalue()


def _no_json(word: str) -> None:
    raise Harm(f"{word} in JSON")


def _a_run(place: Path) -> Run:
    run = Store(place).create(_RECIPE)
    status = Status(
        state="finished",
        created_at=time.time(),
        step=3,
        total_steps=9,
        latest={"train/loss": 0.5},
        best=Best(metric="validation/accuracy", value=0.5, step=3),
    )
    write_status(run.folder, status)
    for number in range(5):
        with (run.folder / "log.jsonl").open("a") as stream:
            row = {"time": 1.7e9 + number, "step": number, "level": "info", "text": f"line {number}"}
            stream.write(json.dumps(row) + "\n")
    return run


def recipes(place: Path) -> Attempt:
    """A preset's whole text, damaged or with another value at any key."""
    text = load_recipe("report").to_toml()
    tables = {
        table: dict(keys) for table, keys in _RECIPE.model_dump(exclude_none=True).items() if isinstance(keys, dict)
    }

    def attempt(seed: random.Random, place: Path) -> str:
        if seed.random() < 0.5:
            what = put(place / "recipe.toml", damaged(text.encode(), seed), seed)
        else:
            table = seed.choice(list(tables))
            value = seed.choice(_TOML_VALUES)
            key = seed.choice([*tables[table], "x", "a.b", '""'])
            what = put(place / "recipe.toml", f"[{table}]\n{key} = {value}\n".encode(), seed)
        recipe = load_recipe(place / "recipe.toml")
        again = recipe.to_toml()
        (place / "again.toml").write_text(again)
        if load_recipe(place / "again.toml") != recipe:
            raise Harm("a recipe reads back as another")
        return what

    return attempt


_TOML_VALUES = [
    *("1", "-1", "0", "1.5", "nan", "inf", "-inf", "1e400", "9" * 5000, "0x" + "f" * 500, "0o7", "0b1", "true", '""'),
    *(
        '"x"',
        "'''x'''",
        '"\\u0000"',
        '"\\ud800"',
        "1979-05-27T07:32:00Z",
        "07:32:00",
        "[]",
        "[1, 'a']",
        "{}",
        "{a.b = 1}",
    ),
    *(
        "[" * 200 + "]" * 200,
        "{a = " * 80 + "1" + "}" * 80,
        "[[]]",
        '"' + "x" * 5000 + '"',
        "[8, 8]",
        "[0, -1]",
        "2147483648",
    ),
    *(
        '"/dev/zero"',
        '"~nosuch"',
        '"scenes:2"',
        '"cuda:99999999999999999999"',
        '"\x1b[31m"',
        "-0.0",
        "+1",
        "1_000",
        "",
        "= 3",
    ),
]


def overrides(place: Path) -> Attempt:
    """`--set` of any key and value."""
    keys = [
        "train.epochs",
        "optim.lr",
        "data.path",
        "model.options",
        "model.image_size",
        "schedule.name",
        "x",
        "a.b.c.d",
    ]

    def attempt(seed: random.Random, place: Path) -> str:
        key = seed.choice([*keys, "", ".", "train..x", "a." * 2000 + "b", "\x1b[31m", "train.\ud800", "²"])
        value = seed.choice(_TOML_VALUES)
        override = seed.choice([f"{key}={value}", key, f"{key}={value}\n[x]", f" {key} = {value}", f"{key}=={value}"])
        recipe = load_recipe("scratch", [override] * seed.randint(1, 2))
        recipe.to_toml()
        return override[:200]

    return attempt


def statuses(place: Path) -> Attempt:
    """status.json and progress.json, read as a status and through the commands."""
    run = _a_run(place)
    document = json.loads((run.folder / "status.json").read_text())

    def attempt(seed: random.Random, place: Path) -> str:
        name = seed.choice(["status.json", "status.json", "progress.json"])
        what = put(run.folder / name, json_bytes(document, seed), seed)
        read_status(run.folder)
        run.status()
        arguments = seed.choice([["runs"], ["runs", "--json"], ["show", run.id], ["show", run.id, "--json"], []])
        if arguments:
            with contextlib.suppress(UserError):  # that there is no such run any more
                command(*arguments, "--store", str(place))
        return what

    return attempt


def logs(place: Path) -> Attempt:
    """log.jsonl, read forwards, from the end, and through the commands."""
    run = _a_run(place)
    row = {"time": 1.7e9, "step": 3, "level": "info", "text": "said"}
    good = (json.dumps(row) + "\n").encode() * 4

    def attempt(seed: random.Random, place: Path) -> str:
        rows = b"".join(json_bytes(row, seed) + b"\n" for _ in range(seed.randint(1, 4)))
        what = put(run.log, damaged(good + rows, seed) if seed.random() < 0.5 else good + rows, seed)
        every = list(read_log(run.log))
        ends = last_lines(run.log, 3)
        if ends and every and ends[-1] != every[-1]:
            raise Harm("the end of the log is not its end")
        LogTail(run.log, limit=500).read()
        if seed.random() < 0.3:
            command(
                *seed.choice([["log", run.id], ["show", run.id], ["log", run.id, "--lines", "2"]]),
                "--store",
                str(place),
            )
        return what

    return attempt


def events(place: Path) -> Attempt:
    """Event files, read by the reader and by `metrics`."""
    run = _a_run(place)
    writer = EventWriter(run.folder)
    for step in range(6):
        writer.scalars(step, {"train/loss": 1.0 / (step + 1), "validation/accuracy": 0.1 * step})
    writer.close()
    (file,) = run.folder.glob("events.out.tfevents.*")
    good = file.read_bytes()

    def attempt(seed: random.Random, place: Path) -> str:
        what = put(file, damaged(good, seed), seed)
        reader = EventReader(run.folder)
        reader.read()
        reader.read()
        if seed.random() < 0.2:
            command("metrics", run.id, *seed.choice([[], ["--json"]]), "--store", str(place))
        return what

    return attempt


def names(place: Path) -> Attempt:
    """names.json: the index of checkpoints, none of which may ever be lost."""
    run = _a_run(place)
    steps = [3, 7, 12]
    for step in steps:
        folder = run.folder / "checkpoints" / f"step-{step:08d}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "network.json").write_text("{}")
        (folder / "state.pt").write_bytes(b"state")
    document = {"last": 12, "best": 7, "kept": [3]}

    def attempt(seed: random.Random, place: Path) -> str:
        from vitbench.training.checkpoint import Checkpoints

        what = put(run.folder / "checkpoints" / "names.json", json_bytes(document, seed), seed)
        Checkpoints(run.folder / "checkpoints")
        try:
            if run.checkpoint(seed.choice(["last", "best", 7, "²", "9" * 5000, "x"])).step not in steps:
                raise Harm("a step that is not there")
        finally:
            there = sorted(folder.name for folder in (run.folder / "checkpoints").glob("step-*"))
            if there != [f"step-{step:08d}" for step in steps]:
                raise Harm(f"checkpoints are lost: {there}")
        return what

    return attempt


def run_names(place: Path) -> Attempt:
    """Folders of runs with names that no run is given, as arguments and in the lists."""
    source = _a_run(place / "source").folder
    pieces = [
        b"a",
        b"\xff\xfe",
        b"\x1b[31m",
        b"\n",
        b" ",
        b"@last",
        b"-",
        b"--json",
        b"..",
        b"\xe2\x80\xae",
        b"x" * 200,
        b"*",
        b"~",
    ]
    pieces += [b"last", b"\xc2\xb2", b"'", b'"', b"$(touch executed)", b";", b"\\", b"%s", b"{}"]

    def attempt(seed: random.Random, place: Path) -> str:
        name = b"".join(seed.choice(pieces) for _ in range(seed.randint(1, 4)))[:255]
        store = place / "store"
        shutil.rmtree(store, ignore_errors=True)
        (store / "runs").mkdir(parents=True)
        if name not in (b".", b".."):
            shutil.copytree(source, os.fsdecode(os.fsencode(store / "runs") + b"/" + name))
        shown = os.fsdecode(name)
        arguments = seed.choice(
            [
                ["runs"],
                ["runs", "--json"],
                ["show"],
                ["show", "--json"],
                ["log"],
                ["metrics"],
                ["kill"],
                ["pause"],
                ["rm"],
                ["stop"],
            ]
        )
        if arguments[0] != "runs":
            arguments = [*arguments, "--store", str(store), "--", shown]
        else:
            arguments = [*arguments, "--store", str(store)]
        try:
            command(*arguments)
        except SystemExit as end:  # argparse takes a name that begins with a dash for an option
            raise UserError("no such option") from end
        left = [entry.name for entry in (store / "runs").iterdir() if not entry.name.startswith(".")]
        if arguments[0] == "rm" and left:
            raise Harm(f"rm left {left}")
        return repr(name)

    return attempt
