"""What holds for every auxiliary loss: its settings, what it may read, several side by side, old settings."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from agents.a2c import Learner
from agents.config import A2CConfig, full_config
from cpc_rl.acting import begin
from cpc_rl.aux import AUX_LOSSES, AuxConfig, AuxLoss, build_aux, loss_names, upgrade, with_sections
from cpc_rl.aux.upgrade import upgrade_state
from cpc_rl.distributed import SINGLE
from cpc_rl.networks import NetworkConfig
from tests.cpc_rl.aux.unrolls import build, network, random_unroll, sizes
from tests.toys import CountingEnv


class Toy(AuxLoss):
    """Reads z and, without saying so, what `reads` names."""

    needs = frozenset({"z"})
    reads = "z"

    def forward(self, unroll):
        return torch.as_tensor(getattr(unroll, self.reads)[1:].float().mean()), {}


def test_every_loss_reads_only_what_it_declares_and_gives_a_finite_loss_and_detached_metrics():
    for name, kind in AUX_LOSSES.items():
        net = network()
        config = kind.Config(steps=4) if "steps" in kind.Config.model_fields else kind.Config()
        losses = build_aux({name: config}, sizes(net), net, 0)
        total, metrics = losses(random_unroll(net, resets=0.1))
        assert torch.isfinite(total), name
        assert metrics[f"loss/{name}"] * config.weight == pytest.approx(total.item()), name
        assert all(not value.requires_grad and value.numel() == 1 for value in metrics.values()), name


def test_all_losses_train_side_by_side_on_an_encoder_in_bfloat16():
    config = full_config()(
        aux=",".join(AUX_LOSSES),
        a2c=A2CConfig(unroll=40),
        network=NetworkConfig(features=16, hidden=16, precision="bfloat16"),
    )
    agent = Learner(config, CountingEnv([70, 50, 90], obs_shape=(20, 24, 3)))
    begin(agent.env, agent.rollout)
    before = {name: p.clone() for name, p in agent.aux.named_parameters() if p.requires_grad}
    values = agent.update()
    assert {f"loss/{name}" for name in AUX_LOSSES} <= values.keys()
    assert all(not torch.equal(before[name], p) for name, p in agent.aux.named_parameters() if p.requires_grad)


def test_reading_what_is_not_declared_names_loss_and_field():
    net = network()
    toy = Toy(AuxConfig(), sizes(net), net, 0)
    toy.reads = "obs"
    from cpc_rl.aux import AuxLosses

    with pytest.raises(AttributeError, match="aux loss toy reads unroll.obs, which its `needs` does not name"):
        AuxLosses({"toy": toy}, SINGLE)(random_unroll(net))


def test_several_losses_add_up_and_stay_apart(monkeypatch):
    monkeypatch.setitem(AUX_LOSSES, "toy", Toy)
    net, cpc = network(), AUX_LOSSES["cpc"].Config(steps=3, weight=0.5)
    together = build_aux({"cpc": cpc, "toy": AuxConfig(weight=2.0)}, sizes(net), net, 0)
    total, metrics = together(random_unroll(net))
    torch.testing.assert_close(total.detach(), 0.5 * metrics["loss/cpc"] + 2.0 * metrics["loss/toy"])
    assert {key.partition("/")[0] for key in metrics} == {"loss", "cpc"}
    assert all(key.startswith("cpc.") for key in together.state_dict())


@pytest.mark.parametrize(
    ("aux", "names"),
    [
        ("none", []),
        ("cpc", ["cpc"]),
        ("cpc_action,cpc", ["cpc_action", "cpc"]),
        ("cpc, cpc_action", ["cpc", "cpc_action"]),
    ],
)
def test_aux_names_one_loss_or_several(aux, names):
    assert loss_names(aux) == names


@pytest.mark.parametrize(
    ("aux", "message"),
    [
        ("cpcc", "'cpcc': allowed are none, cpc"),
        ("cpc,cpc", "each loss once"),
        ("none,cpc", "'none': allowed are"),
        ("", "'': allowed"),
    ],
)
def test_what_aux_cannot_be_is_refused(aux, message):
    with pytest.raises(ValueError, match=message):
        loss_names(aux)


def test_a_loss_cannot_take_the_name_of_another_section(monkeypatch):
    monkeypatch.setitem(AUX_LOSSES, "network", Toy)
    with pytest.raises(ValueError, match="cannot be called 'network'"):
        full_config()


def test_sections_are_those_of_the_registry(monkeypatch):
    class MineConfig(AuxConfig):
        """Mine."""

        depth: int = 3

    class Mine(Toy):
        """With a setting of its own."""

        Config = MineConfig

    monkeypatch.setitem(AUX_LOSSES, "mine", Mine)
    config = full_config()(aux="mine", mine=MineConfig(depth=5))
    assert config.mine.depth == 5
    assert set(AUX_LOSSES) <= set(full_config().model_fields)
    assert "mine" in with_sections(full_config().__base__, ["mine"]).model_fields


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"aux": "cpc_action", "cpc": {"steps": 7}}, {"aux": "cpc_action", "cpc_action": {"steps": 7}}),
        ({"cpc": {"negatives": "sampled", "num_negatives": 9}}, {"cpc": {"negatives": {"pool": "batch", "count": 9}}}),
        ({"cpc": {"negatives": "time", "num_negatives": 9}}, {"cpc": {"negatives": {"pool": "time", "count": "all"}}}),
        ({"cpc": {"num_negatives": 9, "anchors": 0}}, {"cpc": {"anchors": "all", "negatives": {"count": 9}}}),
        ({"cpc": {"anchors": 3}, "env": {"num_envs": 2}}, {"cpc": {"anchors": 3}, "env": {"num_envs": 2}}),
    ],
)
def test_settings_of_earlier_versions_are_read_in_todays_words(old, new):
    assert upgrade(old) == new
    assert upgrade(new) == new
    full_config().model_validate(new)


def test_a_recorded_run_without_textures_had_those_of_labmaze_and_a_file_of_ones_own_has_todays():
    recorded = full_config()(env={"backend": "minilab"}).model_dump(mode="json")
    del recorded["env"]["textures"]
    assert full_config().model_validate(upgrade(recorded)).env.textures == "labmaze"
    other = {**recorded, "env": {**recorded["env"], "backend": "dmlab"}}
    layer = {"env": {"backend": "minilab", "num_envs": 8}}
    assert upgrade(other) == other and upgrade(layer) == layer


@pytest.mark.parametrize("section", [{"negatives": [1], "num_negatives": 9}, {"negatives": 3}, 5, ["cpc"]])
def test_what_no_version_wrote_is_left_for_the_models_to_refuse(section):
    assert upgrade({"cpc": section}) == {"cpc": section}
    with pytest.raises(ValidationError):
        full_config().model_validate(upgrade({"cpc": section}))


@pytest.mark.parametrize("name", ["cpc", "cpc_action"])
def test_weights_of_earlier_versions_fit(name):
    loss = build(name, AUX_LOSSES[name].Config(steps=3))
    old = {key.replace("roll_forward.", ""): value for key, value in loss.state_dict().items()}
    assert set(upgrade_state(old, name)) == {f"{name}.{key}" for key in loss.state_dict()}
    new = {f"{name}.{key}": value for key, value in loss.state_dict().items()}
    assert upgrade_state(new, name) == new
    assert upgrade_state(None, "none") == {}
