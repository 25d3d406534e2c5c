"""Positions and rewards recorded from DeepMind Lab (tests/data/dmlab_traces)."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "dmlab_traces"


class Trace(NamedTuple):
    actions: np.ndarray  # [T]
    rewards: np.ndarray  # [T]
    xy: np.ndarray  # [T, 2] before each step
    yaw: np.ndarray  # [T] before each step
    layout: str  # text of the maze, empty where the level has none


def load(name: str) -> Trace:
    data = json.loads((FOLDER / f"{name}.json").read_text())
    actions, rewards, positions, yaw = (np.array(data[key]) for key in ("a", "r", "pos", "yaw"))
    return Trace(actions, rewards, positions[:, :2], yaw, data["layout"] or "")
