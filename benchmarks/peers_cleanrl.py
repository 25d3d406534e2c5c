"""A PPO with LSTM in CleanRL's manner as a worker of `peers.py`, with one gradient step for each unroll.

Written for this comparison after the design of CleanRL's `ppo_atari_lstm` and, for colour pictures, `ppo_procgen`:
frames become float32 when they arrive, lie as such in a buffer [T, B, H, W, 3], and are permuted inside the network;
the LSTM goes row by row, with the state masked where an episode ended; advantages by a loop over the rows; the
minibatch is picked by index. Without its records.
"""

# ruff: noqa: D102 # methods that Gymnasium prescribes, or that CleanRL's script has as its sections

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from peers_env import ACTIONS, HEIGHT, WIDTH, CheapEnvs, options, serve
from torch import Tensor, nn
from torch.distributions import Categorical

GAMMA, LAMBDA, CLIP, ENTROPY, VALUE = 0.99, 0.95, 0.1, 0.01, 0.5
State = tuple[Tensor, Tensor]


class Env(VectorEnv):
    """`CheapEnvs` as a Gymnasium vector environment."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 # as Gymnasium has it

    def __init__(self, batch: int, episode: int) -> None:
        self.envs, self.num_envs = CheapEnvs(batch, episode), batch
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        self.single_action_space = gymnasium.spaces.Discrete(ACTIONS)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        return self.envs.pictures(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        obs, reward, ended = self.envs.step()
        return obs, reward, ended, np.zeros_like(ended), {}


class Agent(nn.Module):
    """IMPALA's shallow encoder, an LSTM, policy and value."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = (nn.Conv2d(3, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU())
        self.encoder = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(7 * 10 * 32, 256), nn.ReLU())
        self.lstm = nn.LSTM(256, 256)
        self.actor, self.critic = nn.Linear(256, ACTIONS), nn.Linear(256, 1)

    def core(self, obs: Tensor, state: State, done: Tensor) -> tuple[Tensor, State]:
        x = self.encoder(obs.permute(0, 3, 1, 2) / 255.0)
        batch = state[0].shape[1]
        rows = []
        for row, ended in zip(x.view(-1, batch, 256), done.view(-1, batch), strict=True):
            keep = (1.0 - ended)[None, :, None]
            y, state = self.lstm(row[None], (keep * state[0], keep * state[1]))
            rows.append(y)
        return torch.cat(rows).flatten(0, 1), state

    def act(
        self, obs: Tensor, state: State, done: Tensor, action: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, State]:
        x, state = self.core(obs, state, done)
        policy = Categorical(logits=self.actor(x))
        action = policy.sample() if action is None else action
        return action, policy.log_prob(action), policy.entropy(), self.critic(x), state


class Loop:
    """The script's body, one turn of it for each call of `update`."""

    def __init__(self, env: Env, unroll: int) -> None:
        self.env, self.agent = env, Agent()
        self.optimiser = torch.optim.Adam(self.agent.parameters(), lr=2.5e-4, eps=1e-5)
        rows = (unroll, env.num_envs)
        self.obs = torch.zeros(*rows, HEIGHT, WIDTH, 3)
        self.actions, self.log_probs, self.rewards, self.dones, self.values = (torch.zeros(rows) for _ in range(5))
        self.next_obs, self.next_done = torch.Tensor(env.reset()[0]), torch.zeros(env.num_envs)
        self.state = (torch.zeros(1, env.num_envs, 256), torch.zeros(1, env.num_envs, 256))

    def update(self) -> None:
        initial = (self.state[0].clone(), self.state[1].clone())
        for t in range(len(self.obs)):
            self.obs[t], self.dones[t] = self.next_obs, self.next_done
            with torch.no_grad():
                action, log_prob, _, value, self.state = self.agent.act(self.next_obs, self.state, self.next_done)
            self.values[t], self.actions[t], self.log_probs[t] = value.flatten(), action, log_prob
            obs, reward, terminated, truncated, _ = self.env.step(action.numpy())
            self.rewards[t] = torch.tensor(reward)
            self.next_obs, self.next_done = torch.Tensor(obs), torch.Tensor(np.logical_or(terminated, truncated))
        self.learn(initial, self.advantages())

    @torch.no_grad()
    def advantages(self) -> Tensor:
        result, last = torch.zeros_like(self.rewards), torch.zeros(self.env.num_envs)
        next_value = self.agent.act(self.next_obs, self.state, self.next_done)[3].flatten()
        next_done = self.next_done
        for t in reversed(range(len(self.rewards))):
            delta = self.rewards[t] + GAMMA * next_value * (1.0 - next_done) - self.values[t]
            result[t] = last = delta + GAMMA * LAMBDA * (1.0 - next_done) * last
            next_value, next_done = self.values[t], self.dones[t]
        return result

    def learn(self, initial: State, advantages: Tensor) -> None:
        unroll, batch = self.rewards.shape
        envs = np.random.permutation(batch)
        index = np.arange(unroll * batch).reshape(unroll, batch)[:, envs].ravel()
        obs = self.obs.flatten(0, 1)[index]
        old_log_prob, dones, old_value, advantage, actions = (
            x.flatten()[index] for x in (self.log_probs, self.dones, self.values, advantages, self.actions)
        )
        state = (initial[0][:, envs], initial[1][:, envs])
        _, log_prob, entropy, value, _ = self.agent.act(obs, state, dones, actions.long())
        returns, value = advantage + old_value, value.flatten()
        ratio = (log_prob - old_log_prob).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        policy_loss = torch.max(-advantage * ratio, -advantage * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
        clipped = old_value + (value - old_value).clamp(-CLIP, CLIP)
        value_loss = 0.5 * torch.max((value - returns) ** 2, (clipped - returns) ** 2).mean()
        loss = policy_loss + VALUE * value_loss - ENTROPY * entropy.mean()
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.agent.parameters(), 0.5)
        self.optimiser.step()


def main() -> None:
    given = options()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    loop = Loop(Env(given.batch, given.episode), given.unroll)
    serve(loop.update, sum(p.numel() for p in loop.agent.parameters()))


if __name__ == "__main__":
    main()
