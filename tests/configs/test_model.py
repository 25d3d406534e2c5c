from configs import flag_names
from configs.model import boolean_keys, flatten
from tests.configs.tiny import Config


def test_flag_names_follow_the_marks() -> None:
    names = flag_names(Config)
    assert names["world.name"] == "--env"  # section left out, field renamed
    assert names["world.num_envs"] == "--num-envs"
    assert names["head.by_action"] == "--head.by-action"
    assert names["aux"] == "--aux"


def test_boolean_keys() -> None:
    assert boolean_keys(Config) == {"run.wandb", "run.debug", "head.by_action"}


def test_flatten() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {"a.b.c": 1, "a.d": 2, "e": 3}
