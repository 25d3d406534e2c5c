"""Acting: fill a `Rollout` with the next T steps of B environments.

`collect` is the plain way. `Actor` does the same faster where it can: on a CPU several threads act for a part of the
environments each, and on a GPU the whole unroll is one CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor

from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.networks import ActorCritic, State
from cpc_rl.rollout import Rollout
from envs.api import BatchedEnv, Divisible, EnvStep, Steps

MOST_PARTS = 4  # between a part's operations Python is one thread's at a time
LEAST_PART = 8  # environments: below that, more threads cost more than they bring
PLAIN_UNROLLS = 2  # on a GPU, before the capture: kernels are compiled, libraries choose and allocate


def begin(env: BatchedEnv, rollout: Rollout) -> None:
    """Reset the environments and put their first row where `collect` continues from."""
    rollout.write(-1, env.reset())
    rollout.last_action[-1] = 0


def collect(
    env: BatchedEnv, net: ActorCritic, rollout: Rollout, generator: torch.Generator, group: ProcessGroup = SINGLE
) -> None:
    """Fill `rollout` with the next T steps, actions sampled from the policy with `generator`.

    The very first row comes from `begin`; later ones continue from the last row of the unroll before.
    """
    prepare(rollout, generator, group)
    act(env, net, rollout)


def prepare(rollout: Rollout, generator: torch.Generator, group: ProcessGroup = SINGLE) -> None:
    """What comes before the first step: the last row becomes the first one, and chance is drawn for all T steps.

    Every rank draws for all environments and keeps its own share, so that the number of ranks changes nothing.
    """
    rollout.roll()
    steps, batch, actions = rollout.noise.shape
    noise = rollout.noise.new_empty(steps, group.size * batch, actions).exponential_(generator=generator)
    rollout.noise.copy_(noise[:, group.rank * batch : (group.rank + 1) * batch])


@torch.no_grad()
def act(env: Steps, net: ActorCritic, rollout: Rollout) -> None:
    """T steps from row 0 on. Touches nothing but `env` and `rollout`, and waits for no GPU."""
    state = rollout.state
    weights = None if rollout.encoder is None else rollout.encoder.weights()  # None: the network encodes
    for t in range(rollout.logits.shape[0]):
        row = slice(t, t + 1)
        inputs = (rollout.obs[row], rollout.last_action[row], rollout.reward[row], rollout.is_first[row], state)
        out = net(*inputs) if weights is None else net(*inputs, rollout.encode(t, weights))
        logits, state = out.logits[0], out.state
        action = sample(logits, rollout.noise[t])  # [B]
        rollout.logits[t] = logits
        rollout.last_action[t + 1] = action
        step = env.step(action.to(env.device))
        rollout.write(t + 1, step)
        rollout.final_value[t + 1] = final_value(net, step, action, state)
    if weights is not None:
        rollout.encode(rollout.logits.shape[0], weights)  # the last row's value is learnt from, too
    for kept, reached in zip(rollout.next_state, state, strict=True):
        kept.copy_(reached)


def sample(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw from the policy: of A exponential clocks of rates p the one that rings first. [B, A] twice -> int64 [B].

    `noise`: standard exponential draws. Unlike torch.multinomial it does not wait for a GPU, and lets NaN through
    to the losses, where it is reported.
    """
    return (logits.softmax(-1) / noise).argmax(-1)


def final_value(net: ActorCritic, step: EnvStep, action: Tensor, state: State) -> Tensor:
    """The value of the last observation of each episode that a time limit cut in the row `step`, elsewhere 0.

    Args:
        net: The value is its baseline's; weights do not change within an unroll, so it is the learner's too.
        step: The row that `action` led to.
        action: int64 [B].
        state: Recurrent state with which `action` was chosen.

    Returns:
        [B]. All zeros where the back end does not tell `final_obs` (next-step autoreset shows it in a row of its own).
    """
    if step.final_obs is None:
        return torch.zeros_like(step.reward, device=action.device)
    cut = step.truncated & ~step.terminated  # [B]
    if not cut.any():
        return torch.zeros_like(step.reward, device=action.device)
    obs, reward, cut = (x.to(action.device) for x in (step.final_obs, step.reward, cut))
    value = net(obs[None], action[None], reward[None], torch.zeros_like(cut)[None], state).value[0]  # [B]
    return torch.where(cut, value, 0.0)


class Actor:
    """`collect` for one set of environments, network and rollout, again and again, as fast as the machine lets it.

    The rows are those of `collect` up to rounding, whatever the number of parts.
    """

    def __init__(
        self,
        env: BatchedEnv,
        net: ActorCritic,
        rollout: Rollout,
        generator: torch.Generator,
        group: ProcessGroup = SINGLE,
    ) -> None:
        """Everything is used as it is now: memory must stay where it is, values may change."""
        self._rollout, self._generator, self._group = rollout, generator, group
        self._work: Callable[[], None] = lambda: act(env, net, rollout)
        self.parts = 1
        if rollout.obs.is_cuda:
            if env.device.type == "cuda":  # otherwise every step waits for the environments
                self._work = Captured(self._work)
        elif rollout.obs.device.type == "cpu" and isinstance(env, Divisible):
            threads = torch.get_num_threads()
            self.parts = max(1, min(threads, MOST_PARTS, env.num_envs // LEAST_PART))
            if self.parts > 1:
                # The initialiser sets the number of the new thread only; ours stays. The threads end with the pool.
                pool = ThreadPoolExecutor(self.parts, "actor", torch.set_num_threads, (threads // self.parts,))
                self._work = self._in_parts(env, net, pool)

    def _in_parts(self, env: Divisible, net: ActorCritic, pool: ThreadPoolExecutor) -> Callable[[], None]:
        bounds = pairwise(self._rollout.obs.shape[1] * i // self.parts for i in range(self.parts + 1))
        parts = [(env.part(lo, hi), self._rollout.part(lo, hi)) for lo, hi in bounds]

        def work() -> None:
            running = [pool.submit(act, some, net, rows) for some, rows in parts]
            for part in running:
                part.result()

        return work

    def unroll(self) -> None:
        """See `collect`."""
        prepare(self._rollout, self._generator, self._group)
        self._work()


class Captured:
    """Work of fixed shapes on fixed memory that does not wait for the GPU, replayed as one CUDA graph.

    The first calls run it as it is, on the stream of the later capture; nothing is run for the sake of the capture.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        """`work` must do the same operations at every call."""
        self._work, self._calls = work, 0
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()

    def __call__(self) -> None:
        """Run it once, in the order of the current stream."""
        if self._calls < PLAIN_UNROLLS:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._work()
            torch.cuda.current_stream().wait_stream(self._stream)
        else:
            if self._calls == PLAIN_UNROLLS:
                with torch.cuda.graph(self._graph, stream=self._stream):  # records, does not run
                    self._work()
            self._graph.replay()
        self._calls += 1
