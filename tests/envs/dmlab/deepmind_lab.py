"""A stand-in for DeepMind Lab's module: its surface, errors, noise and deaths, and none of its graphics.

It is importable under its one right name when this folder is on `sys.path` (see `double.py`). What it should do apart
from its defaults stands in a JSON file named by the environment variable DEEPMIND_LAB_DOUBLE, read again whenever it
has changed, with any of

- `runfiles`: folder with the engine's library, its level scripts and its map compilers, empty files all of them (see
  `double.lay_out`); what is not there is missing, as in the engine;
- `lacks`: a module that the wheel imports and that is not installed;
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
    "runfiles": "",
    "lacks": "",
    "episode_frames": 40,
    "goal_frames": 0,
    "compile_seconds": 0.0,
    "has_clock": True,
    "log": "",
    "faults": [],
}
SCRIPTS = "baselab/game_scripts/levels"
LIBRARIES = {"software": "libdmlab_headless_sw.so", "hardware": "libdmlab_headless_hw.so"}
GENERATED = {
    f"contributed/dmlab30/{name}"
    for name in ("explore_goal_locations_small", "lasertag_three_opponents_small", "rooms_keys_doors_puzzle")
}
WITHOUT_MAP = {"tests/missing_map"}
KEYS = {"width", "height", "fps", "mixerSeed", "levelDirectory", "appendCommand", "logLevel", "episodeLengthSeconds"}
KEYS |= {"allowHoldOutLevels", "randomSeed", "datasetPath", "minimalUI", "hasAltCameras", "localLevelCache"}
MAZE = "*********\n" * 11
# Beside pictures. Players are as many as there are, and before a reset there are none; texts have no length yet.
FLOATS = {
    "MAP_FRAME_NUMBER": (1,), "VEL.TRANS": (3,), "VEL.ROT": (3,), "TEAM.SCORE": (2,), "DEBUG.POS.TRANS": (3,),
    "DEBUG.POS.ROT": (3,), "DEBUG.PLAYERS.EYE.POS": (0, 3), "DEBUG.PLAYERS.EYE.ROT": (0, 3),
    "DEBUG.PLAYERS.VELOCITY": (0, 3), "DEBUG.FLAGS.RED": (5,), "DEBUG.FLAGS.BLUE": (5,), "DEBUG.FLAGS.RED_HOME": (4,),
    "DEBUG.FLAGS.BLUE_HOME": (4,),
}  # fmt: skip
OF_PLAYERS = ("ARMOR", "GADGET", "GADGET_AMOUNT", "HEALTH", "HOLDING_FLAG", "TEAM", "CAPTURES", "SCORE")
BYTES = {"DEBUG.PLAYER_ID": (1,), "DEBUG.PLAYERS.ID": (0,), "DEBUG.PLAYERS.IS_BOT": (0,)}
TEXTS = {"INSTR": (), "DEBUG.MAZE.LAYOUT": (0,), "DEBUG.MAZE.VARIATION": (0,), "DEBUG.PLAYERS.NAME": (1,)}
CAMERAS = ("TOP_DOWN", "PLAYER_VIEW", "PLAYER_VIEW_NO_RETICLE")

_read: tuple[int, dict] = (-1, dict(DEFAULTS))
_owner: int | None = None  # the process in which the first Lab was built


def version():
    return "double"


def runfiles_path():
    return _settings()["runfiles"]


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


def _say(handle, text):
    os.write(handle, text.encode())


def _no_map(name):
    _say(2, f"Didn't find map '{name}'\n: No such file or directory\n")
    os._exit(1)


if _settings()["lacks"]:
    raise ModuleNotFoundError(f"No module named '{_settings()['lacks']}'", name=_settings()["lacks"])


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
        self._runfiles = Path(runfiles_path())
        self._connect(renderer)
        self._apply(config)
        self._init(level, config)
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
        self._given = bool(temp_folder)
        self._folder = temp_folder or tempfile.mkdtemp(prefix="dmlab_temp_folder_")
        self._talks = config.get("logLevel", "INFO") not in ("WARN", "ERROR", "NEVER")
        _log(f"construct {level}")

    def _connect(self, renderer):
        if renderer not in LIBRARIES:
            raise RuntimeError(f'Failed to set renderer must be "hardware" or "software" actual "{renderer}"!')
        library = self._runfiles / LIBRARIES[renderer]
        if not library.is_file():
            _say(2, f"Failed to open library! - {library}\n{library}: cannot open shared object file: No such file\n")
        elif library.read_bytes():
            _say(2, f"Failed to open library! - {library}\n{library.read_text()}: cannot open shared object file\n")
        else:
            return
        raise RuntimeError("Failed to connect RL API")

    def _apply(self, config):
        for key, value in config.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError("bad argument type for built-in operation")
            if key in ("width", "height") and (int(value) < 4 or int(value) % 4):
                why = f"'{key}' must be a positive multiple of 4. Actual {value}"
                raise RuntimeError(f"Failed to apply setting '{key} = {value}' - \"{why}\"")
        self._width, self._height = int(config.get("width", "320")), int(config.get("height", "240"))

    def _init(self, level, config):
        path = Path(level) if level.endswith(".lua") else self._runfiles / SCRIPTS / f"{level}.lua"
        why = "" if path.is_file() else f"Level not found: Failed to open file '{path}'"
        for key in set(config) - KEYS:
            why = (
                why or f'[init] - {SCRIPTS}/../decorators/setting_overrides.lua:140:\nInvalid setting: "{key}" = "..."'
            )
        if level.startswith("contributed/dmlab30") and level.endswith("_test"):
            allowed = config.get("allowHoldOutLevels") == "true"
            why = why or ("" if allowed else "[init] - This level must only be used during evaluation.")
        if why:
            raise RuntimeError(f'Failed to init environment - "{why}"')

    def reset(self, episode=-1, seed=None):
        self._check_process()
        if self._status == "closed":
            os.kill(os.getpid(), signal.SIGSEGV)
        if seed is None:
            seed = int(time.time())  # as the real one in effect: workers of the same second share it
        if not isinstance(seed, int):
            raise ValueError(f"'seed' must be int or None, was '{type(seed).__name__}'.")
        if not -(2**63) <= seed < 2**63:
            raise OverflowError("Python int too large to convert to C long")
        seed = ctypes.c_int(seed).value  # the lower bits, without a word
        Path(self._folder, "qkey").touch()
        if self._level in WITHOUT_MAP:
            _no_map("nowhere")
        _strike("reset", seed, None)
        if self._level.endswith("explore_goal_locations_small") and self._talks:
            _say(1, f"I game_scripts/factories/explore/factory.lua:166] Maze Generated (seed {seed}):\n{MAZE}\n")
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
            "FRAMES_REMAINING_AT_60": lambda: np.array([float(_settings()["episode_frames"] - self._frames)]),
        }
        specs = {spec["name"]: spec for spec in self.observation_spec()}

        def blank(name):
            dtype, shape = specs[name]["dtype"], specs[name]["shape"]
            return "" if dtype is str else np.zeros(shape, dtype)

        return {name: values.get(name, lambda name=name: blank(name))() for name in self._names}

    def _draw(self):
        frame = np.full((self._height, self._width, 3), self._seed & 255, np.uint8)
        seed = self._seed % 2**32
        numbers = [self._frames, seed, self._mixer, self._episode, *(int(a) + 512 for a in self._action)]
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
        size = (self._height, self._width)
        shapes = {name: (*size, 4 if "D_" in name else 3) for name in ("RGB_INTERLEAVED", "RGBD_INTERLEAVED")}
        shapes |= {"RGB": (3, *size), "RGBD": (4, *size), "BGR_INTERLEAVED": (*size, 3), "BGRD_INTERLEAVED": (*size, 4)}
        shapes |= {"RGB_INTERLACED": (*size, 3), "RGBD_INTERLACED": (*size, 4)}
        shapes |= {f"DEBUG.CAMERA_INTERLEAVED.{name}": (*size, 3) for name in CAMERAS}
        shapes |= {f"DEBUG.CAMERA.{name}": (3, *size) for name in CAMERAS}
        floats = FLOATS | {f"DEBUG.PLAYERS.{name}": (0,) for name in OF_PLAYERS}
        floats |= {"FRAMES_REMAINING_AT_60": (1,)} if _settings()["has_clock"] else {}
        types = ((shapes | BYTES, np.uint8), (floats, np.float64), (TEXTS, str))
        return [{"name": n, "shape": s, "dtype": dtype} for of, dtype in types for n, s in of.items()]

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
        shutil.rmtree(Path(self._folder, "baselab") if self._given else self._folder, ignore_errors=True)
        return True

    def _make_map(self, seed):
        text = f"{self._level} {seed} {self._mixer}"
        key = f"map_noaas_{md5(text.encode()).hexdigest()}"
        target = Path(self._folder, "baselab", "map.pk3")
        target.parent.mkdir(exist_ok=True)
        hit, works = self._ask("fetch", key, target)
        if hit:
            _log(f"hit {seed}")
        else:
            _log(f"compile {seed}")
            self._compile(target, text)
            if works:  # it is not asked again where it has raised
                self._ask("write", key, target)
        try:
            with zipfile.ZipFile(target) as archive:
                good = archive.testzip() is None and archive.read("maps/map.bsp").decode().startswith(text)
        except Exception:
            good = False
        if not good:
            _no_map("map")

    def _ask(self, method, *arguments):
        """What the cache answers, and whether it did not raise: nobody hears of that."""
        if self._cache is None:
            return False, False
        try:
            return bool(getattr(self._cache, method)(*map(str, arguments))), True
        except Exception:
            return False, False

    def _compile(self, target, text):
        """As the engine: a child process in which the work is done, and which does not die with this one."""
        tools = {"q3map2": self._runfiles / "q3map2/q3map2", "bspc": self._runfiles / "bspc"}
        for name, path in tools.items():
            if not os.access(path, os.X_OK):
                self._fail(f"Error: could not find {name} tool")
        seconds = _settings()["compile_seconds"]
        if seconds:
            child = os.posix_spawnp("sleep", ["sleep", str(seconds)], os.environ)
            _log(f"compiler {child}")
            ctypes.PyDLL(None).waitpid(child, None, 0)
        if not shutil.which("zip"):
            self._fail("Light pass\n" * 230 + "compile_map.sh: line 116: zip: command not found")
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("maps/map.bsp", text + " " * 20_000)

    def _fail(self, output):
        _say(2, f"E0000 compile_map.cc:109] {output}\n")
        layers = f"Failed to compile map.\nMap Name:\nmapEntity Layer:\n{MAZE}Variations Layer:\n{MAZE}"
        raise RuntimeError(f'Failed to start environment - "[nextMap] - {layers}"')

    def _check_process(self):
        if _owner != os.getpid():
            _hang()
