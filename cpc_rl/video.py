"""One episode as an mp4, enlarged, with step and return below the picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw

from configs import UsageError
from cpc_rl.episodes import MAX_STEPS, Policy, play
from envs.api import BatchedEnv, EnvStep

STRIP = 16  # pixels of text below the picture
WIDTH = 384  # of a film, about


def check_video_path(path: Path) -> None:
    """Raise UsageError where `path` is not an mp4."""
    if path.suffix != ".mp4":
        raise UsageError(f"--video {path}: must end in .mp4")


def film(env: BatchedEnv, policy: Policy, path: Path, scale: int | None = None, max_steps: int = MAX_STEPS) -> float:
    """Play one episode in the first environment of `env` and write it to `path`.

    Args:
        env: Played in real time. What it sees is filmed where that is pictures, else its `picture(0)`.
        policy: Fresh, for `env.num_envs` environments.
        path: Ends in `.mp4`; folders above it are made.
        scale: Each pixel becomes a square of this side; by default the film is about 400 pixels wide.
        max_steps: Agent steps after which an episode that does not end is cut.

    Returns:
        The episode's return.

    Raises:
        UsageError: `path` is not an mp4, or there is nothing to see.
    """
    check_video_path(path)
    rows = _episode(env, policy, max_steps)
    total = 0.0
    first = next(rows)
    height, width = first[0].shape[:2]
    scale = scale or max(1, round(WIDTH / width))
    height, width = height * scale, width * scale
    size = (width + width % 2, height + STRIP + height % 2)  # H.264 wants even sides
    path.parent.mkdir(parents=True, exist_ok=True)
    fps = env.frames_per_second / env.action_repeat
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=fps, macro_block_size=1, ffmpeg_log_level="error")
    writer.send(None)
    for step, (pixels, reward) in enumerate(chain([first], rows)):
        total += reward
        canvas = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        canvas[:height, :width] = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        writer.send(_caption(canvas, f"step {step}   return {total:g}").tobytes())
    writer.close()
    return total


def _episode(env: BatchedEnv, policy: Policy, max_steps: int) -> Iterator[tuple[np.ndarray, float]]:
    """Yield (picture [H, W, 3], reward) of the first row of environment 0's first episode and its steps."""
    pixels = np.zeros(env.obs_shape, dtype=np.uint8)
    for number, row in enumerate(islice(play(env, policy), max_steps + 1)):
        reward = float(row.score[0]) if number else 0.0
        if not (number and row.is_first[0]):  # else: this row already shows the next episode, so hold the last picture
            pixels = picture(env, row)
        yield pixels, reward
        if number and bool((row.terminated | row.truncated)[0]):
            return


def picture(env: BatchedEnv, row: EnvStep) -> np.ndarray:
    """What there is to see in environment 0, uint8 [H, W, 3]. Raises UsageError where that is nothing."""
    if len(env.obs_shape) == 3:
        pixels = row.obs[0].cpu().numpy().copy()
        return pixels if pixels.shape[2] == 3 else pixels[..., -1:].repeat(3, axis=2)  # the newest of stacked greys
    drawn = getattr(env, "picture", lambda i: None)(0)
    if drawn is None:
        raise UsageError(f"{env.name} ({env.backend}) has no pictures to film")
    return np.asarray(drawn, dtype=np.uint8)


def _caption(canvas: np.ndarray, text: str) -> np.ndarray:
    image = Image.fromarray(canvas)
    ImageDraw.Draw(image).text((4, canvas.shape[0] - STRIP + 2), text, fill=(255, 255, 255))
    return np.asarray(image)
