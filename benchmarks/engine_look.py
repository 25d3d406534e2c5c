"""minilab's two looks beside frames of the real DeepMind Lab, at the same poses: pictures, differences, speed.

    python benchmarks/engine_look.py | tee benchmarks/results/engine_look.md

The frames are in `benchmarks/frames/`, one under the other (rendered from
DeepMind Lab's assets, CC BY 4.0). Writes `docs/looks/<level>-engine.png`:
the engine on the left, then minilab with `--look engine` and with `--look plain`.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from hardware import hardware
from PIL import Image

from envs.config import Look
from envs.minilab.env import MinilabEnv

HERE = Path(__file__).parent
LOOKS: tuple[Look, ...] = ("engine", "plain")
REGIONS = {"upper half": slice(0, 36), "middle": slice(36, 56), "display": slice(56, 72)}  # rows of 72
ROUNDS, STEPS, BATCH, ENLARGEMENT = 60, 8, 32, 3
# x, y, yaw of the frames, found by fitting minilab's picture to one that was drawn at the recorded pose.
POSES = {
    "rooms_watermaze": (
        (-333.20, 664.08, -139.20),
        (-546.09, 497.51, -116.59),
        (-633.72, 107.78, 17.66),
    ),
    "seekavoid_arena_01": (
        (295.03, -56.29, -168.09),
        (368.31, -401.77, -12.02),
        (211.18, -166.06, -111.60),
        (414.00, -232.43, 7.21),
    ),
}
Frames = npt.NDArray[np.uint8]  # [N, 72, 96, 3]


def recorded(level: str) -> Frames:
    """The engine's frames."""
    with Image.open(HERE / "frames" / f"{level}.png") as image:
        return np.asarray(image.convert("RGB")).reshape(-1, 72, 96, 3)


def drawn(level: str, look: Look) -> Frames:
    """The pictures of minilab at the frames' poses."""
    env = MinilabEnv(level, 1, look=look)
    env.reset()
    frames = []
    for pose in POSES[level]:
        env.place(0, *pose)
        frames.append(env.outputs.obs[0].copy())
    env.close()
    return np.stack(frames)


def difference(one: Frames, other: Frames) -> float:
    """Mean absolute difference of channels, of 255."""
    return float(np.abs(one.astype(np.int64) - other).mean())


def speed_ratio(level: str) -> float:
    """Agent steps a second with the engine's look over those without it: median of rounds in turns."""
    envs = [MinilabEnv(level, BATCH, look=look) for look in LOOKS]
    actions = torch.randint(9, (STEPS, BATCH), generator=torch.Generator().manual_seed(0))
    seconds: list[list[float]] = [[], []]
    for k in range(ROUNDS + 1):
        for env, taken in zip(envs, seconds, strict=True):
            if k == 0:
                env.reset()
            start = time.perf_counter()
            for row in actions:
                env.step(row)
            taken.append(time.perf_counter() - start)
    return statistics.median(plain / engine for engine, plain in zip(seconds[0][1:], seconds[1][1:], strict=True))


def main() -> None:
    torch.set_num_threads(1)
    print(f"# The engine's look\n\n{hardware()}\n")
    print("Mean absolute difference from the real engine's frames, of 255; speed: ratio to the plain look.\n")
    print(f"| level | look | {' | '.join(REGIONS)} | brightness (engine's) | speed |")
    print("|---" * (len(REGIONS) + 4) + "|")
    for level in POSES:
        real, pictures = recorded(level), {look: drawn(level, look) for look in LOOKS}
        for look, ours in pictures.items():
            cells = [f"{difference(ours[:, rows], real[:, rows]):.0f}" for rows in REGIONS.values()]
            cells += [
                f"{ours.mean():.0f} ({real.mean():.0f})",
                f"{speed_ratio(level):.2f}" if look == "engine" else "1",
            ]
            print(f"| {level} | {look} | {' | '.join(cells)} |")
        sheet = np.concatenate(
            [np.concatenate([frames, 255 + 0 * frames[:, :, :4]], 2) for frames in (real, *pictures.values())], 2
        )
        rows = sheet.reshape(-1, sheet.shape[2], 3)
        path = HERE.parent / "docs" / "looks" / f"{level}-engine.png"
        large = Image.fromarray(rows).resize((rows.shape[1] * ENLARGEMENT, rows.shape[0] * ENLARGEMENT), 0)
        large.quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
