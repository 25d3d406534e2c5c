"""Tables, intervals and the file of results."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import rich.console
from PIL import Image

from configs import RunFailure
from cpc_repr.probes import Score
from cpc_repr.report import Table, percent, plot_curves
from cpc_repr.results import Results


def test_percent() -> None:
    assert percent([Score(0.612, 0.601, 0.6234)]) == "61.2 [60.1, 62.3]"
    assert percent([]) == "-"
    assert percent([Score(x, 0, 1) for x in (0.1, 0.2, 0.3)]) == "20.0 ± 24.8"  # t = 4.303, s = 0.1, n = 3
    assert percent([Score(x, 0, 1) for x in (0.1, 0.2)]) == "15.0 ± 63.5"  # t = 12.706, s = 0.0707, n = 2


def test_table() -> None:
    table = Table("T", ("", "phones"), (("CPC", "61.2"), ("MFCC", "57.0")), "a note")
    assert table.markdown() == "### T\n\n|  | phones |\n| --- | --- |\n| CPC | 61.2 |\n| MFCC | 57.0 |\n\na note\n"
    out = io.StringIO()
    table.show(rich.console.Console(file=out))
    assert all(word in out.getvalue() for word in ("CPC", "61.2", "a note", "phones"))


def test_curves(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    plot_curves(path, [("a", {"x": [1, 2], "chance": [0, 0]}), ("b", {"x": [1, 2]})], [1, 2], "k")
    assert Image.open(path).size[0] > 600


def test_results_are_computed_once_for_the_same_settings(tmp_path: Path) -> None:
    path, calls = tmp_path / "results.json", []

    def compute() -> dict[str, Score]:
        calls.append(1)
        return {"phone": Score(0.5, 0.25, 0.75)}

    first = Results(path, {"epochs": 3}).scores("cpc", compute)
    again = Results(path, {"epochs": 3}).scores("cpc", compute)
    assert first == again == {"phone": Score(0.5, 0.25, 0.75)} and len(calls) == 1
    Results(path, {"epochs": 4}).scores("cpc", compute)
    assert len(calls) == 2
    Results(path, {"epochs": 4}).scores("mfcc", compute)
    assert len(calls) == 3
    path.write_text("{")
    with pytest.raises(RunFailure, match="is damaged"):
        Results(path, {})
