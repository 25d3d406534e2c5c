"""The command `cpc-rl`."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from agents.cli import COMMANDS, EXAMPLES, main

ROOT = Path(__file__).parents[2]


def test_the_command_is_installed_with_the_package() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"cpc-rl": "agents.cli:main"}


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_and_how_to_begin(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and summary in printed for name, (_, summary) in COMMANDS.items())
    assert EXAMPLES.splitlines()[0] in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_program_with_a_help_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = COMMANDS[name][0]
    assert callable(import_module(module).main)
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code in (0, None) and module.removesuffix(".__main__") in capsys.readouterr().out


def test_the_examples_are_command_lines_that_are_taken(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from agents.a2c import parse

    train, evaluate, compare = (line.split()[1:] for line in EXAMPLES.splitlines())
    assert str(parse(train[1:]).run.run) == "runs/first"
    for words in (evaluate, compare):
        assert main([word.replace("runs/", f"{tmp_path}/runs/") for word in words]) == 2
        assert f"{tmp_path}/runs/first: no such run directory" in capsys.readouterr().err


def test_a_command_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian", "--env", "x"]) == 2
    assert capsys.readouterr().err == "error: cpc-rl trian: no such command; did you mean train?\n"


def test_a_refusal_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--num-envs", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: --num-envs 0: ")
