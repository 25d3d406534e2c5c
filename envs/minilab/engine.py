"""A level on the CPU: three loops over the batch, made from the level's own device functions, shared by threads."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.minilab.jit import launcher, specialise
from envs.minilab.levels import load_level
from envs.minilab.overlay import Overlay, Rows, draw_display, shade
from envs.minilab.randomise import Looks, dress, is_dressed
from envs.minilab.render import screen_of
from envs.minilab.rng import Streams
from envs.minilab.state import Float32Array, Outputs, to_tensors
from envs.minilab.textures import Atlas
from envs.minilab.view import View, screen_at


class Launchers(NamedTuple):
    """Compiled loops over environments [lo, hi) of the batch; `rest` is (state, scene, view, outputs)."""

    reset: Callable[..., None]  # (lo, hi, *rest): begin new episodes
    step: Callable[..., None]  # (lo, hi, actions, autoreset, *rest): one agent step
    draw: Callable[..., None]  # (lo, hi, *rest): draw the state as it is, which neither of the others does


def new_launchers(name: str) -> Launchers:
    """Compile (or load from the cache) the loops of a level; levels with the same functions share them."""
    level = load_level(name)
    functions = level.begin_episode, level.step_one, level.arrange, level.draw_column
    modules = {function.__module__ for function in functions}
    if len(modules) > 1:
        return _new_launchers(name, level.__file__, *functions)
    (module,) = modules
    return _new_launchers(module.rpartition(".")[2], sys.modules[module].__file__ or "", *functions)


@cache
def _new_launchers(
    name: str,
    source: str,
    begin_episode: Callable[..., None],
    step_one: Callable[..., None],
    arrange: Callable[..., None],
    draw_column: Callable[..., int],
) -> Launchers:
    @launcher(name, source)
    def reset(lo: int, hi: int, state: Any, scene: Any, view: View, out: Outputs) -> None:
        for i in range(lo, hi):
            begin_episode(i, state, scene)
            out.reward[i] = np.float32(0)
            out.terminated[i] = out.truncated[i] = False
            out.is_first[i] = True

    @launcher(name, source)
    def step(
        lo: int,
        hi: int,
        actions: npt.NDArray[np.int64],
        autoreset: bool,
        state: Any,
        scene: Any,
        view: View,
        out: Outputs,
    ) -> None:
        for i in range(lo, hi):
            step_one(i, actions[i], state, scene, out)
            out.is_first[i] = autoreset and (out.terminated[i] or out.truncated[i])
            if out.is_first[i]:
                begin_episode(i, state, scene)

    @launcher(name, source)
    def draw(lo: int, hi: int, state: Any, scene: Any, view: View, out: Outputs) -> None:
        for i in range(lo, hi):
            arrange(i, state, scene, view)
            hint = 0
            for column in range(out.obs.shape[2]):
                hint = draw_column(i, column, screen_at(view, out.obs, i, column), hint, state, scene, view, out.obs)
                # Never so: no level is without measures. With this second call LLVM lays the loop out so that explore
                # is drawn in 29 us a picture instead of 34; it is not the inlining, which alone changes nothing.
                if view.measures.shape[0] == 0:
                    draw_column(i, column, screen_of(out.obs, column), hint, state, scene, view, out.obs)

    return Launchers(reset, step, draw)


@launcher("randomise", __file__)
def dress_all(lo: int, hi: int, streams: Streams, looks: Looks, atlas: Atlas, view: View) -> None:
    """Palettes of environments [lo, hi) for their episodes, where these are new."""
    for i in range(lo, hi):
        if not is_dressed(i, 0, streams, atlas):
            for texture in range(looks.textures.shape[0]):
                dress(i, texture, streams, looks, atlas, view)


@launcher("overlay", __file__)
def finish_all(lo: int, hi: int, rows: Rows, camera: Float32Array, overlay: Overlay) -> None:
    """Light and display of environments [lo, hi), whose pictures are drawn."""
    for i in range(lo, hi):
        shade(rows, i, 0, rows.shape[2] // 3, camera, overlay)
        draw_display(rows, i, 0, rows.shape[2] // 3, camera, overlay)


def _bound(loop: Callable[..., None], *rest: Any) -> Callable[[int, int], None]:
    """A loop over environments [lo, hi) as machine code for these arguments."""
    code = specialise(loop, 0, 0, *rest)
    return lambda lo, hi: code(lo, hi, *rest)


class CpuRunner:
    """Runs a level on the CPU, each thread on its slice of the batch."""

    device = torch.device("cpu")

    def __init__(
        self,
        name: str,
        arrays: tuple[Any, ...],
        threads: int,
        looks: Looks | None = None,
        overlay: Callable[[int, int], Overlay] | None = None,
    ) -> None:
        """Use `arrays` (state, scene, view, outputs) as they are.

        Episodes are dressed where there are looks; what lies over pictures of a height and width is asked of `overlay`.
        """
        self.tensors = tuple(to_tensors(part, self.device) for part in arrays)
        self._name, self._rest = name, arrays
        state, scene, view, outputs = arrays
        # Pictures show no counts, and every column pays for each array that it is handed (lasertag: a quarter).
        drawn = state._replace(counts=None) if hasattr(state, "counts") else state
        self._shown = drawn, scene, view, outputs
        self._num_envs = len(outputs.obs)
        launchers = new_launchers(name)
        actions = np.zeros(self._num_envs, np.int64)
        self._launchers = Launchers(
            reset=specialise(launchers.reset, 0, 0, *arrays),
            step=specialise(launchers.step, 0, 0, actions, True, *arrays),
            draw=specialise(launchers.draw, 0, 0, *self._shown),
        )
        self._dress: Callable[[int, int], None] | None = None
        if looks is not None:
            self._dress = _bound(dress_all, state.streams, looks, scene.atlas, view)
        self._overlay = overlay
        self._finish: Callable[[int, int], None] | None = None
        if overlay is not None:
            height, width = outputs.obs.shape[1:3]
            rows = outputs.obs.reshape(-1, height, 3 * width)
            self._finish = _bound(finish_all, rows, view.camera, overlay(height, width))
        threads = min(threads, self._num_envs)
        self._pool = ThreadPoolExecutor(threads - 1, "minilab") if threads > 1 else None
        self._slices = list(itertools.pairwise(self._num_envs * k // threads for k in range(threads + 1)))

    def reset(self, lo: int, hi: int) -> None:
        """Begin new episodes in environments [lo, hi) and draw them."""
        self._launchers.reset(lo, hi, *self._rest)
        self.draw(lo, hi)

    def step(self, actions: Tensor, autoreset: bool) -> None:
        """One agent step of all environments, and their pictures."""
        (lo, hi), *others = self._slices
        running = [self._pool.submit(self.step_rows, a, b, actions, autoreset) for a, b in others] if self._pool else []
        self.step_rows(lo, hi, actions, autoreset)
        for future in running:
            future.result()

    def draw(self, lo: int, hi: int) -> None:
        """Draw environments [lo, hi) as they are."""
        if self._dress is not None:
            self._dress(lo, hi)
        self._launchers.draw(lo, hi, *self._shown)
        if self._finish is not None:
            self._finish(lo, hi)

    def step_rows(self, lo: int, hi: int, actions: Tensor, autoreset: bool) -> None:
        """The same for environments [lo, hi) in the calling thread; `actions` may end at hi."""
        self._launchers.step(lo, hi, actions.contiguous().numpy(), autoreset, *self._rest)
        self.draw(lo, hi)

    def onto(self, outputs: Outputs) -> CpuRunner:
        """A second runner over the same state: it draws into `outputs` what this one has drawn last."""
        return CpuRunner(self._name, (*self._rest[:-1], outputs), threads=1, overlay=self._overlay)

    def close(self) -> None:
        """Stop the threads; safe to call twice."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
            self._slices = [(0, self._num_envs)]
