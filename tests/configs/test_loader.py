from pathlib import Path
from typing import Any

import pytest

import configs.files
from configs import Frozen, UsageError, load
from configs.loader import Chosen
from tests.configs.tiny import Config, Head


def read(*argv: str, default_preset: str | None = None) -> Config:
    choose = None if default_preset is None else lambda chosen: default_preset
    return load(Config, argv, prog="tiny", description="A tiny program.", default_preset=choose)


@pytest.fixture(autouse=True)
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "small.yaml").write_text("world: {num_envs: 4}\nhead: {weight: 0.5, steps: 5}\naux: cpc\n")
    (folder / "large.yaml").write_text("world: {num_envs: 64}\n")
    monkeypatch.setattr(configs.files, "PRESETS", folder)
    return folder


def test_defaults_alone() -> None:
    assert read() == Config()


def test_each_layer_covers_the_one_below(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("head: {weight: 0.25, steps: 7}\n")
    config = read("--preset", "small", "--config", str(file), "--head.steps", "9")
    assert config.world.name == "maze"  # default
    assert config.world.num_envs == 4 and config.aux == "cpc"  # preset
    assert config.head.weight == 0.25  # file
    assert config.head.steps == 9  # flag
    assert config.run.preset == "small" and config.run.config == file


def test_default_preset_stands_in_and_is_recorded() -> None:
    assert read(default_preset="small").world.num_envs == 4
    assert read(default_preset="small").run.preset == "small"
    assert read("--preset=large", default_preset="small").world.num_envs == 64


def test_a_file_may_stand_on_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("head: {steps: 7}\nrun: {preset: small}\n")
    config = read("--config", str(file), default_preset="large")
    assert (config.world.num_envs, config.head.steps, config.run.preset) == (4, 7, "small")
    assert read("--config", str(file), "--preset", "large").world.num_envs == 64  # the flag decides


@pytest.mark.parametrize("how", [("--num-envs", "64"), ("--num-envs=64",), ("--config", "FILE")])
def test_default_preset_may_depend_on_what_is_asked_for(how: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "FILE").write_text("world: {num_envs: 64}")
    argv = [str(tmp_path / "FILE") if word == "FILE" else word for word in how]
    asked = []

    def choose(chosen: Chosen) -> str:
        asked.append((str(chosen("world.num_envs")), chosen("head.steps")))
        return "large"

    config = load(Config, argv, prog="tiny", description="", default_preset=choose)
    assert asked == [("64", None)] and config.run.preset == "large"


def test_resume_takes_the_runs_configuration_instead_of_the_default_preset(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("head: {weight: 3.0}\nrun: {preset: large}\n")
    config = read("--resume", str(tmp_path), "--head.steps", "8", default_preset="small")
    assert (config.head.weight, config.head.steps, config.world.num_envs) == (3.0, 8, 16)
    assert config.run.preset == "large" and config.run.resume == tmp_path


def test_resume_from_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--resume .*: not a run directory"):
        read("--resume", str(tmp_path))


def test_spellings() -> None:
    wanted = Config.model_validate({"world": {"name": "rooms", "num_envs": 3}, "head": {"by_action": True}})
    assert read("--env", "rooms", "--num-envs", "3", "--head.by-action") == wanted
    assert read("--env=rooms", "--num_envs=3", "--head.by_action=True") == wanted
    assert not read("--head.by-action=True", "--head.by-action=false").head.by_action
    assert read("--wandb=true").run.wandb and not read("--wandb", "--no-wandb").run.wandb


def test_numbers_that_may_be_none_take_the_word_of_their_help() -> None:
    for flags in (["--most", "none"], ["--most=none"], ["--most=None"]):
        assert read("--most", "3", *flags).run.most is None
    assert read("--aux", "none").aux == "none"


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    config = read("--num-envs=14.0", "--head.steps", "1e1", "--most", "2.5e6")
    assert (config.world.num_envs, config.head.steps, config.run.most) == (14, 10, 2_500_000)
    file = tmp_path / "my.yaml"
    file.write_text("{world: {num_envs: 1e1}, head: {steps: 7.0}, run: {most: 1e6}, aux: cpc}")
    config = read("--config", str(file))
    assert (config.world.num_envs, config.head.steps, config.run.most) == (10, 7, 1_000_000)
    with pytest.raises(UsageError, match=r"head.steps = '7\.5'"):
        file.write_text("{head: {steps: '7.5'}}")
        read("--config", str(file))


def test_yaml_exponent_without_a_dot_is_a_number(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("head: {weight: 1e-3}\n")
    assert read("--config", str(file)).head.weight == 1e-3


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--head.weight 30", "--head.weight 30.0: input should be less than or equal to 10"),
        ("--num-envs 0 --head.weight -1", "--num-envs 0: .* greater than or equal to 1; --head.weight -1.0: .* to 0"),
        ("--head.weight nan", "--head.weight nan: .*finite"),
        ("--head.wieght 3", r"unknown flag --head.wieght; did you mean --head.weight\?"),
        ("--num_env 3", r"unknown flag --num_env; did you mean --num-envs\?"),
        ("--zzz", "unknown flag --zzz; see --help"),
        ("stray", "unexpected argument 'stray'; see --help"),
        ("--aux foo", r"invalid choice 'foo' for argument '--aux'. Expected one of \('none', 'cpc'\)"),
        ("--num-envs 1.5", "Error parsing --num-envs: .*'1.5'; usage: --num-envs INT How many."),
        ("--num-envs", "--num-envs.*Expected 1"),
        (f"--num-envs {'9' * 5000}", r"--num-envs: invalid literal .*'9{40}\.\.\.9{20} .5,000 characters.'"),
        ("--wandb=yes", "^--wandb 'yes': must be true or false$"),
        ("--head.by-action=--", "^--head.by-action '--': must be true or false$"),
        ("--head.steps 100", "^head.steps 100: must be smaller than the unroll, 100$"),
        ("--preset smal", r"--preset smal: no such preset; did you mean small\?"),
        ("--preset zzz", "--preset zzz: no such preset; known are: large, small"),
        ("--config nowhere.yaml", "cannot read nowhere.yaml: No such file"),
    ],
)
def test_refusals_are_one_line_with_key_value_and_what_is_allowed(argv: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(*argv.split())
    assert "\n" not in str(caught.value) and "Value error" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("head: {wieght: 1}", r"head.wieght is not a known key; did you mean head.weight\?"),
        ("head: {zzzzzzz: 1}", "known are: head.by_action, head.sizes, head.steps, head.weight$"),
        ("head: {weight: 30}", "head.weight = 30: input should be less than or equal to 10"),
        ("head: {weight: heavy}", "head.weight = 'heavy': input should be a valid number"),
        ("run: {preset: 3}", "run.preset = 3: input should be a valid string"),
        ("run: {preset: [a]}", r"run.preset = \['a'\]: input should be a valid string"),
        ("run: {preset: nosuch}", "--preset nosuch: no such preset"),
        ("aux: 2020-13-45", "aux = '2020-13-45': input should be 'none' or 'cpc'"),
        ("head: &a {weight: *a}", "line 1, column 19: an alias within what it stands for"),
        ("head: {steps: 3}\nhead: {steps: 4}", "line 2, column 1: the key head is there twice"),
        (f"head: {{steps: {'9' * 5000}}}", "9{40}... .5,000 characters. is no whole number below 2.63"),
        (f"aux: {'y' * 5000}", "aux = 'y{39}...y{19}' .5,002 characters.: input should be"),
        ("head: 3", "head = 3: input should be"),
        ("aux: foo", "aux = 'foo': input should be 'none' or 'cpc'"),
        ("head: {steps: 200}", "head.steps 200: must be smaller"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read("--config", str(file))
    assert str(caught.value).startswith((f"{file}: ", "--preset "))


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        read("--preset", "small", "--help")
    text = capsys.readouterr().out
    assert end.value.code in (0, None)
    for words in ("A tiny program.", "The head.", "--num-envs INT", "--env STR", "Weight of the loss. (default: 0.5)"):
        assert words in text


class Warm(Frozen):
    """A program whose section has other defaults than its class."""

    config: Path | None = None
    head: Head = Head(weight=5.0, steps=7)
    tail: Head = Head()


def test_half_a_section_in_a_file_leaves_the_other_half_at_the_programs_default(tmp_path: Path) -> None:
    (tmp_path / "half.yaml").write_text("head: {steps: 8}")
    found = load(Warm, ["--config", str(tmp_path / "half.yaml")], prog="warm", description="")
    assert (found.head.weight, found.head.steps, found.tail.weight) == (5.0, 8, 1.0)


def test_files_of_old_are_upgraded_before_they_are_checked(tmp_path: Path) -> None:
    def upgrade(tree: dict[str, Any]) -> dict[str, Any]:
        if "feet" in tree:
            raise ValueError("feet are tails now")
        return {"head" if key == "top" else key: value for key, value in tree.items()}

    file = tmp_path / "old.yaml"
    file.write_text("top: {steps: 8}")
    assert load(Warm, ["--config", str(file)], prog="warm", description="", upgrade=upgrade).head.steps == 8
    file.write_text("feet: {steps: 8}")
    with pytest.raises(UsageError, match=f"^{file}: feet are tails now$"):
        load(Warm, ["--config", str(file)], prog="warm", description="", upgrade=upgrade)


def test_a_flag_without_its_section_is_told_all_sections_that_have_it() -> None:
    with pytest.raises(UsageError, match="unknown flag --steps; did you mean --head.steps or --tail.steps?"):
        load(Warm, ["--steps", "3"], prog="warm", description="")
