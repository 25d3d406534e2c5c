"""One episode as an mp4, enlarged, with step and return below the picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw

from configs import UsageError
from cpc_rl.episodes import Policy, play
from envs.api import BatchedEnv

STRIP = 16  # pixels of text below the picture
ENGINE_FPS = 60


def check_video_path(path: Path) -> None:
    """Raise UsageError where `path` is not an mp4."""
    if path.suffix != ".mp4":
        raise UsageError(f"--video {path}: must end in .mp4")


def film(env: BatchedEnv, policy: Policy, path: Path, scale: int = 4) -> float:
    """Play one episode in the first environment of `env` and write it to `path`.

    Args:
        env: Its `action_repeat` sets the speed: 60 engine frames a second.
        policy: Fresh, for `env.num_envs` environments.
        path: Ends in `.mp4`; folders above it are made.
        scale: Each pixel becomes a square of this side.

    Returns:
        The episode's return.

    Raises:
        UsageError: `path` is not an mp4.
    """
    check_video_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = env.obs_shape[0] * scale, env.obs_shape[1] * scale
    size = (width + width % 2, height + STRIP + height % 2)  # H.264 wants even sides
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=ENGINE_FPS / env.action_repeat, macro_block_size=1, ffmpeg_log_level="error"
    )
    writer.send(None)
    total = 0.0
    for step, (pixels, reward) in enumerate(_episode(env, policy)):
        total += reward
        picture = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        picture[:height, :width] = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        writer.send(_caption(picture, f"step {step}   return {total:g}").tobytes())
    writer.close()
    return total


def _episode(env: BatchedEnv, policy: Policy) -> Iterator[tuple[np.ndarray, float]]:
    """Yield (picture [H, W, 3], reward) of each row of the first episode in environment 0."""
    pixels = np.zeros(env.obs_shape, dtype=np.uint8)
    for number, row in enumerate(play(env, policy)):
        reward = float(row.reward[0]) if number else 0.0
        if not (number and row.is_first[0]):  # else: this row already shows the next episode, so hold the last picture
            pixels = row.obs[0].cpu().numpy().copy()
        yield pixels, reward
        if number and bool((row.terminated | row.truncated)[0]):
            return


def _caption(picture: np.ndarray, text: str) -> np.ndarray:
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((4, picture.shape[0] - STRIP + 2), text, fill=(255, 255, 255))
    return np.asarray(image)
