"""`LabEnv`: one `deepmind_lab.Lab` as a gymnasium environment. It lives in a worker: nothing here imports torch."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from envs.dmlab.cache import LevelCache
from envs.dmlab.diagnosis import not_built, not_compiled
from envs.dmlab.module import why_not
from envs.errors import Incurable
from envs.workers.overheard import overheard

Frame = np.ndarray[Any, np.dtype[np.uint8]]

ACTION_REPEAT = 4  # engine frames in an agent step
MAX_SEED = 2**31 - 1  # the engine takes C's int, and of greater ones the lower bits
EVALUATION_MIXER_SEED = 0x600D5EED  # IMPALA's; mixed into every seed by the engine
FRAME = "RGB_INTERLEAVED"
REMAINING = "FRAMES_REMAINING_AT_60"  # not every level has it

# IMPALA's nine (Espeholt et al. 2018), in the order of `envs.minilab.physics.ACTION_NAMES`. The engine reads the row's
# memory as it lies there: it must be contiguous and of C's int.
ACTIONS = np.array(
    [  # look right, look down, strafe right, forward, fire, jump, crouch; looks in pixels a frame
        [0, 0, 0, 1, 0, 0, 0],  # forward
        [0, 0, 0, -1, 0, 0, 0],  # backward
        [0, 0, -1, 0, 0, 0, 0],  # strafe left
        [0, 0, 1, 0, 0, 0, 0],  # strafe right
        [-20, 0, 0, 0, 0, 0, 0],  # look left
        [20, 0, 0, 0, 0, 0, 0],  # look right
        [-20, 0, 0, 1, 0, 0, 0],  # look left and forward
        [20, 0, 0, 1, 0, 0, 0],  # look right and forward
        [0, 0, 0, 0, 1, 0, 0],  # fire
    ],
    np.intc,
)


class LabSettings(NamedTuple):
    """What a Lab is built from."""

    level: str  # path below game_scripts/levels, or one that ends in .lua
    height: int
    width: int
    renderer: str  # "software" or "hardware", as the module was built
    cache: Path  # folder of compiled maps
    evaluation: bool  # seeds mean other episodes than in training
    hold_out: bool  # the level asks to be allowed
    warn: bool  # about the cache; one worker does for all


class LabEnv(gymnasium.Env[Frame, np.int64]):
    """One Lab, built by the first `reset`: whoever only asks for the spaces does not need an engine.

    DeepMind Lab does not show the frame behind an episode's last action: `step` repeats the one in front of it there.
    """

    def __init__(self, settings: LabSettings) -> None:
        """Build nothing yet."""
        self.observation_space = Box(0, 255, (settings.height, settings.width, 3), np.uint8)
        self.action_space = Discrete(len(ACTIONS))
        self._settings = settings
        self._lab: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._last: Frame | None = None
        self._remaining = 0.0  # frames, by the level's own clock

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Begin the episode of `seed`, in [0, 2**31); there is no unseeded one. Frames are uint8 [H, W, 3].

        Raises:
            ValueError: no seed, or one out of range.
            Incurable: no seed can be played.
        """
        if seed is None:  # the engine would take the second of the day, and so would its neighbours
            raise ValueError("an episode of DeepMind Lab needs a seed")
        if not 0 <= seed <= MAX_SEED:  # the engine would take another one, without a word
            raise ValueError(f"seed is {seed}; DeepMind Lab has those in [0, {MAX_SEED}]")
        with overheard(Path(tempfile.gettempdir())) as said:
            if self._lab is None:
                self._lab = self._build(said)
            try:
                self._lab.reset(seed=int(seed))  # NumPy's integers are refused
            except RuntimeError as error:
                if why := not_compiled(error):
                    raise Incurable(why) from error
                raise
        return self._observe(), {}

    def step(self, action: np.int64 | int) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Hold an action of `ACTIONS` for four frames.

        The engine does not say why an episode ended: it was the time limit if the level's clock had run down (or the
        level has none), else `terminated`.
        """
        if self._lab is None or self._last is None:
            raise RuntimeError("reset comes before step")
        reward = float(self._lab.step(ACTIONS[action], num_steps=ACTION_REPEAT))
        if self._lab.is_running():
            return self._observe(), reward, False, False, {}
        timed_out = self._remaining < ACTION_REPEAT + 0.5  # as seen in front of the last step
        return self._last, reward, not timed_out, timed_out, {}

    def close(self) -> None:
        """Release the engine; safe to call twice. A `reset` after it builds another Lab."""
        lab, self._lab, self._last = self._lab, None, None
        if lab is not None:
            lab.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _observe(self) -> Frame:
        observations = self._lab.observations()  # a fresh array at each call
        frame: Frame = observations[FRAME]
        self._last = frame
        self._remaining = float(observations.get(REMAINING, np.zeros(1))[0])
        return frame

    def _build(self, said: Callable[[], str]) -> Any:
        if missing := why_not():
            raise Incurable(f"deepmind_lab cannot be imported ({missing})")
        deepmind_lab = importlib.import_module("deepmind_lab")
        s = self._settings
        config = {"width": str(s.width), "height": str(s.height), "logLevel": "WARN"}  # or it prints its mazes
        if s.evaluation:
            config["mixerSeed"] = str(EVALUATION_MIXER_SEED)
        if s.hold_out:
            config["allowHoldOutLevels"] = "true"
        folder = self._folder = tempfile.TemporaryDirectory(prefix="dmlab_", ignore_cleanup_errors=True)

        def build(observations: list[str]) -> Any:
            return deepmind_lab.Lab(
                s.level,
                observations,
                config=config,
                renderer=s.renderer,
                level_cache=LevelCache(s.cache, warn=s.warn),
                temp_folder=folder.name,
            )

        try:
            try:
                return build([FRAME, REMAINING])
            except ValueError:  # how an engine says that this level has no such observation; or it is something else
                return build([FRAME])
        except (RuntimeError, TypeError, ValueError) as error:
            raise Incurable(not_built(error, said(), s.level, s.renderer)) from error
