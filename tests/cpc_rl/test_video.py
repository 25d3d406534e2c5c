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


def test_only_mp4(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must end in .mp4"):
        film(CountingEnv([3]), lambda step: torch.zeros(1, dtype=torch.int64), tmp_path / "x.gif")
