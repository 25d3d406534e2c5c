"""A stand-in for DeepMind Lab's module: its surface, its errors, its deaths, and none of its graphics.

It is importable under its one right name when this folder is on `sys.path` (see `double.py`). What it should do apart
from its defaults stands in a JSON file named by the environment variable DEEPMIND_LAB_DOUBLE, read again whenever it
has changed, with any of

- `episode_frames`: engine frames until the time is up;
- `goal_frames`: frames after which the episode ends early (a goal);
- `compile_seconds`: how long a generated level compiles, with the interpreter locked as in the engine;
- `has_clock`: whether levels offer FRAMES_REMAINING_AT_60;
- `log`: a file that gets a line for each construction, reset, compilation and cache hit;
- `faults`: list of {"at": "construct" | "reset" | "step", "do": "kill" | "segfault" | "exit" | "hang" | "raise" |
  "slow", "step": n, "seed": s, "times": k}; a fault strikes when all that it names fits, k times in all processes
  together (once by default, for ever with -1).
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import tempfile
import time
import zipfile
from hashlib import md5
from pathlib import Path

import numpy as np

DEFAULTS = {
    "episode_frames": 40,
    "goal_frames": 0,
    "compile_seconds": 0.0,
    "has_clock": True,
    "log": "",
    "faults": [],
}
PREBUILT = {"seekavoid_arena_01", "contributed/dmlab30/rooms_watermaze"}
GENERATED = {
    f"contributed/dmlab30/{name}"
    for name in ("explore_goal_locations_small", "lasertag_three_opponents_small", "rooms_keys_doors_puzzle")
}
WITHOUT_MAP = {"tests/missing_map"}
OTHERS = {"contributed/dmlab30/language_execute_random_task", "contributed/dmlab30/rooms_collect_good_objects_test"}
KEYS = {"width", "height", "fps", "mixerSeed", "levelDirectory", "appendCommand", "logLevel", "episodeLengthSeconds"}
KEYS |= {"allowHoldOutLevels", "randomSeed", "datasetPath", "minimalUI", "hasAltCameras", "localLevelCache"}

_read: tuple[int, dict] = (-1, dict(DEFAULTS))
_owner: int | None = None  # the process in which the first Lab was built


def version():
    return "double"


def runfiles_path():
    return str(Path(__file__).parent)


def set_runfiles_path(path):
    return True


def _settings():
    global _read
    path = os.environ.get("DEEPMIND_LAB_DOUBLE")
    if path and os.path.exists(path):
        changed = os.stat(path).st_mtime_ns
        if changed != _read[0]:
            _read = (changed, DEFAULTS | json.loads(Path(path).read_text()))
    return _read[1]


def _log(line):
    if path := _settings()["log"]:
        with open(path, "a") as file:
            file.write(f"{os.getpid()} {line}\n")


def _sleep(seconds):
    """Sleep as the engine works: nothing else in this process runs meanwhile, signal handlers included."""
    libc = ctypes.PyDLL(None)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        libc.usleep(int(min(left, 0.5) * 1e6))


def _hang():
    ctypes.PyDLL(None).sleep(100_000)


def _strike(at, seed, step):
    for number, fault in enumerate(_settings()["faults"]):
        fits = fault["at"] == at and fault.get("seed", seed) == seed and fault.get("step", step) == step
        if not fits or not _claim(number, fault.get("times", 1)):
            continue
        do = fault["do"]
        _log(f"fault {at} {do} {seed}")
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if do == "exit":
            os._exit(1)
        if do == "hang":
            _hang()
        if do == "slow":
            _sleep(fault.get("seconds", 1.0))
        if do == "raise":
            raise RuntimeError("the fault that was asked for")


def _claim(number, times):
    """Whether one of the strikes of a fault is still to be had, in any process."""
    if times < 0:
        return True
    for strike in range(times):
        try:
            os.close(os.open(f"{os.environ['DEEPMIND_LAB_DOUBLE']}.{number}.{strike}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return True
    return False


class Lab:
    def __init__(self, level, observations, config=None, renderer="software", level_cache=None, temp_folder=""):
        global _owner
        if _owner is not None and _owner != os.getpid():
            _hang()  # forked behind a Lab
        config = {} if config is None else config
        if not isinstance(level, str) or not isinstance(renderer, str) or not isinstance(temp_folder, str):
            raise TypeError("level, renderer and temp_folder must be str")
        if not isinstance(observations, list) or not isinstance(config, dict):
            raise TypeError("observations must be a list and config a dict")
        if renderer != "software":
            raise RuntimeError("Failed to connect RL API")
        for key, value in config.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError("bad argument type for built-in operation")
            if key not in KEYS:
                raise RuntimeError(f"Failed to apply setting '{key} = {value}' - \"Invalid setting\"")
        self._width, self._height = int(config.get("width", "320")), int(config.get("height", "240"))
        if self._width % 4 or self._height % 4 or self._width <= 0 or self._height <= 0:
            raise RuntimeError("Failed to init environment - width and height must be multiples of 4")
        if level not in PREBUILT | GENERATED | WITHOUT_MAP | OTHERS and not level.endswith(".lua"):
            raise RuntimeError(f"Failed to init environment - \"Could not find script '{level}'\"")
        if level.endswith("_test") and config.get("allowHoldOutLevels") != "true":
            raise RuntimeError('Failed to init environment - set "allowHoldOutLevels" = "true" explicitly')
        _owner = os.getpid()
        _strike("construct", None, None)
        self._level, self._mixer, self._cache = level, int(config.get("mixerSeed", "0")), level_cache
        self._names = list(observations)
        self._status, self._steps, self._frames, self._episode, self._agent_steps = "fresh", 0, 0, 0, 0
        self._seed, self._action = 0, np.zeros(7, np.intc)
        known = {spec["name"] for spec in self.observation_spec()}
        for name in observations:
            if name not in known:
                raise ValueError(f"Unknown observation '{name}'.")
        self._folder = tempfile.mkdtemp(prefix="dmlab_temp_folder_", dir=temp_folder or None)
        Path(self._folder, "baselab").mkdir()
        _log(f"construct {level}")

    def reset(self, episode=-1, seed=None):
        self._check_process()
        if self._status == "closed":
            os.kill(os.getpid(), signal.SIGSEGV)
        if seed is None:
            seed = int(time.time())  # as the real one in effect: workers of the same second share it
        if type(seed) is not int:
            raise ValueError(f"'seed' must be int or None, was '{type(seed).__name__}'.")
        if not -(2**31) <= seed < 2**31:
            raise OverflowError("Python int too large to convert to C int")
        if self._level in WITHOUT_MAP:
            os.write(2, b"Didn't find map 'nowhere'\n")
            os._exit(1)
        _strike("reset", seed, None)
        if self._level in GENERATED:
            self._make_map(seed)
        self._episode = self._episode if episode < 0 else episode
        self._seed, self._steps, self._frames, self._agent_steps = seed, 0, 0, 0
        self._action = np.zeros(7, np.intc)
        self._episode += 1
        self._status = "running"
        _log(f"reset {seed} {self._mixer}")
        return True

    def step(self, action, num_steps=1):
        self._check_process()
        if not isinstance(action, np.ndarray):
            raise TypeError("argument 1 must be numpy.ndarray")
        if self._status != "running":
            raise RuntimeError("Environment in wrong status to advance.")
        if action.shape != (7,):
            raise ValueError("action must have shape (7)")
        if action.dtype != np.intc:
            raise ValueError("action must have dtype np.intc")
        raw = (ctypes.c_int * 7).from_address(action.ctypes.data)  # strides are not looked at
        self._action = np.array(raw, np.intc)
        self._agent_steps += 1
        _strike("step", self._seed, self._agent_steps)
        end = _settings()["goal_frames"] or _settings()["episode_frames"]
        before = self._frames
        self._frames = min(before + num_steps, end)
        self._steps += num_steps  # over-counts at the end
        if self._frames >= end:
            self._status = "ended"
        return float(self._frames - before) + 10.0 * float(self._action[4])

    def observations(self):
        self._check_process()
        if self._status != "running":
            raise RuntimeError("Environment in wrong status for call to observations()")
        values = {
            "RGB_INTERLEAVED": self._draw,
            "INSTR": lambda: "",
            "FRAMES_REMAINING_AT_60": lambda: np.array([float(_settings()["episode_frames"] - self._frames)]),
            "DEBUG.POS.TRANS": lambda: np.zeros(3),
        }
        return {name: values[name]() for name in self._names}

    def _draw(self):
        frame = np.full((self._height, self._width, 3), self._seed & 255, np.uint8)
        numbers = [self._frames, self._seed, self._mixer, self._episode, *(int(a) + 512 for a in self._action)]
        frame.reshape(-1)[: 4 * len(numbers)] = np.array(numbers, "<u4").view(np.uint8)
        return frame

    def is_running(self):
        return self._status == "running"

    def num_steps(self):
        return self._steps

    def events(self):
        if self._status not in ("running", "ended"):
            raise RuntimeError("Environment in wrong status for call to events()")
        return []

    def action_spec(self):
        looks = [("LOOK_LEFT_RIGHT_PIXELS_PER_FRAME", -512, 512), ("LOOK_DOWN_UP_PIXELS_PER_FRAME", -512, 512)]
        moves = [("STRAFE_LEFT_RIGHT", -1, 1), ("MOVE_BACK_FORWARD", -1, 1), ("FIRE", 0, 1), ("JUMP", 0, 1)]
        return [{"name": name, "min": low, "max": high} for name, low, high in [*looks, *moves, ("CROUCH", 0, 1)]]

    def observation_spec(self):
        picture = (self._height, self._width, 3)
        specs = [
            {"name": "RGB_INTERLEAVED", "shape": picture, "dtype": np.uint8},
            {"name": "INSTR", "shape": (), "dtype": str},
            {"name": "DEBUG.POS.TRANS", "shape": (3,), "dtype": np.float64},
        ]
        if _settings()["has_clock"]:
            specs.append({"name": "FRAMES_REMAINING_AT_60", "shape": (1,), "dtype": np.float64})
        return specs

    def properties(self, key=""):
        return {}

    def read_property(self, key):
        raise KeyError(f"'{key}' not found.")

    def write_property(self, key, value):
        raise KeyError(f"'{key}' not found.")

    def close(self):
        if self._status == "closed":
            return False
        self._status = "closed"
        shutil.rmtree(self._folder, ignore_errors=True)
        return True

    def _make_map(self, seed):
        text = f"{self._level} {seed} {self._mixer}"
        key = f"map_noaas_{md5(text.encode()).hexdigest()}"
        target = Path(self._folder, "baselab", "map.pk3")
        if self._cache is not None and self._cache.fetch(key, str(target)):
            _log(f"hit {seed}")
        else:
            _log(f"compile {seed}")
            self._compile(target, text)
            if self._cache is not None:
                self._cache.write(key, str(target))
        try:
            with zipfile.ZipFile(target) as archive:
                good = archive.testzip() is None and archive.read("maps/map.bsp").decode().startswith(text)
        except Exception:
            good = False
        if not good:
            os.write(2, b"Didn't find map 'map'\n")
            os._exit(1)
        target.unlink()

    def _compile(self, target, text):
        """As the engine: a child process in which the work is done, and which does not die with this one."""
        seconds = _settings()["compile_seconds"]
        if seconds:
            child = os.posix_spawnp("sleep", ["sleep", str(seconds)], os.environ)
            _log(f"compiler {child}")
            ctypes.PyDLL(None).waitpid(child, None, 0)
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("maps/map.bsp", text + " " * 20_000)

    def _check_process(self):
        if _owner != os.getpid():
            _hang()
