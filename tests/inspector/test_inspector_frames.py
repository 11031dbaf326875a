"""The inspector's process: odd frames are refused and it lives on; a dead one fails its own questions only."""

import asyncio
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vitbench.errors import UserError
from vitbench.inspector.arguments import ARGUMENTS, check_arguments
from vitbench.inspector.client import Inspector, InspectorError
from vitbench.inspector.protocol import announced, byte_count, parse_header

SERVER = str(Path(__file__).with_name("inspector_for_tests.py"))

ODD = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"7",
    b"{",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"id": ' + b"9" * 5000 + b"}",
    *(b'{"id": %s, "request": "echo"}' % value for value in (b"NaN", b'"x"', b"[1]", b"null", b"-1", b"1.5", b"true")),
    *(b'{"cancel": %s}' % value for value in (b'"x"', b"[]", b"1e999", b"null", b"{}", b"99", b"-1")),
    *(b'{"id": 5, "request": %s}' % value for value in (b"null", b"[]", b"{}", b"7", b'"none"')),
    *(b'{"id": 6, "request": "echo", "arguments": %s}' % value for value in (b"[]", b'"x"', b"7")),
    *(b'{"id": 7, "request": "echo", "replaces": %s}' % value for value in (b"[]", b"7", b"{}")),
    b'{"replaces": "x"}',
    b'{"id": 8, "request": "echo", "arrays": [{"name": "a", "dtype": "u1", "shape": [1000000000000]}]}',
    b'{"id": 9, "request": "' + b"x" * 1_000_000 + b'"}',
    b'{"id": 9, "request": "\\ud800"}',
    b'{"id": 10, "request": "echo", "arguments": {"a": ' + b"x" * (17 * 2**20) + b"}}",
]


def talk(*lines: bytes) -> tuple[list[dict], int]:
    """What a server answers to these lines, up to its answer to a good request with the id 1234; and its exit code."""
    last = b'{"id": 1234, "request": "chatter"}'
    with subprocess.Popen(
        [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        # Beside the reading: it answers before it has read everything.
        writing = threading.Thread(
            target=lambda: (process.stdin.write(b"\n".join([*lines, last, b""])), process.stdin.flush())
        )
        writing.start()
        answers = []
        while not answers or answers[-1]["id"] != 1234:
            line = process.stdout.readline()
            assert line.endswith(b"\n"), "it ended"
            answers.append(parse_header(line))
            for entry in announced(answers[-1]):
                process.stdout.read(byte_count(entry))
        writing.join()
        process.stdin.close()
        return answers, process.wait(timeout=30)


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
def test_an_odd_frame_is_refused_and_the_next_is_answered(line):
    answers, code = talk(line)
    assert code == 0
    assert answers[-1]["kind"] == "result"
    assert {answer["kind"] for answer in answers[:-1]} <= {"refused"}
    if line and b"cancel" not in line:
        assert answers[:-1]
    assert all(len(answer["message"]) < 2000 for answer in answers[:-1])


def test_any_mixture_of_frames_leaves_it_alive():
    seed = random.Random(0)
    lines = [seed.choice(ODD[:-1]) for _ in range(300)]
    good = [b'{"id": %d, "request": "echo"}' % number for number in range(100, 150)]
    answers, code = talk(*lines, *good)
    assert code == 0
    results = [answer["id"] for answer in answers if answer["kind"] == "result"]
    assert results == [*range(100, 150), 1234]


def test_an_id_in_use_is_refused_and_the_first_is_answered_once():
    answers, _ = talk(
        b'{"id": 3, "request": "slow", "arguments": {"steps": 3}}', b'{"id": 3, "request": "echo"}', b'{"cancel": 4}'
    )
    assert [answer["kind"] for answer in answers if answer["id"] == 3 and answer["kind"] != "progress"] == ["result"]
    assert [answer["kind"] for answer in answers if answer["id"] == 0] == ["refused"]


async def test_a_dead_inspector_fails_its_own_questions_only(tmp_path):
    """The first process ends while a grandchild holds its stderr open; the second is asked meanwhile."""
    client = Inspector(tmp_path, [sys.executable, SERVER])
    try:
        doomed = asyncio.create_task(client.ask("die_late"))
        while not client.is_running:
            await asyncio.sleep(0.01)
        while client.is_running:
            await asyncio.sleep(0.01)
        assert not doomed.done()
        following = asyncio.create_task(client.ask("slow", steps=100))
        with pytest.raises(InspectorError, match="exit code 3"):
            await asyncio.wait_for(doomed, timeout=20)
        assert (await asyncio.wait_for(following, timeout=30)).values["done"]
    finally:
        await client.close()


WRONG = [None, True, -1, 10**6, 1.5, "x" * 300_000, "nul\0", [], {}, [1, "x"], [-1], {"a": 1}]


def test_wrong_arguments_are_refused_by_name():
    good = {"a text": "x", "true or false": True, "the values of a request": {}, "the values of a drawing": {}}
    refused = 0
    for request, arguments in ARGUMENTS.items():
        whole = {name: good.get(argument.words, 1) for name, argument in arguments.items()}
        check_arguments(request, whole)
        for name, argument in arguments.items():
            for value in WRONG:
                fits = argument.fits(value) if value is not None else not argument.required
                if fits:
                    check_arguments(request, {**whole, name: value})
                    continue
                refused += 1
                with pytest.raises(UserError, match=name) as caught:
                    check_arguments(request, {**whole, name: value})
                assert len(str(caught.value)) < 300
    assert refused > 100
