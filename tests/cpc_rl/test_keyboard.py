"""Play recorded from a keyboard, in a window without a screen."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import pytest
import torch

pytest.importorskip("pygame")

import pygame

from cpc_rl import pretrain
from cpc_rl.collect import main
from cpc_rl.keyboard import KeyboardPolicy
from cpc_rl.trajectories import read_manifest, read_rows
from envs.minilab.physics import ACTION_NAMES
from tests.toys import CountingEnv

pytestmark = pytest.mark.filterwarnings("ignore:.*matplotlib")  # Gymnasium asks for a window system
Events = dict[int, list[object]]
SMALL = ["--env", "seekavoid_arena_01", "--height", "24", "--width", "24", "--rows", "20", "--policy", "keyboard"]


def press(key: int) -> object:
    return pygame.event.Event(pygame.KEYDOWN, key=key)


def release(key: int) -> object:
    return pygame.event.Event(pygame.KEYUP, key=key)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Events]:
    """What happens at which tick of the clock; beyond the last of them the window is closed."""
    backend = matplotlib.get_backend()
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.init()
    events: Events = {}

    class Clock:
        ticks = 0

        def tick(self, fps: float) -> None:
            assert fps in (15, 30)
            due = events.get(self.ticks, [pygame.event.Event(pygame.QUIT)] if self.ticks > max(events) else [])
            for event in due:
                event() if isinstance(event, Callable) else pygame.event.post(event)  # type: ignore[arg-type]
            self.ticks += 1

    monkeypatch.setattr(pygame.time, "Clock", Clock)
    yield events
    pygame.event.clear()
    matplotlib.use(backend)


def record(out: Path, *flags: str) -> int:
    return main([*SMALL, "--out", str(out), *flags])


def test_the_keys_that_are_held_are_what_is_recorded(keyboard: Events, tmp_path: Path) -> None:
    keyboard[2] = [press(pygame.K_UP)]
    keyboard[5] = [press(pygame.K_LEFT)]
    keyboard[7] = [release(key) for key in (pygame.K_UP, pygame.K_LEFT)]
    keyboard[9] = [press(pygame.K_ESCAPE)]
    assert record(tmp_path / "play") == 0
    manifest = read_manifest(tmp_path / "play")
    assert (manifest.policy, manifest.env.num_envs, len(manifest.files), manifest.frames) == ("keyboard", 1, 1, 24)
    rows = read_rows(tmp_path / "play", manifest, 0)
    names = [ACTION_NAMES[action] for action in rows["last_action"][1:6, 0]]
    assert names == ["forward"] * 3 + ["look_left_forward"] * 2
    assert rows["is_first"][:, 0].tolist() == [True] + [False] * 19
    assert rows["valid"][:, 0].tolist() == [True] * 6 + [False] * 14  # the cut
    assert torch.equal(rows["obs"][6:], rows["obs"][5:6].expand(14, -1, -1, -1, -1))
    assert not torch.equal(rows["obs"][4], rows["obs"][5])


def test_the_same_command_adds_another_episode(
    keyboard: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard[0], keyboard[29] = [press(pygame.K_UP)], []
    assert record(tmp_path / "play") == 0 and record(tmp_path / "play") == 0
    printed = capsys.readouterr().out
    assert printed.count("escape        quit") == 2 and "done: " in printed and "the same command adds to it" in printed
    manifest = read_manifest(tmp_path / "play")
    files = [read_rows(tmp_path / "play", manifest, number) for number in range(len(manifest.files))]
    assert [file.steps for file in manifest.files] == [20, 11, 20, 11]
    assert [int(rows["is_first"].sum()) for rows in files] == [1, 0, 1, 0] and files[2]["is_first"][0, 0]
    assert not torch.equal(files[0]["obs"][0], files[2]["obs"][0])
    assert record(tmp_path / "play", "--policy", "random", "--num-envs", "1") == 2
    assert "was recorded with policy = keyboard" in capsys.readouterr().err


def test_pretraining_takes_what_was_cut(keyboard: Events, tmp_path: Path) -> None:
    keyboard[0], keyboard[22] = [press(pygame.K_UP)], []
    for _ in range(3):  # files of 20 and of 4 rows
        assert record(tmp_path / "play") == 0
    manifest = read_manifest(tmp_path / "play")
    assert [file.steps for file in manifest.files] == [20, 4] * 3
    flags = ["--aux", "cpc", "--cpc.steps", "5", "--frames", "300", "--run", str(tmp_path / "run"), "--device", "cpu"]
    assert pretrain.main(["--data", str(tmp_path / "play"), *flags]) == 0


def test_all_frames_end_it_and_so_does_a_signal(
    keyboard: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard[0], keyboard[100] = [press(pygame.K_UP)], []
    assert record(tmp_path / "whole", "--frames", "160") == 0
    assert read_manifest(tmp_path / "whole").frames == 160 and "adds to it" not in capsys.readouterr().out
    keyboard[0] = []
    keyboard[3] = [lambda: os.kill(os.getpid(), signal.SIGINT)]
    assert record(tmp_path / "none") == 130
    printed = capsys.readouterr()
    assert "stopped: " in printed.out and "0 frames in 0 files" in printed.out and "next:" not in printed.out


def test_other_levels_take_the_numbers_of_actions(keyboard: Events) -> None:
    keyboard[1] = [press(pygame.K_2)]
    keyboard[2] = [release(pygame.K_2), press(pygame.K_9)]  # there are three actions
    keyboard[4] = [release(pygame.K_9), press(pygame.K_0)]
    keyboard[6] = []
    env = CountingEnv([5])
    policy = KeyboardPolicy(env, lambda: False)  # type: ignore[arg-type]
    step = env.reset()
    assert [policy(step).tolist() for _ in range(2)] == [[2], [0]] and "escape" in policy.help
    assert pygame.display.get_caption()[0].startswith("counting: return 0 in 0 steps")
    policy(env.step(torch.tensor([0])))
    assert pygame.display.get_caption()[0].startswith("counting: return 1 in 1 steps")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--num-envs", "4"], "--num-envs 4: a person plays in one, so 1"),
        (["--env", "gymnasium/CartPole-v1"], "CartPole-v1 shows 4 numbers and no picture"),
    ],
)
def test_what_a_person_cannot_play_is_refused(
    flags: list[str], words: str, keyboard: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--policy", "keyboard", "--out", str(tmp_path / "play"), *flags]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not (tmp_path / "play").exists()


def test_without_pygame_or_a_display_there_is_a_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pygame.display.quit()
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    assert record(tmp_path / "play") == 2
    assert "there is no display to open a window on; start it on a desktop" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pygame", None)
    monkeypatch.delitem(sys.modules, "gymnasium.utils.play", raising=False)
    assert record(tmp_path / "play") == 2
    assert "--policy keyboard: playing needs pygame: pip install 'cpc-rl[play]'" in capsys.readouterr().err
    assert not (tmp_path / "play").exists()
