"""The same levels on a GPU: kernels made from a level's device functions, over memory that torch owns.

The one place that knows numba-cuda. The oracle is the plain Python of the device functions, which any compiler of
CUDA Python takes; docs/minilab.md says what a move to another one would touch.

A thread steps an environment and arranges its view; then a thread draws a column. Launches go to torch's current
stream, allocate nothing and wait for nothing, so that they can be captured in a CUDA graph once they have run (the
first launch compiles). Under numba's CUDA simulator (`NUMBA_ENABLE_CUDASIM=1` before numba is imported) everything
here runs on the CPU, as plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import torch
from numba import cuda
from torch import Tensor

from envs.minilab.levels import load_level
from envs.minilab.overlay import Overlay, Rows, draw_display, shade
from envs.minilab.physics import ACTIONS
from envs.minilab.randomise import Looks, dress, is_dressed
from envs.minilab.rng import Streams
from envs.minilab.state import Float32Array, Outputs, to_tensors
from envs.minilab.textures import Atlas
from envs.minilab.view import View, screen_at

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
BLOCK = 64  # environments that a block steps
numba.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a small batch is no mistake
_LAST_ACTION = len(ACTIONS) - 1


def why_not() -> str:
    """Why minilab cannot run on a GPU here; empty where it can."""
    if SIMULATED:
        return ""
    if not torch.cuda.is_available():
        return "PyTorch sees no GPU"
    if not cuda.is_available():
        return "no numba-cuda: pip install 'cpc-rl[gpu]'"
    try:  # numba-cuda loads most of itself at the first compilation, and another NumPy than it knows can stop it there
        cuda.compile(_nothing, (), device=False, abi="numba", output="ptx", cc=(7, 5))
    except Exception as error:
        return f"numba-cuda fails ({error}): pip install 'cpc-rl[gpu]' installs a NumPy that it knows"
    return ""


def _nothing() -> None:
    """A kernel for `why_not`."""


class Kernels(NamedTuple):
    """Plain functions, to be compiled by `cuda.jit`; `rest` is (state, scene, view, outputs)."""

    reset: Callable[..., None]  # (lo, hi, *rest): begin new episodes in environments [lo, hi)
    step: Callable[..., None]  # (actions, autoreset, *rest): one agent step
    arrange: Callable[..., None]  # (lo, hi, *rest): camera and panels
    draw: Callable[..., None]  # (lo, *rest): a block an environment from lo on, a thread a column


def new_kernels(
    begin_episode: Callable[..., None],
    step_one: Callable[..., None],
    arrange_one: Callable[..., None],
    draw_column: Callable[..., int],
) -> Kernels:
    """The kernels of a level's functions: `reset` and `step` are followed by `arrange` and `draw`."""

    def reset(lo: int, hi: int, state: Any, scene: Any, view: View, out: Outputs) -> None:
        i = lo + cuda.grid(1)
        if i < hi:
            begin_episode(i, state, scene)
            out.reward[i] = np.float32(0)
            out.terminated[i] = out.truncated[i] = False
            out.is_first[i] = True

    def step(actions: npt.NDArray[np.int64], autoreset: bool, state: Any, scene: Any, view: View, out: Outputs) -> None:
        i = cuda.grid(1)
        if i < out.reward.shape[0]:
            # An action out of range would be read from beyond the table; to refuse it would mean to wait for the GPU.
            step_one(i, min(max(actions[i], 0), _LAST_ACTION), state, scene, out)
            out.is_first[i] = autoreset and (out.terminated[i] or out.truncated[i])
            if out.is_first[i]:
                begin_episode(i, state, scene)

    def arrange(lo: int, hi: int, state: Any, scene: Any, view: View, out: Outputs) -> None:
        i = lo + cuda.grid(1)
        if i < hi:
            arrange_one(i, state, scene, view)

    def draw(lo: int, state: Any, scene: Any, view: View, out: Outputs) -> None:
        i, column = lo + cuda.blockIdx.x, cuda.threadIdx.x
        draw_column(i, column, screen_at(view, out.obs, i, column), 0, state, scene, view, out.obs)

    return Kernels(reset, step, arrange, draw)


def is_inexact(kernel: Callable[..., None]) -> bool:
    """Whether a kernel may divide approximately: the picture may, the rules must not."""
    return kernel.__name__ == "draw"


def compiled_kernels(name: str) -> Any:
    """The kernels of a level, compiled once a process at their first launch; levels with the same functions share."""
    level = load_level(name)
    return _compiled_kernels(level.begin_episode, level.step_one, level.arrange, level.draw_column)


@cache
def _compiled_kernels(*functions: Callable[..., Any]) -> Any:
    return Kernels(*(cuda.jit(fastmath=is_inexact(kernel))(kernel) for kernel in new_kernels(*functions)))


