"""`Workers`: environments in processes of their own, which may die, hang or raise without harm to the others.

Processes are *spawned*. Forking is out of the question where an engine or torch lives in the parent, and a fork server
would be one more process whose death is the death of all, that SIGTERM to the group would end, and that would hand
down the environment variables of an hour ago. Spawned workers are the trainer's own children: the kernel ends them
with it. They do not import the trainer's `__main__` again (and torch with it): functions of `__main__` travel by
value, in cloudpickle.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState
from gymnasium.vector.utils import CloudpickleWrapper, iterate

from envs.errors import EnvironmentFailure, Incurable
from envs.quantities import RAW_REWARD
from envs.signals import FOR_THE_PROGRAM
from envs.workers.child import Child, Env, Phase
from envs.workers.process import Failure, Worker

Array = np.ndarray[Any, np.dtype[Any]]
Infos = dict[str, Any]

if TYPE_CHECKING:
    _AsyncVectorEnv = AsyncVectorEnv[Array, Array]
else:  # before gymnasium 1.4 it is not generic
    _AsyncVectorEnv = AsyncVectorEnv

FAILURES = 3  # of one worker without a whole episode in between, and the batch is given up
CLOSE_SECONDS = 3.0  # for all workers together; who needs longer is killed


def nothing(failure: Failure) -> str:
    """Nothing is known about this kind of environment."""
    return ""


class Workers(_AsyncVectorEnv):
    """A gymnasium vector environment with same-step autoreset whose workers are watched, and restarted.

    A worker that dies, gives no answer within `timeout` seconds, or whose environment raises, is killed with all that
    it started, reported in one line on stderr and replaced, within the same `reset` or `step`. Its row then shows the
    first frame of a new episode, and `lost` is true there; the rows of others are what they are. The third failure of
    one worker without a whole episode in between closes all and raises `envs.api.EnvironmentFailure`; so does the first
    one that no other seed cures (`Incurable`).

    `step` returns infos with `final_obs`, `final_info` and their masks (as gymnasium has them) where episodes ended,
    and `RAW_REWARD` where environments tell it. `final_info` has the numbers of an environment's own info; all else
    stays in the worker. Observations are views of shared memory which the next call overwrites.

    Attributes:
        lost: bool [N], which rows of the last `step` begin an episode because a worker failed.
        last: bool [N], which workers begin no other episode when theirs ends, before the next `reset`: a row that ends
            one shows its last observation, and those behind it are the same with reward 0 (and `idle`); may be set.
        idle: bool [N], which rows of the last `step` nothing was done for.
        episodes: int64 [N], how often each worker has begun an episode (or tried to); may be set before a `reset`.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], Env]],
        *,
        name: str,
        seeds: Callable[[int, int], int],
        timeout: float = 300.0,
        folder: Path | None = None,
        incurable: Callable[[Failure], str] = nothing,
        advise: Callable[[Failure], str] = nothing,
    ) -> None:
        """Start the workers. Each makes its environment in the first `reset`; one is made here, and asked its spaces.

        Args:
            env_fns: make one environment each, with observations in a Box.
            name: of the task, for messages.
            seeds: gives worker i's k-th episode (from 1) its seed; a pure function, called in this process.
            timeout: seconds.
            folder: where workers put temporary files; each makes a folder in it that goes when the worker goes.
            incurable: says what is missing where a worker's death shows that no restart would help, or nothing.
            advise: says what to check, or nothing, after the last failure.

        Raises:
            ValueError: observations are not in a Box.
        """
        env = env_fns[0]()
        space = env.observation_space
        env.close()
        if not isinstance(space, Box):
            raise ValueError(f"{name} has observations in {space}; only a Box can be shared between processes")
        count, ctx = len(env_fns), multiprocessing.get_context("spawn")
        self.name, self._seeds_of, self._timeout = name, seeds, timeout
        self._incurable, self._advise = incurable, advise
        self.lost, self.last, self.idle = (np.zeros(count, np.bool_) for _ in range(3))
        self.episodes = np.zeros(count, np.int64)
        frames = ctx.RawArray("B", count * int(np.prod(space.shape)) * space.dtype.itemsize)  # nameless: cannot leak
        self._ctx, self._child = ctx, Child(frames, ctx.RawArray("B", count), ctx.RawArray("d", count), folder)
        self._workers: list[Worker] = []
        try:
            with _quiet_start(self._child):
                super().__init__(
                    env_fns,
                    shared_memory=False,  # its own would be out of reach for a worker that replaces another
                    copy=False,
                    context="spawn",
                    worker=self._child,
                    autoreset_mode=AutoresetMode.SAME_STEP,
                )
            self._adopt()
        except BaseException:  # an interrupt, say
            self._adopt()
            self._end()
            self.closed = True
            raise
        self.observations = np.frombuffer(frames, space.dtype).reshape(count, *space.shape)
        self._at_exit = _close_at_exit(self)

    def reset_async(self, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None) -> None:
        """Have every worker begin its next episode; `seed` replaces those of `seeds` for this once. No `options`."""
        self._expect(AsyncState.DEFAULT)
        if options:
            raise ValueError(f"options are {options}; workers take none")
        self.last[:] = False
        given = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed or [None] * self.num_envs
        for worker in self._workers:
            self._choose(worker, given[worker.index])
            worker.send("reset", worker.seed)
        self._state = AsyncState.WAITING_RESET

    def reset_wait(self, timeout: float | None = None) -> tuple[Array, Infos]:
        """The first frames [N, ...], and empty infos. `timeout` is the constructor's. Raises EnvironmentFailure."""
        self._expect(AsyncState.WAITING_RESET)
        self._replace([answer for answer in self._answers(self._workers) if isinstance(answer, Failure)])
        vars(self).pop("error_queue", None)  # nobody uses it: its semaphores go, now that all workers have seen them
        self._state = AsyncState.DEFAULT
        return self.observations, {}

    def step_async(self, actions: Array) -> None:
        """Send every worker its action."""
        self._expect(AsyncState.DEFAULT)
        for worker, action in zip(self._workers, iterate(self.action_space, actions), strict=True):
            if not worker.resting:
                worker.steps += 1
                worker.send("step", (action, None if self.last[worker.index] else worker.next_seed))
        self._state = AsyncState.WAITING_STEP

    def step_wait(self, timeout: float | None = None) -> tuple[Array, Array, Array, Array, Infos]:
        """Observations, rewards float64 [N], terminated and truncated bool [N], infos. Raises EnvironmentFailure."""
        self._expect(AsyncState.WAITING_STEP)
        rewards = np.zeros(self.num_envs)
        terminated, truncated, self.lost = (np.zeros(self.num_envs, np.bool_) for _ in range(3))
        self.idle = np.array([worker.resting for worker in self._workers])
        awake = [worker for worker in self._workers if not worker.resting]
        final, raw = (np.full(self.num_envs, None, object) for _ in range(2))
        infos: Infos = {}
        failures = []
        for i, answer in zip([worker.index for worker in awake], self._answers(awake), strict=True):
            if isinstance(answer, Failure):
                failures.append(answer)
                self.lost[i] = True
                continue
            rewards[i], terminated[i], truncated[i], final[i], raw[i], told = answer
            if terminated[i] or truncated[i]:
                self._workers[i].failures.clear()
                infos = self._add_info(infos, {"final_info": told}, i)
                self._workers[i].resting = bool(self.last[i])
                if not self.last[i]:
                    self._choose(self._workers[i])
        self._replace(failures)
        self._state = AsyncState.DEFAULT
        ended = terminated | truncated
        if ended.any():
            infos |= {"final_obs": final, "_final_obs": ended}
        if any(paid is not None for paid in raw):
            infos[RAW_REWARD] = np.array([0.0 if paid is None else paid for paid in raw])  # [N]
        return self.observations, rewards, terminated, truncated, infos

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What method or attribute `name` of each environment gives. Raises RuntimeError if one fails."""
        self._expect(AsyncState.DEFAULT)
        for worker in self._workers:
            worker.send("call", (name, args, kwargs))
        answers = self._answers(self._workers)
        for answer in answers:
            if isinstance(answer, Failure):  # if it is dead, the next step finds out
                raise RuntimeError(f"{self.name}: worker {answer.worker} {answer.what} ({name} was called)")
        return tuple(answers)

    def set_attr(self, name: str, values: Any) -> None:
        """Not supported: a worker that replaces another would not know."""
        raise NotImplementedError("attributes of environments in workers cannot be set")

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """End all workers: asked nicely if they are idle, killed if they do not go at once (`CLOSE_SECONDS`)."""
        atexit.unregister(self._at_exit)
        idle = self._state is AsyncState.DEFAULT and not terminate
        asked = [worker for worker in self._workers if idle and not worker.fresh]
        for worker in asked:
            worker.send("close")
        deadline = time.monotonic() + CLOSE_SECONDS
        for worker in asked:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        self._end()

    def _end(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers, self.processes, self.parent_pipes = [], [], []
        vars(self).pop("error_queue", None)

    def _adopt(self) -> None:
        """Take over the processes that gymnasium has started."""
        started = zip(getattr(self, "processes", []), getattr(self, "parent_pipes", []), strict=False)
        self._workers = [Worker(i, self._child, process, pipe) for i, (process, pipe) in enumerate(started)]

    def _check_spaces(self) -> None:
        """Nothing: gymnasium would wait for all workers here, for ever if need be. The first `reset` waits for them."""

    def _expect(self, state: AsyncState) -> None:
        self._assert_is_running()
        if self._state is not state:  # an interrupt came between
            raise RuntimeError(f"{self.name} is in state {self._state.value!r}, not {state.value!r}: close it")

    def _choose(self, worker: Worker, seed: int | None = None) -> None:
        """Give a worker's next episode a number and a seed: one that has not just failed, if there is such a one."""
        i, bad = worker.index, {failure.seed for failure in worker.failures}
        for _ in range(100):
            self.episodes[i] += 1
            worker.seed = self._seeds_of(i, int(self.episodes[i])) if seed is None else seed
            if worker.seed not in bad:
                break
        worker.next_seed = self._seeds_of(i, int(self.episodes[i]) + 1)
        worker.steps, worker.resting = 0, False

    def _answers(self, workers: Iterable[Worker]) -> list[Any]:
        """What some workers say, Failures included, in as long as the slowest takes."""
        begun = time.monotonic()
        return [worker.answer(begun, self._timeout) for worker in workers]

    def _replace(self, failures: list[Failure]) -> None:
        """Kill and restart workers until each shows the first frame of another episode."""
        while failures:
            for failure in failures:
                if why := failure.incurable or self._incurable(failure):
                    self.close(terminate=True)
                    raise Incurable(f"{self.name}: {why}")
            failed = [self._workers[failure.worker] for failure in failures]
            for worker, failure in zip(failed, failures, strict=True):
                worker.kill()
                worker.failures.append(failure)
            for worker in failed:
                if len(worker.failures) >= FAILURES:
                    self._give_up(worker)
            for worker in failed:
                self._choose(worker)
            self._report(failures)
            for worker in failed:
                self._restart(worker)
                worker.send("reset", worker.seed)
            failures = [answer for answer in self._answers(failed) if isinstance(answer, Failure)]

    def _restart(self, worker: Worker) -> None:
        worker.pipe, child_pipe = self._ctx.Pipe()
        args = (worker.index, CloudpickleWrapper(self.env_fns[worker.index]), child_pipe, worker.pipe)
        worker.process = self._ctx.Process(target=self._child, args=args, daemon=True)
        worker.fresh = True
        self._child.phases[worker.index] = Phase.START
        with _quiet_start(self._child):
            worker.process.start()
        child_pipe.close()

    def _report(self, failures: list[Failure]) -> None:
        """What they said last, and one line for all workers that failed in the same way."""
        sys.stderr.write("".join(failure.said for failure in failures))
        for what in dict.fromkeys(failure.what for failure in failures):
            same = [failure for failure in failures if failure.what == what]
            workers, old = ", ".join(str(f.worker) for f in same), ", ".join(str(f.seed) for f in same)
            new = ", ".join(str(self._workers[f.worker].seed) for f in same)
            count = max(len(self._workers[f.worker].failures) for f in same)
            line = (
                f"{self.name}: worker {workers} (seed {old}) {what}; restarted with seed {new}, the episode is lost "
                f"(failure {count} of {FAILURES} without a whole episode in between)"
            )
            print(line, file=sys.stderr, flush=True)

    def _give_up(self, worker: Worker) -> None:
        failures = worker.failures
        self.close(terminate=True)
        seeds = {what: [str(f.seed) for f in failures if f.what == what] for what in [f.what for f in failures]}
        tries = "; ".join(f"seed{'s' * (len(s) > 1)} {', '.join(s)}: {what}" for what, s in seeds.items())
        message = f"{self.name}: worker {worker.index} failed {FAILURES} times without a whole episode in between"
        advice = self._advise(failures[-1])
        raise EnvironmentFailure(f"{message} ({tries}). {advice}" if advice else f"{message} ({tries})")


@contextlib.contextmanager
def _quiet_start(child: Child) -> Iterator[None]:
    """What holds while processes are started.

    Signals wait (a worker is deaf to them from its first instruction on, for a blocked signal stays blocked in it), and
    multiprocessing does not know what `__main__` is, or every worker would import it, and torch with it.
    """
    child.tied = threading.current_thread() is threading.main_thread()  # others may end before the environments do
    main = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {key: main[key] for key in ("__spec__", "__file__") if key in main}
    with _signals_wait():
        try:
            main["__spec__"] = None
            main.pop("__file__", None)
            yield
        finally:
            main.update(hidden)


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    if sys.platform == "win32":  # which has no way to have them wait
        yield
        return
    resource_tracker.ensure_running()  # it would unblock the signals
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_PROGRAM)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _close_at_exit(workers: Workers) -> Callable[[], None]:
    """Have `workers` closed in front of multiprocessing, which would wait for them; does not keep them alive."""
    reference = weakref.ref(workers)

    def close() -> None:
        if (living := reference()) is not None:
            living.close(terminate=True)

    atexit.register(close)  # later than multiprocessing's own: runs before it
    return close
