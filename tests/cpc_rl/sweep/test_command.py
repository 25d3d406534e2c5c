"""Command lines: as wandb's agent writes them, and as our own loader reads them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents.config import full_config
from configs import UsageError, load
from cpc_rl.environments import default_preset
from cpc_rl.sweep.command import check_flags, command_line, resumable, run_flags
from cpc_rl.sweep.file import SWEEPS, SweepFile, Trials, load_sweep

VALUES = {"aux": "cpc", "rate": 0.001, "wandb": True, "debug": False, "clip": None}
MACROS = {
    "${args}": ["--aux=cpc", "--rate=0.001", "--wandb=True", "--debug=False", "--clip=None"],
    "${args_no_equals}": [
        *("--aux", "cpc", "--rate", "0.001", "--wandb", "True", "--debug", "False", "--clip", "None")
    ],
    "${args_no_hyphens}": ["aux=cpc", "rate=0.001", "wandb=True", "debug=False", "clip=None"],
    "${args_no_boolean_flags}": ["--aux=cpc", "--rate=0.001", "--wandb", "--clip=None"],
    "${args_append_hydra}": ["+aux=cpc", "+rate=0.001", "+wandb=True", "+debug=False", "+clip=None"],
    "${args_override_hydra}": ["++aux=cpc", "++rate=0.001", "++wandb=True", "++debug=False", "++clip=None"],
    "${args_json}": [json.dumps(VALUES)],
    "${env}": ["/usr/bin/env"],
    "${interpreter}": ["python"],
    "${program}": ["agents.a2c"],
    "plain": ["plain"],
    "a-${args}": ["a-${args}"],
    "${envvar:COLOUR}-x": ["red-x"],
    "${envvar:NOT_SET}": ["NOT_SET"],
}


def agents_command(command, program, values, monkeypatch, tmp_path):
    """What wandb's own agent would start."""
    agent_module = pytest.importorskip("wandb.wandb_agent")
    started = []
    monkeypatch.chdir(tmp_path)  # it writes a folder wandb/
    monkeypatch.setattr(agent_module, "AgentProcess", lambda command, **_: started.append(command) or SimpleNamespace())
    agent = agent_module.Agent.__new__(agent_module.Agent)
    agent._sweep_command, agent._in_jupyter, agent._function = list(command), False, None
    agent._forward_signals, agent._run_processes = False, {}
    args = {name: {"value": value} for name, value in values.items()}
    monkeypatch.setenv("WANDB_RUN_ID", "x")  # the agent sets these: to be put back
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", "x")
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")  # older ones name a folder by it
    agent._command_run({"run_id": "run1", "program": program, "args": args})
    return started[0]


def test_every_macro_as_wandbs_agent_fills_it_in(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("COLOUR", "red")
    monkeypatch.delenv("NOT_SET", raising=False)
    ours = command_line(list(MACROS), "agents.a2c", VALUES, interpreter="python")
    assert ours == [word for words in MACROS.values() for word in words]
    assert ours == agents_command(MACROS, "agents.a2c", VALUES, monkeypatch, tmp_path)


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_wandbs_agent_starts_our_program_with_words_it_takes(path, monkeypatch, tmp_path: Path):
    file: SweepFile = load_sweep(path)[2]
    for index in (0, 1, 5):
        values = Trials(file, seed=1)[index]
        words = agents_command(file.command, file.program, values, monkeypatch, tmp_path)
        assert words[:4] == ["/usr/bin/env", "python", "-m", "agents.a2c"]
        config = load(full_config(), words[4:], prog="", description="", default_preset=default_preset)
        assert config.run.preset == words[5] and config.run.wandb
        assert (config.env.name, config.aux) == (values["env"], values["aux"])
        assert config.a2c.entropy_cost == values.get("entropy-cost", config.a2c.entropy_cost)
        assert config.optimiser.learning_rate == values.get("optimiser.learning-rate", config.optimiser.learning_rate)
        assert config.optimiser.epsilon == values.get("optimiser.epsilon", config.optimiser.epsilon)
        assert config.run.seed == values.get("seed", 1)


def test_unknown_macros_are_refused():
    with pytest.raises(ValueError, match=r"\$\{arg\} is not known here; allowed are \$\{env\}.*\$\{envvar:NAME\}"):
        command_line(["${arg}"], "x", {})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--num-envs=14.5", "--num-envs: .*'14.5'"),
        ("--num-envs=9000", "--num-envs 9000: .* 8192"),
        ("--num-env=8", r"unknown flag --num-env; did you mean --num-envs\?"),
        ("--preset nosuch", "--preset nosuch: no such preset"),
    ],
)
def test_flags_that_our_program_would_refuse_are_refused(flags, says):
    with pytest.raises(UsageError, match=says):
        check_flags(["python", "-m", "agents.a2c", *flags.split()])
    with pytest.raises(UsageError, match=says):
        check_flags(["/usr/bin/cpc-rl", "train", *flags.split()])
    check_flags(["cpc-rl", "evaluate", *flags.split()])
    check_flags(["python", "train.py", "agents.a2c", *flags.split()])  # that is another program


def test_flags_that_a_sweep_draws_as_floats_are_taken():
    check_flags(["/usr/bin/env", "python", "-m", "agents.a2c", "--num-envs=14.0", "--frames=1e6", "--wandb=False"])


def test_which_programs_keep_runs():
    assert resumable(["python", "-m", "agents.a2c", "--aux=cpc"])
    assert resumable(["cpc-rl", "train", "--aux=cpc"]) and resumable(["torchrun", "-m", "--", "agents.a2c"])
    assert not resumable(["python", "train.py", "--run", "x"]) and not resumable(["cpc-rl", "random", "--run", "x"])
    for flag in ("--run", "--run=here", "--resume"):
        with pytest.raises(ValueError, match=f"{flag}: the sweep gives each trial its own"):
            resumable(["python", "-m", "agents.a2c", flag])
        with pytest.raises(ValueError, match=f"{flag}: the sweep gives each trial its own"):
            resumable(["cpc-rl", "train", flag])


def test_a_run_is_taken_up_where_it_has_a_checkpoint(tmp_path: Path):
    run = tmp_path / "000"
    assert run_flags(run) == ["--run", str(run)]
    run.mkdir()
    (run / "config.yaml").touch()
    assert run_flags(run) == ["--run", str(run)]
    (run / "checkpoint-80.pt").touch()
    assert run_flags(run) == ["--resume", str(run)]