def dress_block(lo: int, streams: Streams, looks: Looks, atlas: Atlas, view: View) -> None:
    """A block an environment from lo on, a thread a texture: its palette, where the episode is new."""
    i, texture = lo + cuda.blockIdx.x, cuda.threadIdx.x
    if not is_dressed(i, texture, streams, atlas):
        dress(i, texture, streams, looks, atlas, view)


@cache
def _dress() -> Any:
    return cuda.jit(dress_block)


def finish_block(lo: int, rows: Rows, camera: Float32Array, overlay: Overlay) -> None:
    """A block an environment from lo on, a thread a column: its light and display, once it is drawn."""
    i, column = lo + cuda.blockIdx.x, cuda.threadIdx.x
    shade(rows, i, column, column + 1, camera, overlay)
    draw_display(rows, i, column, column + 1, camera, overlay)


@cache
def _finish() -> Any:
    return cuda.jit(finish_block)


class CudaRunner:
    """Runs a level on the current CUDA device (the counterpart of `engine.CpuRunner`)."""

    def __init__(
        self,
        name: str,
        arrays: tuple[Any, ...],
        threads: int,
        looks: Looks | None = None,
        overlay: Callable[[int, int], Overlay] | None = None,
    ) -> None:
        """Copy `arrays` (state, scene, view, outputs) to the device; episodes are dressed where there are looks.

        Raises:
            ValueError: no CUDA device, or more than one thread.
        """
        if why := why_not():
            raise ValueError(f"minilab cannot run on cuda here: {why}")
        if threads > 1:
            raise ValueError(f"env_threads is {threads}; on cuda it must be 1")
        if not SIMULATED:
            cuda.select_device(torch.cuda.current_device())  # numba's own idea of it is the first one
        self.device = torch.device("cpu" if SIMULATED else f"cuda:{torch.cuda.current_device()}")
        self.tensors = tuple(to_tensors(part, self.device) for part in arrays)
        self._rest = tuple(_as_arrays(part, tensors) for part, tensors in zip(arrays, self.tensors, strict=True))
        outputs = self._rest[-1]
        self._num_envs, _, self._width, _ = outputs.obs.shape
        self._actions = torch.zeros(self._num_envs, dtype=torch.int64, device=self.device)
        self._action_array = _as_array(self._actions)
        self._kernels = compiled_kernels(name)
        self._dressing: tuple[Any, ...] | None = None
        if looks is not None:
            state, scene, view, _ = self._rest
            self._looks = to_tensors(looks, self.device)  # torch's memory, which must stay
            self._dressing = (state.streams, _as_arrays(looks, self._looks), scene.atlas, view)
            self._textures = len(looks.textures)
        self._finishing: tuple[Any, ...] | None = None
        if overlay is not None:
            rows = self.tensors[-1]["obs"].flatten(2)  # shares its memory
            laid_over = overlay(*outputs.obs.shape[1:3])
            self._overlay = to_tensors(laid_over, self.device)
            self._finishing = (_as_array(rows), self._rest[2].camera, _as_arrays(laid_over, self._overlay))

    def reset(self, lo: int, hi: int) -> None:
        """Begin new episodes in environments [lo, hi) and draw them."""
        self._launch(self._kernels.reset, hi - lo, lo, hi)
        self.draw(lo, hi)

    def step(self, actions: Tensor, autoreset: bool) -> None:
        """One agent step of all environments, and their pictures."""
        self._actions.copy_(actions)
        self._launch(self._kernels.step, self._num_envs, self._action_array, autoreset)
        self.draw(0, self._num_envs)

    def draw(self, lo: int, hi: int) -> None:
        """Draw environments [lo, hi) as they are."""
        if self._dressing is not None:
            _dress()[hi - lo, self._textures, _stream()](lo, *self._dressing)
        self._launch(self._kernels.arrange, hi - lo, lo, hi)
        self._kernels.draw[hi - lo, self._width, _stream()](lo, *self._rest)
        if self._finishing is not None:
            _finish()[hi - lo, self._width, _stream()](lo, *self._finishing)

    def close(self) -> None:
        """Nothing to release: torch frees the memory."""

    def _launch(self, kernel: Any, threads: int, *inputs: Any) -> None:
        kernel[-(-threads // BLOCK), BLOCK, _stream()](*inputs, *self._rest)


def _stream() -> Any:
    return 0 if SIMULATED else cuda.external_stream(torch.cuda.current_stream().cuda_stream)


def _as_array(tensor: Tensor) -> Any:
    return tensor.numpy() if SIMULATED else cuda.as_cuda_array(tensor)


def _as_arrays(part: Any, tensors: dict[str, Tensor], prefix: str = "") -> Any:
    """A named tuple like `part` whose arrays are those tensors, for kernels."""
    fields = part._asdict().items()
    return type(part)(
        *(
            _as_array(tensors[prefix + name])
            if isinstance(value, np.ndarray)
            else _as_arrays(value, tensors, f"{prefix}{name}.")
            for name, value in fields
        )
    )
