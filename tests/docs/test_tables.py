"""Tables of README and docs are those that the files under benchmarks/results give."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("tables")


def test_every_table_is_what_its_files_give() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "tables.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_figure_is_named_and_put_right(tables: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    good = f"Text.\n\n<!-- table: figure6/search -->\n\n{tables.markdown(tables.rows_of('figure6', 'search'))}\nMore.\n"
    page.write_text(good.replace("18.8", "19.8"))
    assert list(tables.stale(page)) == ["figure6/search"]
    tables.rewrite(page)
    assert page.read_text() == good and not list(tables.stale(page))


def test_rows_must_be_as_long_as_the_header(tables: ModuleType) -> None:
    assert tables.markdown([["", "a"], ["b", "1"]]) == "| | a |\n|---|---|\n| b | 1 |\n"
    with pytest.raises(ValueError, match="different lengths"):
        tables.markdown([["a", "b"], ["1"]])


def test_every_recipe_is_used_on_one_page(tables: ModuleType) -> None:
    used = Counter(
        (found["module"], found["recipe"])
        for page in tables.pages()
        for found in tables.MARKED.finditer(page.read_text(encoding="utf-8"))
    )
    written = {
        (file.stem, name)
        for file in (BENCHMARKS / "recipes").glob("*.py")
        for name, value in vars(importlib.import_module(f"recipes.{file.stem}")).items()
        if getattr(value, "__module__", "") == f"recipes.{file.stem}" and name[0] != "_" and file.stem != "common"
    }
    assert set(used) == written and set(used.values()) == {1}


def test_the_final_return_is_the_mean_over_the_episodes_of_the_last_tenth(tables: ModuleType) -> None:
    """By a loop over the lines of metrics.jsonl."""
    runs = {}
    for folder in sorted((BENCHMARKS / "results/figure6/levels").glob("rooms_watermaze-*")):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        runs[folder.name] = [line for line in lines if line.get("episodes")]
    first, last = (f(lines[i]["frames"] for lines in runs.values()) for f, i in ((max, 0), (min, -1)))
    finals = {}
    for name, lines in runs.items():
        late = [line for line in lines if last - 0.1 * (last - first) < line["frames"] <= last]
        episodes = sum(line["episodes"] for line in late)
        finals[name] = sum(line["episodes"] * line["episode_return"] for line in late) / episodes
    _, row, *_ = tables.rows_of("figure6", "levels")
    assert row[0] == "rooms_watermaze"
    for cell, arm in ((row[2], "none"), (row[3], "cpc")):
        wanted = [finals[f"rooms_watermaze-{arm}-s{seed}"] for seed in (1, 2, 3)]
        assert [float(x) for x in cell.split(", ")] == pytest.approx(wanted, rel=0.005)
