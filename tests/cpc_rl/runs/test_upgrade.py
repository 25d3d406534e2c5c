from cpc_repr.upgrade import upgrade as of_a_representation
from cpc_rl.aux import upgrade as of_an_agent


def test_trackers_of_old_read_as_those_of_today() -> None:
    for upgrade in (of_an_agent, of_a_representation):
        old = {"run": {"wandb": True, "wandb_project": "mine", "tensorboard": True, "seed": 2}}
        new = {"run": {"wandb": True, "track_project": "mine", "track": "tensorboard", "seed": 2}}
        assert upgrade(old) == new and upgrade(new) == new
        assert upgrade({"run": {"tensorboard": False}}) == {"run": {}} and upgrade({"run": 3}) == {"run": 3}
