import subprocess
import sys

import pytest

from envs import LEVELS, EnvConfig, best_device, make
from envs.minilab.env import MinilabEnv


def test_an_unknown_level_names_its_neighbours_and_all_that_are_known():
    with pytest.raises(ValueError) as caught:
        make(EnvConfig(name="room_watermaze"), seed=0)
    message = str(caught.value)
    assert "'room_watermaze'" in message and "Did you mean rooms_watermaze" in message
    with pytest.raises(ValueError) as caught:
        make(EnvConfig(name="xyz"), seed=0)
    assert "Did you mean" not in str(caught.value) and all(name in str(caught.value) for name in LEVELS)


def test_the_configuration_reaches_the_environment():
    env = make(EnvConfig(num_envs=3, height=30, width=40, env_threads=2), seed=0)
    assert (env.name, env.num_envs, env.obs_shape) == ("rooms_watermaze", 3, (30, 40, 3))
    assert len(env.runner._slices) == 2
    env.close()


def test_importing_envs_imports_nothing_heavy():
    code = "import sys, envs; sys.exit(bool({'numba', 'PIL', 'torch', 'gymnasium'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_environments_live_with_the_network_where_they_can(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("numba.cuda.is_available", lambda: True)
    minilab, vectors = EnvConfig(name="rooms_watermaze"), EnvConfig(name="CartPole-v1", backend="gymnasium")
    assert best_device(minilab, "cuda") == ("cuda", "")
    assert best_device(minilab, "cpu") == best_device(vectors, "cuda") == ("cpu", "")
    monkeypatch.setattr("numba.cuda.is_available", lambda: False)
    device, pity = best_device(minilab, "cuda")
    assert device == "cpu" and "pip install 'cpc-rl[gpu]'" in pity


def test_a_numba_cuda_that_does_not_fit_numpy_is_named_and_the_cpu_taken(monkeypatch):
    def fails(*_, **__):
        raise AttributeError("module 'numpy' has no attribute 'row_stack'")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("numba.cuda.is_available", lambda: True)
    monkeypatch.setattr("numba.cuda.compile", fails)
    device, pity = best_device(EnvConfig(name="rooms_watermaze"), "cuda")
    assert device == "cpu" and "has no attribute 'row_stack'" in pity and "pip install 'cpc-rl[gpu]'" in pity
    with pytest.raises(ValueError, match="cannot run on cuda here: numba-cuda fails"):
        MinilabEnv("rooms_watermaze", 2, device="cuda")
