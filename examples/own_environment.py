"""Train on a Gymnasium environment of your own: this one asks what was shown at the start of the episode.

python examples/own_environment.py runs/recall
"""

import sys

import gymnasium
import numpy as np

from agents import evaluate, train


class Recall(gymnasium.Env):
    """One of two cues is shown, for a step. Some steps later the action of that number pays 1, the other -1."""

    observation_space = gymnasium.spaces.Box(0, 1, (3,), np.float32)  # the first cue, the second one, "now"
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, wait=4):
        self.wait = wait

    def reset(self, *, seed=None, options=None):
        """Draw a cue and show it."""
        super().reset(seed=seed)
        self.cue, self.time = int(self.np_random.integers(2)), 0
        return np.eye(3, dtype=np.float32)[self.cue], {}

    def step(self, action):
        """Nothing counts but the action that is taken at "now"."""
        now = self.time == self.wait
        self.time += 1
        reward = (1.0 if action == self.cue else -1.0) if now else 0.0
        return np.array([0, 0, self.time == self.wait], np.float32), reward, now, False, {}


def main(run, frames=40_000, episodes=200):
    """Train, and print what an episode pays: 1 to an agent that remembers, 0 to all others."""
    name = "gymnasium/own_environment:Recall"  # this file, as a module, and the class in it
    train(env=name, aux="cpc", cpc={"steps": 3}, reward_scale=1, frames=frames, run=run)
    scores = evaluate(run, episodes)["sampled"]
    print(f"return {scores['mean']:.2f} [{scores['low']:.2f}, {scores['high']:.2f}]")
    return scores


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 1 else sys.exit(__doc__)
