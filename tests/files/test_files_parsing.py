"""JSON, JSON lines and TOML from outside: values, or one sentence with file and line."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitbench.files.parsing import (
    DEEPEST,
    Malformed,
    parse_json,
    parse_json_lines,
    parse_toml,
    read_json_object,
    read_toml,
    to_json,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half of a character is refused; brackets, quotes and backslashes are what the depth is counted around.
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.text('[]{}"\\e1'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\ab'), inner),
)


@given(PLAIN, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_can_hold_is_read(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse_json(text, "x") == value
    assert parse_json(text.encode(), "x") == value


@given(
    st.lists(
        st.sampled_from(["[", "]", '"[', ']"', '"]",', "[],", '\\"', '"', "{", "}", "1", ",", '"a":']), max_size=400
    ),
    st.integers(0, DEEPEST + 3),
)
def test_the_quick_look_at_the_depth_agrees_with_a_slow_one(pieces, levels):
    """Pieces that are JSON by chance, and the same as a text, which is JSON always, inside so many lists."""
    inside = "[" * levels + json.dumps("".join(pieces)) + "]" * levels
    assert ("nested deeper" in refusal(inside)) == (levels > DEEPEST)
    text = "".join(pieces)
    try:
        value = json.loads(text)
    except ValueError:
        return
    assert ("nested deeper" in refusal(text)) == (depth(value) > DEEPEST)


def refusal(text) -> str:
    try:
        parse_json(text, "x")
    except Malformed as error:
        return str(error)
    return ""


def depth(value) -> int:
    """Levels of nesting, counted over plain values."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return isinstance(value, dict | list) + max(map(depth, inner), default=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * DEEPEST + "1" + "]" * DEEPEST, None),
        ("[" * (DEEPEST + 1) + "1" + "]" * (DEEPEST + 1), "line 1: it is nested deeper than 64 levels"),
        ('["]",' * 100 + "1" + "]" * 100, "line 1: it is nested deeper than 64 levels"),
        ('{"a":\n' * 100_000, "line 65: it is nested deeper"),
        ("[" * 100_000, "nested deeper"),
        ("\n" + "9" * 5000, "line 2: a number is too large"),
        ("[1,\n9223372036854775808]", "line 2: a number is too large (beyond 64 bits)"),
        ("[0.12345678901234567890123, -9223372036854775808]", None),
        ("[0.5, \n1e400]", "line 2: a number is too large (beyond the range of a float)"),
        ("-1" + "0" * 400 + ".0", "line 1: a number is too large"),
        ('["NaN",\nNaN]', "line 2: NaN is not a number that JSON knows"),
        ("[-Infinity]", "line 1: -Infinity is not"),
        ('["a",\n"\\ud800"]', "line 2: \\ud800 is half of a character"),
        ('"\\udc00\\ud83d"', "\\udc00 is half"),
        ('"\\ud83d\\ude00 \\\\ud800"', None),
        ('{"a":\n1 2}', "line 2: it is not valid JSON"),
        ("", "line 1: it is not valid JSON"),
        (b"[1,\n\xff]", "line 2: it is not UTF-8 text"),
        (b"\xef\xbb\xbf[1]", None),
    ],
)
def test_json_is_read_or_refused_with_its_line(text, message):
    if message is None:
        parse_json(text, "notes.json")
        return
    with pytest.raises(Malformed) as caught:
        parse_json(text, "notes.json")
    assert str(caught.value).startswith("notes.json, ")
    assert message in str(caught.value)


def test_nan_is_read_where_it_is_expected():
    first, second, third = parse_json("[NaN, -Infinity, 1e400]", "x", allow_nan=True)
    assert math.isnan(first)
    assert second == -math.inf
    assert third == math.inf


def test_json_lines_are_counted():
    lines = parse_json_lines('{"a": 1}\n\n[2]\n{"a"\n', "rows.jsonl")
    assert [next(lines), next(lines)] == [(1, {"a": 1}), (3, [2])]
    with pytest.raises(Malformed, match=r"rows.jsonl, line 4: it is not valid JSON"):
        next(lines)


def test_an_object_is_asked_for(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(Malformed, match=r"x.json has a list where an object"):
        read_json_object(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 4000, "nested deeper than 64 levels"),
        ("a = " + "[" * 100 + "]" * 100, "nested deeper than 64 levels"),
        ("\na = " + "9" * 5000, "line 2: a number is too large"),
        ("a = 0x" + "f" * 3000, "a number is too large"),
        (".".join("a" * 100_000) + " = 1", "line 1: it has 200,003 characters"),
        ("x = {" + ".".join("a" * 100_000) + " = 1}", "line 1: it has"),
        ("\n\na = = 3", "line 3: it is not valid TOML: Invalid value (column 5)"),
        ("a = [1,\n", "line 2: "),
        ('a = "\\ud800"', "line 1: "),
        ('a = "x\\u0000"', "a text holds a NUL character"),
        ("a.b = 1\na = 2", "line 2: "),
    ],
)
def test_toml_is_refused_with_its_line(text, message):
    began = time.monotonic()
    with pytest.raises(Malformed) as caught:
        parse_toml(text, "recipe.toml")
    assert time.monotonic() - began < 5
    assert str(caught.value).startswith("recipe.toml")
    assert message in str(caught.value)


def test_many_long_keys_take_no_time(tmp_path):
    (tmp_path / "recipe.toml").write_text("\n".join(f"[a{'.b' * 4000}.c{i}]" for i in range(12)))
    began = time.process_time()
    with pytest.raises(Malformed):
        read_toml(tmp_path / "recipe.toml")
    assert time.process_time() - began < 10


@given(PLAIN | st.floats() | st.lists(st.floats()) | st.dictionaries(st.text(), st.floats()))
def test_what_is_written_is_valid_json(value):
    json.loads(to_json(value), parse_constant=lambda word: pytest.fail(f"{word} was written"))


def test_what_is_no_number_is_null():
    assert to_json({"a": [math.nan, math.inf, 1.5], "b": "\ud800"}) == '{"a": [null, null, 1.5], "b": "\\ud800"}'
