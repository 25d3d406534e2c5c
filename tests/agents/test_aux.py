"""Auxiliary losses in the agent: a resumed one goes on bit for bit, and none runs while acting."""

from __future__ import annotations

import io

import pytest
import torch

from agents.a2c import Learner
from cpc_rl.aux import AUX_LOSSES, AuxLosses
from tests.agents.learners import learner
from tests.toys import CountingEnv

LOSSES = [*AUX_LOSSES, "cpc,curl,spr"]


def agent(aux: str) -> Learner:
    return learner(aux, CountingEnv([7, 5, 9], obs_shape=(24, 24, 3)))


@pytest.mark.parametrize("aux", LOSSES)
def test_a_resumed_agent_goes_on_bit_for_bit(aux):
    whole = agent(aux)
    for _ in range(2):
        whole.update()
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = agent(aux)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(2):
        assert resumed.update() == whole.update()
    for one, other in ((whole.net, resumed.net), (whole.aux, resumed.aux)):
        assert one.state_dict().keys() == other.state_dict().keys()
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize("aux", LOSSES)
def test_nothing_of_a_loss_runs_while_acting(aux, monkeypatch):
    one = agent(aux)

    def refuse(*_):
        raise AssertionError("a loss ran while acting")

    monkeypatch.setattr(AuxLosses, "forward", refuse)
    for module in one.aux.modules():
        module.register_forward_pre_hook(refuse)
    one.actor.unroll()
    with pytest.raises(AssertionError, match="while acting"):
        one.losses()
