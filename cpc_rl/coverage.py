"""Where agents go in minilab: the share of the cells that an episode visits, and a picture on the level's map."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cpc_rl.episodes import Policy, Told, interval
from envs.api import BatchedEnv, EnvStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from envs.minilab.levels import PlanShape
    from envs.minilab.plans import Cells

FINE = 4  # squares of the picture to a side of a cell
MOST_MAPS = 4  # in the picture
LARGE = 5000.0  # square units: what is larger is ground, the rest lies on it


@dataclass
class Map:
    """One map and where agents were on it."""

    cells: Cells
    shapes: list[PlanShape]  # that all its episodes began with
    steps: npt.NDArray[np.int32]  # [FINE R, FINE C] agent steps in each square
    shares: list[float]  # of its open cells, that each episode visited

    @property
    def density(self) -> Any:
        """Agent steps of an episode in each square, masked where there are none: [FINE R, FINE C]."""
        return np.ma.masked_equal(self.steps / len(self.shares), 0)


class Coverage:
    """A policy that notes where its agents are.

    Attributes:
        maps: the first ones that were played on, `MOST_MAPS` at most.
        shares: of each episode, the share of its map's open cells that the agent was in.
    """

    def __init__(self, env: Any, policy: Policy, episodes: int, max_steps: int) -> None:
        """`env` is a `MinilabEnv` that `covers`; `episodes` and `max_steps` are those of `cpc_rl.episodes.evaluate`."""
        self._env, self._policy, self._max_steps = env, policy, max_steps
        batch = env.num_envs
        self._wanted = np.array([len(range(i, episodes, batch)) for i in range(batch)])
        self._begun, self._age = np.zeros(batch, np.int64), np.zeros(batch, np.int64)  # episodes; rows of this one
        self._on: list[tuple[Cells, Map | None]] = []  # what each plays on
        self.maps: dict[bytes, Map] = {}
        self.shares: list[float] = []

    def __call__(self, step: EnvStep) -> Tensor:
        """Act on one row as the policy does: int64 [B]."""
        for i in np.flatnonzero(step.is_first.cpu().numpy()).tolist():
            self._finish(i)
            self._begin(i)
        wanted = (self._begun <= self._wanted) & (self._age < self._max_steps)
        self._age += 1
        pose = self._env.poses()  # [B, 3]
        cells = self._on[0][0]
        size = cells.size / FINE
        row, column = ((pose[:, k] - edge) // size for k, edge in ((1, cells.south), (0, cells.west)))
        _, rows, columns = self._steps.shape
        row, column = np.clip(row, 0, rows - 1).astype(int), np.clip(column, 0, columns - 1).astype(int)
        self._steps[np.arange(len(pose)), row, column] += wanted
        return self._policy(step)

    def told(self) -> Told:
        """The mean share of an episode, with its interval over episodes. Ends the episodes that are under way."""
        for i in range(len(self._on)):
            self._finish(i)
        self._begun[:] = self._wanted + 1  # what comes now counts no more
        low, high = interval(np.array(self.shares))
        return Told(float(np.mean(self.shares)), low, high, len(self.shares))

    def _begin(self, i: int) -> None:
        level, state, scene = self._env.level, self._env.state, self._env.scene
        cells = level.open_cells(i, state, scene)
        if not self._on:
            rows, columns = cells.open.shape  # the same on all maps of a level
            self._on = [(cells, None)] * self._env.num_envs
            self._steps = np.zeros((self._env.num_envs, FINE * rows, FINE * columns), np.int32)
        key = cells.open.tobytes()
        shapes = level.plan(i, state, scene) if key in self.maps or len(self.maps) < MOST_MAPS else []
        if key not in self.maps and len(self.maps) < MOST_MAPS:
            self.maps[key] = Map(cells, shapes, np.zeros_like(self._steps[0]), [])
        self._begun[i] += 1
        self._age[i] = 0
        found = self.maps.get(key)
        self._on[i] = cells, found
        if found is not None and self._begun[i] <= self._wanted[i]:
            found.shapes = [shape for shape in found.shapes if shape in shapes]

    def _finish(self, i: int) -> None:
        if not 0 < self._begun[i] <= self._wanted[i]:
            return
        cells, found = self._on[i]
        rows, columns = cells.open.shape
        visited = self._steps[i].reshape(rows, FINE, columns, FINE).any((1, 3)) & cells.open
        self.shares.append(float(visited.sum() / cells.open.sum()))
        if found is not None:
            found.steps += self._steps[i]
            found.shares.append(self.shares[-1])
        self._steps[i] = 0


def draw(title: str, seen: Mapping[str, Coverage]) -> bytes:
    """A PNG of the maps with how long agents were where: a row a policy, or a column where there is one map only."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure  # not pyplot: a notebook's own back end stays as it is

    maps = {name: list(each.maps.values()) for name, each in seen.items()}
    most = max(map(len, maps.values()))
    rows, columns = (1, len(seen)) if most == 1 else (len(seen), most)
    height, width = next(iter(maps.values()))[0].cells.open.shape
    figure = Figure(
        figsize=(4 * columns + 1.2, max(2.8, (4 * height / width + 0.3) * rows + 0.4)), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    drawn = [found.density for each in maps.values() for found in each]
    norm = LogNorm(min(density.min() for density in drawn), max(density.max() for density in drawn))
    panels = [(name, number) for name in seen for number in range(most)]
    for axis, (name, number) in zip(axes.ravel(), panels, strict=True):
        axis.set_axis_off()
        if number < len(maps[name]):
            image = _map(axis, maps[name][number], norm, name)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.01, format="%g")
    bar.set_label("agent steps in an episode", fontsize=8)
    figure.suptitle(title, fontsize="medium")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _map(axis: Axes, found: Map, norm: Any, name: str) -> Any:
    from matplotlib.patches import Polygon

    for shape in found.shapes:
        ground = _area(shape.points) > LARGE
        colour = np.array(shape.colour) / 255
        pale = 0.75 + 0.25 * colour if ground else colour
        axis.add_patch(Polygon(shape.points, closed=True, color=pale, linewidth=0, zorder=1 if ground else 3))
    cells, rows, columns = found.cells, *found.steps.shape
    east, north = cells.west + columns / FINE * cells.size, cells.south + rows / FINE * cells.size
    image = axis.imshow(
        found.density,
        cmap="viridis_r",
        norm=norm,
        origin="lower",
        extent=(cells.west, east, cells.south, north),
        interpolation="nearest",
        zorder=2,
    )
    axis.set(xlim=(cells.west, east), ylim=(cells.south, north), aspect="equal")
    episodes = f"{len(found.shares)} episode{'s' * (len(found.shares) > 1)}"
    axis.set_title(f"{name}: visits {np.mean(found.shares):.0%} of the cells, {episodes}", fontsize=9)
    return image


def _area(points: Sequence[tuple[float, float]]) -> float:
    """Of a polygon."""
    x, y = np.array(points).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def covers(env: BatchedEnv) -> bool:
    """Whether `Coverage` can watch in `env`: a level of minilab that says which of its cells are open, on the CPU."""
    return env.backend == "minilab" and env.device.type == "cpu" and hasattr(getattr(env, "level", None), "open_cells")
