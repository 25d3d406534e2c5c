from pathlib import Path

import pytest

import envs.minilab.bench
import envs.minilab.gallery
import envs.minilab.play
from envs import LEVELS
from envs.__main__ import main

TWO = ["rooms_watermaze", "seekavoid_arena_01"]


@pytest.fixture
def rates(monkeypatch):
    monkeypatch.setattr(envs.minilab.bench, "steps_per_second", lambda env: 1000.0 * env.num_envs)


def test_list_names_every_level_and_its_reference(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name, info in LEVELS.items():
        assert f"{name}\n" in printed and info.task in printed and info.reward in printed
        assert f"{info.agent_steps} agent steps" in printed
    assert "random 4.065, human 54\n" in printed


def test_bench_prints_a_line_a_level(capsys, rates):
    assert (
        main(["bench", "--env", *TWO, "--num-envs", "4", "--env-threads", "2", "--height", "24", "--width", "32"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: 4,000 agent steps/s (4 environments, 24x32, threads: 2)" for name in TWO]


def test_an_environment_that_breaks_ends_in_one_line(capsys):
    assert main(["bench", "--env", "gymnasium/tests.envs.gymnasium.test_failures:broken"]) == 2
    error = capsys.readouterr().err
    assert error.endswith("test_failures:broken, environment 0: KeyError: 'no such map'\n") and error.count("\n") == 1


def test_bench_and_gallery_take_every_level_by_default(capsys, rates, monkeypatch):
    monkeypatch.setattr(envs.minilab.gallery, "write_gallery", lambda names, folder: [folder / name for name in names])
    assert main(["bench", "--num-envs", "1"]) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == list(LEVELS)
    assert main(["gallery"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(Path("gallery") / name) for name in LEVELS]


def test_gallery_prints_what_it_wrote(capsys, tmp_path):
    assert main(["gallery", "--env", "seekavoid_arena_01", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(tmp_path / f"seekavoid_arena_01.{kind}") for kind in ("png", "mp4")]
    assert all(Path(line).exists() for line in printed)


def test_play_takes_a_level_and_a_seed(monkeypatch):
    played = []
    monkeypatch.setattr(envs.minilab.play, "play", lambda *arguments: played.append(arguments))
    assert main(["play", "rooms_watermaze"]) == main(["play", "seekavoid_arena_01", "--seed", "3"]) == 0
    assert played == [("rooms_watermaze", None), ("seekavoid_arena_01", 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "--env", "rooms_watermaze", "nowhere"], "unknown environment 'nowhere'"),
        (["bench", "--env", "rooms_watermaze", "--num-envs", "0"], "num_envs is 0: "),
        (["bench", "--env", "rooms_watermaze", "--height", "23"], "height is 23: "),
        (["gallery", "--env", "room_watermaze"], "Did you mean rooms_watermaze"),
        (["gallery", "--env", "rooms_watermaze", "--out", "/dev/null/x"], "Not a directory"),
        (["play", "room_watermaze"], "Did you mean rooms_watermaze"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line_and_exit_code_2(capsys, rates, arguments, message):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert not printed.out


@pytest.mark.parametrize("command", ["list", "play", "gallery", "bench"])
def test_help_has_an_example_of_every_command(capsys, command):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert f"  python -m envs {command}" in capsys.readouterr().out
