"""When a run is evaluated, which of its evaluations was the best, and whether it should end for what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cpc_rl.runs.config import RunConfig
from cpc_rl.runs.screen import Step

Scores = Mapping[str, float]


class Evaluations:
    """The evaluations of one run, by the mean return of the sampled policy (`eval/return`)."""

    def __init__(self, settings: RunConfig, play: Callable[[Step], Scores]) -> None:
        """`play` plays the episodes and gives a line of metrics, `eval/return` among them; all ranks call it.

        It tells the step how far it is.
        """
        self._settings, self._play = settings, play
        self.best: float | None = None
        self.best_frames = 0
        self.last: float | None = None
        self.last_frames = 0

    def due(self, before: int, frames: int, total: int) -> bool:
        """Whether an update that led from `before` to `frames` passed a multiple of `--eval-every`, or the end."""
        every = self._settings.eval_every
        return every > 0 and (frames // every > before // every or frames >= total)

    def play(self, frames: int, step: Step) -> tuple[Scores, bool]:
        """Evaluate now, at `frames` frames: a line of metrics, and whether no evaluation before was as good."""
        scores = self._play(step)
        self.last, self.last_frames = float(scores["eval/return"]), frames
        better = self.best is None or self.last > self.best
        if better:
            self.best, self.best_frames = self.last, frames
        return scores, better

    def why_stop(self) -> str | None:
        """Why the run should end now, in words; None: it should not."""
        stop_at, patience = self._settings.stop_at, self._settings.patience
        if stop_at is not None and self.last is not None and self.last >= stop_at:
            return f"the evaluated return is {self.last:.4g}, --stop-at {stop_at:g} is reached"
        if patience and self.best is not None and self.last_frames - self.best_frames >= patience:
            return (
                f"no evaluation was better than {self.best:.4g} at {self.best_frames:,} frames, --patience {patience:,}"
            )
        return None

    def state_dict(self) -> dict[str, Any]:
        """What the next part of the run needs."""
        return {name: getattr(self, name) for name in ("best", "best_frames", "last", "last_frames")}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name in ("best", "best_frames", "last", "last_frames"):
            setattr(self, name, saved[name])


def told(scores: Scores) -> str:
    """An evaluation in words: `return 12.3 [10.1, 14.4], greedy 13 (20 episodes each)`."""
    return (
        f"return {scores['eval/return']:.4g} [{scores['eval/return_low']:.4g}, {scores['eval/return_high']:.4g}], "
        f"greedy {scores['eval/greedy_return']:.4g} ({scores['eval/episodes']:.0f} episodes each)"
    )
