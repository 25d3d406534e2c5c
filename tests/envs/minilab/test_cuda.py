"""The CUDA kernels: in numba's simulator against the CPU, compiled for a real GPU, and on one where there is one."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from envs.config import PARTS, Look
from envs.minilab.env import MinilabEnv
from envs.minilab.levels import LEVELS, load_level
from envs.minilab.overlay import new_overlay
from envs.minilab.randomise import randomised
from envs.minilab.rng import new_streams
from envs.minilab.state import named_arrays, new_outputs
from envs.minilab.view import new_view

ROOT = Path(__file__).parents[3]
RANDOMISED = ("rooms_watermaze", "seekavoid_arena_01", "rooms_keys_doors_puzzle", "nav_maze_static_01")
ENGINE = ("rooms_watermaze", "seekavoid_arena_01", "lasertag_three_opponents_small")  # that have something of their own
PLAYED: list[tuple[str, float, Look]] = [
    *((name, 0.0, "plain") for name in LEVELS),
    *((name, 0.9, "plain") for name in RANDOMISED),
    *((name, 0.0, "engine") for name in ENGINE),
    *((name, 0.9, "engine") for name in ENGINE),
]
EPISODE_END = {name: 4 * info.agent_steps for name, info in LEVELS.items()}


def play(
    name: str,
    device: str,
    *,
    height: int = 24,
    width: int = 24,
    steps: int = 20,
    randomise: float = 0.0,
    look: Look = "plain",
) -> dict[str, torch.Tensor]:
    """States and last outputs after random steps, with an episode's end on the way, a save and a load."""
    env = MinilabEnv(name, 3, height, width, 7, device=device, randomise=randomise, look=look)  # type: ignore[arg-type]
    env.reset()
    env.tensors["body.frame"][1] = EPISODE_END[name] - 4 * 10
    actions = torch.randint(9, (steps, 3), generator=torch.Generator().manual_seed(0)).to(env.device)  # [T, B]
    for action in actions[: steps // 2]:
        env.step(action)
    saved = env.state_dict()
    env.reset_one(2)
    env.load_state_dict(saved)
    for action in actions[steps // 2 :]:
        step = env.step(action)
    env.place(0, *env.poses()[0, :2], 33)
    seen = {name: tensor.cpu().clone() for name, tensor in step._asdict().items() if tensor is not None}
    return env.state_dict()["arrays"] | seen


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> dict[tuple[str, float, Look], dict[str, torch.Tensor]]:
    """What the kernels compute in numba's CUDA simulator, which only a fresh process can switch on."""
    path = tmp_path_factory.mktemp("simulator") / "played.pt"
    program = (
        "import sys, torch; from tests.envs.minilab.test_cuda import PLAYED, play; "
        "torch.save({(name, randomise, look): play(name, 'cuda', randomise=randomise, look=look) "
        "for name, randomise, look in PLAYED}, sys.argv[1])"
    )
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, env=environment, check=True)
    return torch.load(path, weights_only=True)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="its float32 scalars become float64")
@pytest.mark.parametrize(("name", "randomise", "look"), PLAYED)
def test_the_kernels_compute_what_the_cpu_computes(simulated, name, randomise, look):
    expected, found = play(name, "cpu", randomise=randomise, look=look), simulated[name, randomise, look]
    assert found.keys() == expected.keys()
    different = [field for field, tensor in expected.items() if not torch.equal(tensor, found[field])]
    assert not different


def test_the_kernel_of_looks_compiles_for_a_gpu(monkeypatch):
    pytest.importorskip("cuda.core", reason="needs numba-cuda with its toolkit")
    from numba import cuda
    from numba.cuda import dispatcher
    from numba.cuda.typing.typeof import typeof

    from envs.minilab.cuda import dress_block

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    state, scene, view, _ = level_arrays("seekavoid_arena_01")
    level = load_level("seekavoid_arena_01")
    atlas, looks = randomised(scene.atlas, level, 4, 1.0, PARTS, "drawn")
    types = tuple(typeof(value) for value in (0, state.streams, looks, atlas, view))
    ptx, _ = cuda.compile(dress_block, types, device=False, abi="numba", output="ptx", cc=(9, 0))
    assert ".target sm_90" in ptx and not re.findall(r"cvt\.f64\.f32|div\S*\.f64", ptx)


