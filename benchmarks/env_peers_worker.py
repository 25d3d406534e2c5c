"""One environment of `env_peers.py`, in whichever virtual environment has it.

Prints "ready", and then for each number of seconds on standard input the agent steps per second it did in that time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np

HEIGHT, WIDTH = 72, 96
Step = Callable[[], None]


def minilab(level: str, num_envs: int, threads: int) -> Step:
    import torch

    from envs import EnvConfig, make

    torch.set_num_threads(1)
    config = EnvConfig(name=level, num_envs=num_envs, height=HEIGHT, width=WIDTH, env_threads=threads)
    env = make(config, seed=0)
    env.reset()
    return lambda: env.step(torch.randint(env.num_actions, (num_envs,)))


def vizdoom(task: str, num_envs: int, threads: int) -> Step:
    import envpool

    picture = {"img_height": HEIGHT, "img_width": WIDTH, "stack_num": 1, "frame_skip": 4}
    env = envpool.make_gymnasium(
        task, num_envs=num_envs, num_threads=threads, seed=0, use_combined_action=True, **picture
    )
    env.reset()
    generator = np.random.default_rng(0)
    return lambda: env.step(generator.integers(env.action_space.n, size=num_envs))


def miniworld(task: str, num_envs: int, threads: int) -> Step:
    import pyglet

    pyglet.options["headless"] = True  # before miniworld is imported
    import gymnasium
    import miniworld  # registers its tasks

    assert (num_envs, threads) == (1, 1) and miniworld
    env = gymnasium.make(task, obs_height=HEIGHT, obs_width=WIDTH)
    env.reset(seed=0)

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()

    return step


def jaxenstein(task: str, num_envs: int, threads: int) -> Step:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA takes all cores that it sees
    import jax
    from jaxenstein import make_jaxenstein_env

    env = make_jaxenstein_env(task, img_h=HEIGHT, img_w=WIDTH, fov=np.pi / 2)
    reset, advance = jax.vmap(env.reset), jax.vmap(env.step)

    @jax.jit
    def play(state, key):  # type: ignore[no-untyped-def] # its types live in its own environment
        key, acting, resetting = jax.random.split(key, 3)
        obs, state, _, done, _ = advance(state, jax.random.randint(acting, (num_envs,), 0, env.num_actions))

        def begin():  # type: ignore[no-untyped-def]
            fresh = reset(jax.random.split(resetting, num_envs))
            return jax.tree.map(lambda new, old: jax.vmap(jax.numpy.where)(done, new, old), fresh, (obs, state))

        return (*jax.lax.cond(done.any(), begin, lambda: (obs, state)), key)

    key = jax.random.key(0)
    _, state = jax.jit(reset)(jax.random.split(key, num_envs))
    now = [state, key]

    def step() -> None:
        obs, *now[:] = play(*now)
        obs.block_until_ready()

    return step


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # some of them chat on standard output
    simulator, task, num_envs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    of = {"minilab": minilab, "vizdoom": vizdoom, "miniworld": miniworld, "jaxenstein": jaxenstein}
    step = of[simulator](task, num_envs, threads)
    step()
    print("ready", file=answers)
    for line in sys.stdin:
        steps, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < float(line):
            step()
            steps += num_envs
        print(steps / elapsed, file=answers)


if __name__ == "__main__":
    main()
