"""Results of several runs in one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from configs import UsageError, load
from cpc_repr.vision.compare import main, network_table, read_runs
from cpc_repr.vision.config import full_config
from cpc_repr.vision.tables import after


def write(folder: Path, accuracy: float, *argv: str, seed: int = 1) -> Path:
    """A finished run whose linear probe has this accuracy."""
    config = load(full_config(), [*argv, "--seed", str(seed)], prog="x", description="", family="vision")
    row = {"gim": "module3"}.get(config.method, config.method)
    curve = {after("linear_epochs", p): [accuracy - 0.1 / p, 0.1, 0.9] for p in (1, 5)}
    results = {
        row: {"linear": [accuracy, accuracy - 0.01, accuracy + 0.01], "linear_top5": [0.9, 0.8, 1.0]},
        f"{row}_linear_epochs": {"linear_epochs": [accuracy, 0.1, 0.9], **curve},
    }
    report = folder / "report"
    report.mkdir(parents=True)
    (report / "results.json").write_text(json.dumps({"settings": config.result_settings(), "results": results}))
    return folder


def one_of_each(folder: Path) -> list[Path]:
    rotation = ("--method", "rotation", "--encoder")
    write(folder / "seeds/s1", 0.3, *rotation, "resnet18")
    write(folder / "seeds/s2", 0.5, *rotation, "resnet18", seed=2)
    return [
        folder / "seeds",
        write(folder / "wide", 0.6, *rotation, "resnet18", "--widen", "8"),
        write(folder / "vgg", 0.2, *rotation, "vgg19_bn"),
        write(folder / "cpc", 0.7),
        write(folder / "gim", 0.4, "--method", "gim"),
    ]


def test_networks_are_rows_and_methods_at_each_width_columns(tmp_path: Path) -> None:
    table = network_table(read_runs(one_of_each(tmp_path), "linear"), "linear")
    assert table.header == ("", "CPC", "Greedy InfoMax", "rotation 4x", "rotation 8x")
    one = "{0}.0 [{1}.0, {2}.0]"
    assert table.rows == (
        ("resnet", one.format(70, 69, 71), one.format(40, 39, 41), "-", "-"),
        ("resnet18", "-", "-", "40.0 ± 127.1", one.format(60, 59, 61)),
        ("vgg19_bn", "-", "-", one.format(20, 19, 21), "-"),
    )
    assert "2 seeds" in table.note and "some cells have 1" in table.note


def test_several_seeds_are_not_hidden_by_one_that_an_older_version_left_above_them(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 0.3)
    write(run / "s1", 0.4)
    write(run / "s2", 0.5, seed=2)
    assert [(result.path.name, result.score.accuracy) for result in read_runs([run], "linear")] == [
        ("s1", 0.4),
        ("s2", 0.5),
    ]
    assert [result.path for result in read_runs([write(tmp_path / "one", 0.3)], "linear")] == [tmp_path / "one"]


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(path) for path in one_of_each(tmp_path)]
    out, curves = tmp_path / "new/table.md", tmp_path / "new/passes.png"
    assert main([*runs, "--measure", "linear_epochs", "--out", str(out), "--curves", str(curves)]) == 0
    assert "SGD by passes" in out.read_text() and "| resnet18 |" in out.read_text()
    assert "rotation 8x" in capsys.readouterr().out and curves.stat().st_size > 10_000


def test_what_cannot_stand_in_one_table_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "one", 0.3)
    for name, argv, words in [
        ("same", (), "are of the same method, network and seed"),
        ("pictures", ("--method", "gim", "--pictures.train", "100"), "--pictures.train 100, .*one 6000: not to be"),
        ("probe", ("--method", "gim", "--protocol.sgd-updates", "7"), "has --protocol.sgd-updates 7"),
    ]:
        with pytest.raises(UsageError, match=words):
            read_runs([first, write(tmp_path / name, 0.4, *argv)], "linear")
    other = write(tmp_path / "mlp", 0.4, "--method", "gim", "--probe.hidden", "7")  # of another probe
    assert len(read_runs([first, other], "linear")) == 2
    with pytest.raises(UsageError, match="has no `grid`; there are linear"):
        read_runs([first], "grid")
    with pytest.raises(UsageError, match="holds no results"):
        read_runs([tmp_path / "nothing"], "linear")


@pytest.mark.parametrize(
    "argv, words", [([], "give one run directory or more"), (["x", "--curves", "y"], "--measure linear has none")]
)
def test_wrong_flags_end_in_one_line(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.strip().splitlines()) == 1
