"""An agent small enough for a test."""

from agents.a2c import Learner
from agents.config import A2CConfig, full_config
from cpc_rl.acting import begin
from cpc_rl.aux import CPCActionConfig, CPCConfig
from cpc_rl.negatives import Negatives
from cpc_rl.networks import NetworkConfig
from tests.toys import CountingEnv


def learner(aux="none", env=None, **a2c) -> Learner:
    config = full_config()(
        network=NetworkConfig(encoder="deep", features=16, hidden=16),
        a2c=A2CConfig(**{"unroll": 20, **a2c}),
        aux=aux,
        cpc=CPCConfig(steps=5, anchors=6, negatives=Negatives(count=16)),
        cpc_action=CPCActionConfig(steps=5, anchors=6, negatives=Negatives(count=16)),
    )
    made = Learner(config, env or CountingEnv([7, 5, 9]))
    begin(made.env, made.rollout)
    return made
