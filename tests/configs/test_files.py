from pathlib import Path

import pytest

from configs import Frozen, UsageError, difference, dump, load_yaml, preset_names
from configs.files import merge
from tests.configs.tiny import Config


def test_dump_reads_back_equal_and_is_sectioned(tmp_path: Path) -> None:
    config = Config.model_validate({"head": {"weight": 1e-7}, "run": {"config": "a/b.yaml"}})
    path = tmp_path / "config.yaml"
    path.write_text(dump(config))
    assert Config.model_validate(load_yaml(path)) == config
    assert "\n\nhead:\n  weight: 1.0e-07\n" in path.read_text()


def test_merge_goes_into_sections_and_changes_neither() -> None:
    base, over = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": {"z": 1}}
    assert merge(base, over) == {"a": {"x": 1, "y": 3}, "b": {"z": 1}}
    assert base == {"a": {"x": 1, "y": 2}, "b": 1} and over == {"a": {"y": 3}, "b": {"z": 1}}


def test_difference_lists_dotted_keys_with_both_values() -> None:
    a, b = Config(), Config.model_validate({"head": {"steps": 3}, "aux": "cpc"})
    assert difference(a, b) == [("head.steps", 30, 3), ("aux", "none", "cpc")]
    assert difference({"a": {"b": 1}}, {"c": 2}) == [("a.b", 1, None), ("c", None, 2)]
    assert difference(a, a) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("- 1\n- 2\n", r"must hold keys and values, not \[1, 2\]"), ("a: [1", "x.yaml: not valid YAML: line 1, column 6")],
)
def test_unreadable_yaml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_yaml(path)


def test_empty_yaml_is_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# nothing\n")
    assert load_yaml(path) == {}


def test_presets_that_come_with_the_package() -> None:
    assert {"laptop", "paper"} <= set(preset_names())


def test_frozen_models_refuse_change_and_infinity() -> None:
    class Model(Frozen):
        x: float = 1.0

    with pytest.raises(ValueError, match="frozen"):
        Model().x = 2.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="finite"):
        Model(x=float("inf"))
