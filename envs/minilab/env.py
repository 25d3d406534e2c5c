"""`MinilabEnv`: a minilab level as a `BatchedEnv` of torch tensors, on the CPU or on a GPU."""

from __future__ import annotations

import zlib
from functools import cached_property, partial, reduce
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from envs.api import EnvStep
from envs.checks import check_actions, check_identity
from envs.config import PARTS, EnvConfig, Half, Look, RandomisedPart, Textures
from envs.minilab.engine import CpuRunner
from envs.minilab.engine_look import engine_scene, measures
from envs.minilab.levels import LEVELS, Level, load_level
from envs.minilab.overlay import new_overlay
from envs.minilab.physics import ACTION_REPEAT, ACTIONS
from envs.minilab.randomise import randomised
from envs.minilab.rng import new_streams
from envs.minilab.state import named_arrays, new_outputs
from envs.minilab.view import new_view


class Runner(Protocol):
    """What moves the arrays of a level: `engine.CpuRunner` or `cuda.CudaRunner`."""

    device: torch.device
    tensors: tuple[dict[str, Tensor], ...]  # of state, scene, view and outputs by dotted name, on `device`

    def reset(self, lo: int, hi: int) -> None:
        """Begin new episodes in environments [lo, hi) and draw them."""
        ...

    def step(self, actions: Tensor, autoreset: bool) -> None:
        """One agent step of all environments, and their pictures."""
        ...

    def draw(self, lo: int, hi: int) -> None:
        """Draw environments [lo, hi) as they are."""
        ...

    def close(self) -> None:
        """Stop what runs in the background."""
        ...