def test_the_kernel_of_light_and_display_compiles_for_a_gpu(monkeypatch):
    pytest.importorskip("cuda.core", reason="needs numba-cuda with its toolkit")
    from numba import cuda
    from numba.cuda import dispatcher
    from numba.cuda.typing.typeof import typeof

    from envs.minilab.cuda import finish_block

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    overlay = new_overlay(72, 96, 4, 5400, engine=True, numbers=True, choice=True, light=True)
    types = tuple(typeof(value) for value in (0, np.zeros((4, 72, 288), np.uint8), new_view(4, 1).camera, overlay))
    ptx, _ = cuda.compile(finish_block, types, device=False, abi="numba", output="ptx", cc=(9, 0))
    assert ".target sm_90" in ptx and not re.findall(r"cvt\.f64\.f32|div\S*\.f64", ptx)


def level_arrays(name: str, num_envs: int = 4) -> tuple:
    level = load_level(name)
    state = level.new_state(new_streams(num_envs, 0, evaluation=False))
    return state, level.new_scene(), new_view(num_envs, level.PANELS), new_outputs(num_envs, 72, 96)


@pytest.mark.parametrize("name", LEVELS)
def test_the_arguments_of_a_kernel_fit_the_4096_bytes_that_cuda_has_for_them(name):
    arrays = [array for part in level_arrays(name) for array in named_arrays(part).values()]
    assert sum(8 * (5 + 2 * array.ndim) for array in arrays) < 4096 - 100


@pytest.mark.parametrize("name", LEVELS)
def test_the_kernels_compile_for_a_gpu(name, monkeypatch):
    """To PTX for compute capability 9.0, which needs neither a GPU nor a driver."""
    pytest.importorskip("cuda.core", reason="needs numba-cuda with its toolkit")
    from numba import cuda
    from numba.cuda import dispatcher
    from numba.cuda.typing.typeof import typeof

    from envs.minilab.cuda import is_inexact, new_kernels

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    rest = level_arrays(name)
    inputs = {
        "reset": (0, 4),
        "step": (np.zeros(4, np.int64), True),
        "arrange": (0, 4),
        "draw": (0,),
    }
    level = load_level(name)
    for kernel in new_kernels(level.begin_episode, level.step_one, level.arrange, level.draw_column):
        types = tuple(typeof(value) for value in (*inputs[kernel.__name__], *rest))
        ptx, _ = cuda.compile(
            kernel, types, device=False, abi="numba", output="ptx", cc=(9, 0), fastmath=is_inexact(kernel)
        )
        assert ".target sm_90" in ptx
        # Nothing of ours is computed in doubles, which are slow on most GPUs: CUDA's own sine holds a few (for huge
        # angles), but they come from 64-bit integers.
        assert not re.findall(r"cvt\.f64\.f32|cvt\.rn\.f64\.[su](?:8|16|32)|div\S*\.f64", ptx)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_error_says_so():
    with pytest.raises(ValueError, match="cannot run on cuda here"):
        MinilabEnv("rooms_watermaze", 2, device="cuda")
    with pytest.raises(ValueError, match="device is 'tpu'; minilab runs on 'cpu' and on 'cuda'"):
        MinilabEnv("rooms_watermaze", 2, device="tpu")  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.parametrize("name", LEVELS)
def test_a_gpu_plays_like_the_cpu(name):
    """Up to rounding: a GPU fuses multiplications and additions and has its own sine."""
    gpu, cpu = play(name, "cuda", height=72, width=96, steps=8), play(name, "cpu", height=72, width=96, steps=8)
    for axis in ("body.x", "body.y", "body.yaw"):
        torch.testing.assert_close(gpu[axis], cpu[axis], atol=1.0, rtol=0)
    assert (gpu["obs"] == cpu["obs"]).float().mean() > 0.97


@pytest.mark.gpu
def test_a_captured_graph_of_steps_equals_plain_steps():
    plain, captured = (MinilabEnv("rooms_watermaze", 8, seed=3, device="cuda") for _ in range(2))
    actions = torch.randint(9, (10, 8), device="cuda")
    for env in (plain, captured):
        env.reset()
        env.step(actions[0])  # compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for action in actions[1:]:
            view = captured.step(action)
    graph.replay()
    for action in actions[1:]:
        step = plain.step(action)
    assert torch.equal(step.obs, view.obs)
    for name, tensor in plain.tensors.items():
        assert torch.equal(tensor, captured.tensors[name]), name
