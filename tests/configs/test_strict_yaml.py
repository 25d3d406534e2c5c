import math
import os
from pathlib import Path
from typing import Any

import pytest

from configs.strict_yaml import BYTES, DEPTH, read_yaml


def read(tmp_path: Path, text: str | bytes) -> Any:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path)


def bomb(first: str, line: str) -> str:
    """Nine lines, each of nine aliases of the one before: as a tree, 9^9 values."""
    lines = [f"{chr(i)}: &{chr(i)} " + line.format(",".join([f"*{chr(i - 1)}"] * 9)) for i in range(ord("b"), ord("j"))]
    return "\n".join([first, *lines])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "{a: 1, b: -2.5, c: true, d: null, e: word, f: [1, x]}",
            {"a": 1, "b": -2.5, "c": True, "d": None, "e": "word", "f": [1, "x"]},
        ),
        ("a: 2020-11-05", {"a": "2020-11-05"}),  # a date is a text
        ("a: 2020-13-45", {"a": "2020-13-45"}),
        ("a: =", {"a": "="}),
        ("a: 9223372036854775807", {"a": 2**63 - 1}),
        ("a: 0xff", {"a": 255}),
        ("a: .inf", {"a": math.inf}),
        ("a: !!int 3", {"a": 3}),
        (
            "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: [*x, *x]",
            {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}, "c": [{"p": 1, "q": 2}] * 2},
        ),
        ("x: " + "[" * (DEPTH - 2) + "]" * (DEPTH - 2), None),
        ("\ufeffa: 1", {"a": 1}),
        ("", None),
    ],
)
def test_what_a_configuration_may_say(tmp_path: Path, text: str, value: Any) -> None:
    found = read(tmp_path, text)
    assert found == value if value is not None or not text else len(found) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 1", "not valid YAML: line 4, column 3: the key c is there twice"),
        ("a: 1\n'a': 2", "line 2, column 1: the key a is there twice"),
        ("1: 2", "line 1, column 1: the key 1 must be text"),
        ("true: 2", "the key true must be text"),
        ("[1]: 2", "the key that is no scalar must be text"),
        ("a: !!int x", "line 1, column 4: x is no whole number below 2^63"),
        ("a: !!float x", "x is no number"),
        ("a: !!bool x", "x is neither true nor false"),
        ("a: !!timestamp x", "the tag tag:yaml.org,2002:timestamp has no place here"),
        ("a: !!set {x}", "the tag tag:yaml.org,2002:set has no place here"),
        ("a: !!binary aGk=", "the tag tag:yaml.org,2002:binary has no place here"),
        ("a: !!python/name:os.system", "python/name:os.system has no place here"),
        ("a: 9223372036854775808", "9223372036854775808 is no whole number"),
        ("a: " + "1" * 5000, f"{'1' * 40}... (5,000 characters) is no whole number"),
        ("a: 0x" + "f" * 5000, "is no whole number"),
        ("a: " + ":".join(["1"] * 4000), "is no whole number"),  # to base 60
        ("a: " + ":".join(["1"] * 4000) + ".5", "is no number"),
        ("a: &x [*x]", "line 1, column 8: an alias within what it stands for"),
        ("a: &x {b: *x}", "an alias within what it stands for"),
        ("a: *x", "found undefined alias 'x'"),
        (bomb("a: &a [1,1,1,1,1,1,1,1,1]", "[{}]"), "more than 100,000 values, aliases counted"),
        (bomb("a: &a {x: 1}", "{{<<: [{}]}}"), "more than 100,000 values, aliases counted"),
        ("[" * 1500 + "]" * 1500, "line 1, column 51: more than 50 lists or sections in each other"),
        ("{a: " * 1500, "more than 50"),
        ("- " * 1500, "more than 50"),
        ("a: 1\n---\na: 1", "line 2, column 1: but found another document"),
        ("a: [1", "line 1, column 6"),
        ("a: \0", "not valid YAML"),
        ('a: "\\0"', "a text with a character that no file can hold"),
        ('"\\ud800": 1', "a text with a character that no file can hold"),
        (b"a: \xff", "can't decode byte 0xff"),
        ("a: " + " " * BYTES, "more than 200,000 bytes are no configuration"),
    ],
)
def test_anything_else_is_one_line_that_says_where(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_pipe_or_a_folder_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match="not a regular file"):
            read_yaml(path)
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "nowhere")
