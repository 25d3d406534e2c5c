"""The loss alone in somebody else's PPO: sb3-contrib's RecurrentPPO with CPC beside it.

pip install sb3-contrib
python examples/sb3_cpc.py

Before PPO's epochs on a rollout, CPC takes gradient steps on the same rollout: the actor's LSTM predicts the features
of observations to come. Encoder and LSTM are PPO's own; the rest of sb3-contrib stays as it is.
"""

import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.env_util import make_vec_env

import envs.minilab.gym  # noqa: F401 - it registers the levels with Gymnasium
from cpc_rl.infonce import cpc_loss, linear_heads


class CPCPPO(RecurrentPPO):
    """RecurrentPPO with `cpc_epochs` steps of CPC on each rollout, predicting `cpc_steps` steps ahead."""

    def __init__(self, *args, cpc_steps=3, cpc_epochs=4, **kwargs):
        self.cpc_steps, self.cpc_epochs = cpc_steps, cpc_epochs
        super().__init__(*args, **kwargs)

    def _setup_model(self):
        super()._setup_model()
        lstm = self.policy.lstm_actor
        self.heads = linear_heads(lstm.hidden_size, lstm.input_size, self.cpc_steps).to(self.device)
        self.policy.optimizer.add_param_group({"params": list(self.heads.parameters())})

    def train(self):
        """CPC, then PPO, which reshapes the rollout for itself."""
        self.policy.set_training_mode(True)
        for _ in range(self.cpc_epochs):
            result = self.contrast()
            self.policy.optimizer.zero_grad()
            result.loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        for k, accuracy in enumerate(result.per_offset.accuracy.tolist(), start=1):
            self.logger.record(f"cpc/accuracy_{k}", accuracy)
        self.logger.record("cpc/loss", result.loss.item())
        super().train()

    def contrast(self):
        """CPC of the rollout: T steps of B environments."""
        rollout, policy, device = self.rollout_buffer, self.policy, self.device
        obs = torch.as_tensor(rollout.observations, device=device)  # [T, B, ...]
        first = torch.as_tensor(rollout.episode_starts, device=device).T.contiguous()  # [B, T]
        state = [torch.as_tensor(x[0], device=device) for x in (rollout.hidden_states_pi, rollout.cell_states_pi)]
        latent = policy.extract_features(obs.transpose(0, 1).flatten(0, 1))  # [B * T, D]
        # sb3-contrib's own pass over a sequence, which zeroes the state where an episode begins
        context, _ = policy._process_sequence(latent, state, first.flatten(), policy.lstm_actor)  # [B * T, H]
        return cpc_loss(
            context.unflatten(0, first.shape),  # [B, T, H]
            latent.unflatten(0, first.shape),  # [B, T, D]
            self.heads,
            offsets=range(1, self.cpc_steps + 1),
            segment=first.long().cumsum(1),  # pairs never cross the end of an episode
            num_negatives=128,
        )


def main(steps=200_000, env="minilab/seekavoid_arena_01-v0", num_envs=8, **settings):
    """Train on a level of minilab, or on any environment of Gymnasium that shows pictures."""
    batch = make_vec_env(env, num_envs, seed=1)
    return CPCPPO("CnnLstmPolicy", batch, verbose=1, seed=1, **settings).learn(steps)


if __name__ == "__main__":
    main()
