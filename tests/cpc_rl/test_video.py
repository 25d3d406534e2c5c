from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from configs import UsageError
from cpc_rl.episodes import RandomPolicy
from cpc_rl.video import film
from tests.toys import CountingEnv


@pytest.mark.parametrize("next_step", [False, True])
def test_one_episode_with_its_speed_size_and_pictures(tmp_path: Path, next_step: bool) -> None:
    env = CountingEnv([30], next_step=next_step, obs_shape=(21, 33, 3))
    path = tmp_path / "new" / "episode.mp4"
    assert film(env, RandomPolicy(3, seed=1), path, scale=3) == 30.0
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    assert meta["size"] == (100, 80)  # 99 x 63 enlarged, 16 of text, rounded up to even
    assert meta["fps"] == 15  # 60 engine frames a second, action repeat 4
    frames = [np.frombuffer(f, dtype=np.uint8).reshape(80, 100, 3) for f in reader]
    assert len(frames) == 31  # the first picture and one a step
    shown = [float(f[:60, :90].mean()) for f in frames]
    assert shown == pytest.approx([*range(30), 30 if next_step else 29], abs=2)  # pixels show the step
    assert all(f[63:, :, :].max() > 120 for f in frames)  # something is written below


def test_an_episode_that_does_not_end_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "episode.mp4"
    assert film(CountingEnv([30], obs_shape=(24, 32, 3)), RandomPolicy(3, seed=1), path, max_steps=4) == 4.0
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 5  # the first picture and one a step


def test_only_mp4(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must end in .mp4"):
        film(CountingEnv([3]), lambda step: torch.zeros(1, dtype=torch.int64), tmp_path / "x.gif")


class Pictured(CountingEnv):
    """Sees vectors; people see a grey picture as bright as the step."""

    frames_per_second = 50.0
    action_repeat = 1

    def picture(self, i: int) -> np.ndarray:
        assert i == 0
        return np.full((20, 40, 3), 8 * int(self.step_number[0]), dtype=np.uint8)


def test_vectors_are_filmed_by_the_environments_own_picture(tmp_path: Path) -> None:
    path = tmp_path / "episode.mp4"
    assert film(Pictured([30], next_step=True, obs_shape=(4,)), RandomPolicy(3, seed=1), path) == 30.0
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    assert meta["size"] == (400, 216) and meta["fps"] == 50  # ten times as large
    shown = [float(np.frombuffer(f, dtype=np.uint8).reshape(216, 400, 3)[:200].mean()) for f in reader]
    assert shown == pytest.approx([8 * n for n in range(31)], abs=4)


def test_of_stacked_greys_the_newest_is_filmed(tmp_path: Path) -> None:
    path = tmp_path / "episode.mp4"
    film(CountingEnv([3], obs_shape=(24, 32, 4)), RandomPolicy(3, seed=1), path)
    assert next(imageio_ffmpeg.read_frames(str(path)))["size"] == (384, 304)


def test_nothing_to_film(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"counting \(toy\) has no pictures"):
        film(CountingEnv([3], obs_shape=(4,)), RandomPolicy(3, seed=1), tmp_path / "new" / "x.mp4")
    assert not (tmp_path / "new").exists()