class MinilabEnv:
    """B environments of one level (see `envs.api.BatchedEnv`); autoreset is same-step.

    The tensors of an `EnvStep` are the engine's own and are overwritten by the next call. What happens in environment
    i depends on (`seed`, i) and its actions only, not on `num_envs` or `threads`.

    Attributes:
        episode_info: what the level counts in an episode (see `envs.api.Informative`).
        tensors: the level's state by dotted name, on `device`; may be read and written.
        state: the same as named tuples of arrays, on the CPU only (None on a GPU).
        outputs: what an `EnvStep` shows, as arrays, on the CPU only (None on a GPU).
        scene: what never changes, as the CPU's arrays.
    """

    backend = "minilab"
    reading = ""
    num_actions = len(ACTIONS)
    action_repeat = ACTION_REPEAT
    frames_per_second = 60.0
    restores = True

    def __init__(
        self,
        name: str,
        num_envs: int,
        height: int = 72,
        width: int = 96,
        seed: int = 0,
        *,
        evaluation: bool = False,
        threads: int = 1,
        device: Literal["cpu", "cuda"] = "cpu",
        layout: str | None = None,
        first: int = 0,
        textures: Textures = "drawn",
        look: Look = "plain",
        randomise: float = 0.0,
        randomise_parts: tuple[RandomisedPart, ...] = PARTS,
        randomise_half: Half = "both",
    ) -> None:
        """Prepare the level `name` of `envs.minilab.levels.LEVELS`; nothing is simulated before `reset`.

        Args:
            name: level.
            num_envs: B.
            height: of the picture in pixels.
            width: of the picture in pixels.
            seed: in [0, 2**63).
            evaluation: draw episodes from a seed space, and mazes from a pool, that training never sees.
            threads: how many threads share the batch (on the CPU).
            device: where the environments live; "cuda" is torch's current GPU.
            layout: text of the one maze to play in, for levels made of text; by default each episode draws one.
            first: number of the first environment: a batch can be shared out among processes.
            textures: look of walls, floors and skies, see `EnvConfig`.
            look: as minilab is, or as the real engine shows its levels, see `EnvConfig`.
            randomise: strength of domain randomisation, see `EnvConfig`.
            randomise_parts: what it changes.
            randomise_half: which half of the looks it draws from, see `EnvConfig`.

        Raises:
            ValueError: unknown level, a number out of `EnvConfig`'s bounds, bad seed, no such device, or a layout that
                the level cannot use.
        """
        EnvConfig(
            name=name,
            num_envs=num_envs,
            height=height,
            width=width,
            env_threads=threads,
            look=look,
            randomise=randomise,
        )  # its bounds
        self.name = name
        self.num_envs = num_envs
        self.obs_shape: tuple[int, ...] = (height, width, 3)
        self._pool = "layout" if layout is not None else "evaluation" if evaluation else "training"
        self.level = load_level(name)
        self.episode_info: tuple[str, ...] = getattr(self.level, "COUNTS", ())
        self.state: Any = self.level.new_state(new_streams(num_envs, seed, evaluation=evaluation, first=first))
        self.scene = _new_scene(name, self.level, evaluation, layout, textures)
        self.outputs: Any = new_outputs(num_envs, height, width)
        engine = look == "engine"
        if engine:
            self.scene = engine_scene(self.scene, self.level)
        parts = randomise_parts if randomise > 0 else ()
        overlay = partial(
            new_overlay,
            num_envs=num_envs,
            frames=LEVELS[name].agent_steps * ACTION_REPEAT,
            engine=engine,
            numbers=not getattr(self.level, "OWN_NUMBERS", False),
            choice="display" in parts,
            light="light" in parts,
        )
        scene, looks = self.scene, None
        self._look: dict[str, Any] = {"look": look} if engine else {}  # plain states of before say nothing of it
        if randomise > 0:
            atlas, looks = randomised(
                scene.atlas, self.level, num_envs, randomise, randomise_parts, textures, randomise_half
            )
            scene = scene._replace(atlas=atlas)
            self._look |= {"randomise": randomise, "randomise_parts": sorted(randomise_parts)}
            if randomise_half != "both":  # states of before say nothing of it
                self._look["randomise_half"] = randomise_half
        arrays = (
            self.state,
            scene,
            new_view(num_envs, self.level.PANELS, measures(self.level, engine)),
            self.outputs,
        )
        laid_over = overlay if engine or {"display", "light"} & {*parts} else None
        self.runner = _runner_type(device)(name, arrays, threads, looks, laid_over)
        self.device = self.runner.device
        if self.device.type != "cpu":  # where these would only seem to be the state
            self.state = self.outputs = None
        self.tensors, _, _, outputs = self.runner.tensors
        valid = torch.ones(num_envs, dtype=torch.bool, device=self.device)
        info = self.tensors["counts.ended"] if self.episode_info else None  # [B, N, 2]
        self._view = EnvStep(**outputs, valid=valid, info=info)

    def reset(self) -> EnvStep:
        """Begin a new episode in every environment: the first call episode 0, the next one episode 1, ..."""
        self.runner.reset(0, self.num_envs)
        return self._view

    def reset_one(self, i: int) -> EnvStep:
        """Begin a new episode in environment i only (for those who step without autoreset)."""
        self._check_index(i)
        self.runner.reset(i, i + 1)
        return self._view

    def step(self, actions: Tensor, *, autoreset: bool = True) -> EnvStep:
        """Apply `actions`, int64 [B] in [0, 9) (the order of `envs.minilab.physics.ACTION_NAMES`).

        Without `autoreset` the row that ends an episode shows its last frame; what follows is undefined until
        `reset` or `reset_one`.

        Raises:
            ValueError: wrong shape, type or device; on the CPU also an action out of range (a GPU takes the nearest
                allowed one, because asking would mean to wait for it).
        """
        check_actions(actions, self.num_envs, self.num_actions, self.device)
        self.runner.step(actions, autoreset)
        return self._view

    def part(self, start: int, stop: int) -> Part:
        """Environments [start, stop), to be stepped by a thread of their own (see `envs.api.Divisible`).

        Raises:
            ValueError: no such environments, or they live on a GPU, which does not need it.
        """
        if not 0 <= start < stop <= self.num_envs:
            raise ValueError(f"environments [{start}, {stop}); allowed: within [0, {self.num_envs})")
        if not isinstance(self.runner, CpuRunner):
            raise ValueError(f"environments on {self.device} are stepped as one")
        view = {name: x[start:stop] for name, x in self._view._asdict().items() if x is not None}
        return Part(self.runner, EnvStep(**view), start, stop)

    def poses(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Where the agents are: float32 [B, 3] of x, y (DeepMind Lab's units) and yaw (degrees)."""
        return torch.stack([self.tensors[f"body.{axis}"] for axis in ("x", "y", "yaw")], 1).cpu().numpy()  # [B, 3]

    def place(self, i: int, x: float, y: float, yaw: float) -> None:
        """Put agent i at rest at (x, y), looking along `yaw` (degrees from east), and draw what it sees.

        The point should be one that the agent can reach: inside a wall there is nothing to see.

        Raises:
            ValueError: no such environment, or a number that is not finite.
        """
        self._check_index(i)
        if not np.isfinite([x, y, yaw]).all():
            raise ValueError(f"the pose is ({x}, {y}, {yaw}); all three must be finite")
        values = {"x": x, "y": y, "yaw": (yaw + 180) % 360 - 180, "vx": 0.0, "vy": 0.0}
        for name, value in values.items():
            self.tensors[f"body.{name}"][i] = float(value)
        self.runner.draw(i, i + 1)

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the future, and for which environment: plain values and tensors (copies, CPU)."""
        return {
            **self._identity(),
            "arrays": {name: _signed(tensor).cpu().clone() for name, tensor in self.tensors.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken; pictures are redrawn.

        Raises:
            ValueError: the state belongs to another level, picture size, number of environments or pool of mazes.
        """
        check_identity(state, self._identity())
        arrays, ours = state.get("arrays", {}), {name: _signed(tensor) for name, tensor in self.tensors.items()}
        uncounted = {name for name in ours if name.startswith("counts.")} - arrays.keys()  # by an earlier version
        if arrays.keys() | uncounted != ours.keys():  # saved by another version; nothing has been touched yet
            raise ValueError(f"the saved environment and this one differ in {sorted(arrays.keys() ^ ours.keys())}")
        ours = {name: tensor for name, tensor in ours.items() if name not in uncounted}
        for name, tensor in ours.items():
            if (arrays[name].shape, arrays[name].dtype) != (tensor.shape, tensor.dtype):
                found, wanted = (f"{t.dtype} {list(t.shape)}" for t in (arrays[name], tensor))
                raise ValueError(f"the saved environment has {name} as {found}, this one as {wanted}")
        for name, tensor in ours.items():
            tensor.copy_(arrays[name])
        self.runner.draw(0, self.num_envs)

    def close(self) -> None:
        """Stop the threads; safe to call twice."""
        self.runner.close()

    def _identity(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "num_envs": self.num_envs,
            "obs_shape": list(self.obs_shape),
            "pool": self._pool,
            "scene": self._scene_sum,
            **self._look,
        }

    @cached_property
    def _scene_sum(self) -> int:
        """Tells scenes apart: a state holds numbers of mazes, which mean something in their own pool only."""
        return reduce(lambda total, array: zlib.crc32(array.tobytes(), total), named_arrays(self.scene).values(), 0)

    def _check_index(self, i: int) -> None:
        if not 0 <= i < self.num_envs:
            raise ValueError(f"environment {i}; allowed: 0 to {self.num_envs - 1}")


class Part:
    """Environments [start, stop) of a `MinilabEnv` on the CPU."""

    device = torch.device("cpu")

    def __init__(self, runner: CpuRunner, view: EnvStep, start: int, stop: int) -> None:
        """Use `MinilabEnv.part`."""
        self._runner, self._view, self._start, self._stop = runner, view, start, stop
        self._actions = torch.zeros(stop, dtype=torch.int64)  # the engine counts from the whole batch's first

    def step(self, actions: Tensor) -> EnvStep:
        """As `MinilabEnv.step`, for these only."""
        check_actions(actions, self._stop - self._start, MinilabEnv.num_actions, self.device)
        self._actions[self._start :] = actions
        self._runner.step_rows(self._start, self._stop, self._actions, autoreset=True)
        return self._view


def _runner_type(device: str) -> Any:
    if device == "cpu":
        return CpuRunner
    if device != "cuda":
        raise ValueError(f"device is {device!r}; minilab runs on 'cpu' and on 'cuda'")
    from envs.minilab.cuda import CudaRunner  # only where it is wanted: numba.cuda looks for drivers

    return CudaRunner


def _new_scene(name: str, level: Level, evaluation: bool, layout: str | None, textures: Textures) -> Any:
    if layout is None:
        return level.new_scene(evaluation=evaluation, textures=textures)
    if not hasattr(level, "scene_of_layout"):
        raise ValueError(f"{name} is not made of text: it takes no layout")
    return level.scene_of_layout(layout, textures=textures)


def _signed(tensor: Tensor) -> Tensor:
    """Unsigned 64-bit numbers as signed ones, which every torch can save."""
    return tensor.view(torch.int64) if tensor.dtype == torch.uint64 else tensor
