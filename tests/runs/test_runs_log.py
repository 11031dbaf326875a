"""Logs of any size and content: read from the end, a piece at a time, and damaged lines shown as they are."""

import json
import os
import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitbench.cli import main
from vitbench.files.writing import Unwritable
from vitbench.recipe import Recipe
from vitbench.runs.log import LogTail, RunLog, last_lines, read_log
from vitbench.runs.process import ProcessName
from vitbench.runs.status import Status, write_status
from vitbench.runs.store import Store

ROW = {"time": 1.0, "step": 1, "level": "info", "text": "a"}


def rows(*changes: dict) -> str:
    return "".join(json.dumps(ROW | change) + "\n" for change in changes)


@given(st.lists(st.text("ab \r", max_size=6), max_size=30), st.integers(0, 9), st.integers(0, 60), st.booleans())
@settings(max_examples=300)
def test_the_last_lines_are_those_that_reading_all_gives(tmp_path_factory, texts, count, within, cut):
    file = tmp_path_factory.mktemp("log") / "log.jsonl"
    content = "\n".join(texts) + "\n" * (not cut)
    file.write_text(content, newline="")
    whole = content[: content.rfind("\n") + 1]
    starts = [0, *(place + 1 for place, sign in enumerate(whole) if sign == "\n")][:-1]
    wanted = [start for start in starts if start >= len(content) - within][-count:] if count else []
    expected = [line for start in wanted if (line := content[start:].split("\n")[0]).strip()]
    assert [line.text for line in last_lines(file, count, within)] == expected
    every = [line.text for line in read_log(file)]
    assert every == [line for line in whole.split("\n") if line.strip()]
    if len(texts) == len([text for text in texts if text.strip()]):
        assert [line.text for line in last_lines(file, count)] == (every[-count:] if count else [])


@pytest.mark.parametrize(
    "row",
    [
        '{"time": NaN, "step": 1, "level": "info", "text": "a"}',
        '{"time": 1e999, "step": 1, "level": "info", "text": "a"}',
        '{"time": 1, "step": Infinity, "level": "info", "text": "a"}',
        '{"time": 1, "step": 1e300, "level": "info", "text": "a"}',
        '{"time": "1e999", "step": 1, "level": "info", "text": "a"}',
        '{"time": 1, "step": ' + "9" * 5000 + ', "level": "info", "text": "a"}',
        '{"time": 1, "step": 1, "level": "info", "text": "\\ud800"}',
        "[" * 3000,
        '{"time": [], "step": {}, "level": 1, "text": null}',
        "null",
        "\x00\xff",
    ],
)
def test_a_damaged_line_is_shown_as_it_is(tmp_path, row):
    (tmp_path / "log.jsonl").write_text(rows({}) + row + "\n" + rows({"text": "b"}))
    first, damaged, last = read_log(tmp_path / "log.jsonl")
    assert (first.text, damaged.text, damaged.level, last.text) == ("a", row, "warning", "b")


@pytest.mark.parametrize("moment", [1e30, -1e30, 1e18, -1e12])
def test_a_time_that_no_calendar_has_is_shown_as_such(store, capsys, moment):
    run = Store(store).create(Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "x"}}))
    run.log.write_text(rows({"time": moment, "text": "said"}))
    write_status(run.folder, Status(state="finished", created_at=moment))
    for command in (["log", "last"], ["show", "last"], ["runs"]):
        assert main(command) == 0
    assert "said" in capsys.readouterr().out


def test_a_line_without_an_end_of_a_gigabyte_is_left_out(tmp_path):
    with (tmp_path / "log.jsonl").open("wb") as stream:
        stream.write(rows({}).encode())
        stream.seek(3 * 2**20)
        stream.write(b"end\n" + rows({"text": "b"}).encode())
        stream.truncate(40 * 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    texts = [line.text for line in read_log(tmp_path / "log.jsonl")]
    assert [text for text in texts if "left out" not in text] == ["a", "b"]
    assert 1 <= len([text for text in texts if "left out" in text]) <= 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


def test_a_fifo_in_place_of_a_log_is_told_once_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "log.jsonl")
    tail = LogTail(tmp_path / "log.jsonl")
    (line,) = tail.read()
    assert "pipe" in line.text
    assert tail.read() == []
    assert last_lines(tmp_path / "log.jsonl", 3)[0].text == line.text
    with pytest.raises((Unwritable, OSError)):
        RunLog(tmp_path / "log.jsonl").write(1, "info", "text")


def test_a_tail_with_a_limit_says_what_it_passed_over(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(rows(*({"text": str(number)} for number in range(1000))))
    tail = LogTail(file, limit=1000)
    first, *lines = tail.read()
    assert "of the log before this are not shown" in first.text
    assert [line.text for line in lines] == [str(number) for number in range(1000 - len(lines), 1000)]
    with file.open("a") as stream:
        stream.write(rows({"text": "new"}))
    assert [line.text for line in tail.read()] == ["new"]


def test_a_large_log_of_a_crashed_run_costs_nothing(store, capsys):
    run = Store(store).create(Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "x"}}))
    block = rows(*({"text": "x" * 900} for _ in range(1000)))
    with run.log.open("w") as stream:
        for _ in range(200):
            stream.write(block)
        stream.write(rows({"text": "the last word"}))
    from vitbench.runs.process import this_process

    gone = this_process().model_copy(update={"pid": 2**22 - 1, "start_ticks": 1})
    assert isinstance(gone, ProcessName)
    write_status(run.folder, Status(state="running", process=gone, created_at=time.time()))
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for command in (["runs"], ["show", "last"], ["log", "last", "--lines", "3"]):
        assert main(command) == 0
    assert time.process_time() - began < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert capsys.readouterr().out.count("the last word") >= 3
