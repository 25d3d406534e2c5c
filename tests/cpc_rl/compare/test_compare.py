import csv
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cpc_rl.compare import main
from cpc_rl.compare.figure import BASELINE, CPC, draw, styles
from cpc_rl.compare.reading import RunSet
from cpc_rl.compare.summary import compare
from tests.cpc_rl.made_runs import run_set, write_run

FILES = {"compared.png", "compared.svg", "curves.csv", "summary.csv", "summary.md", "report.html"}


def arms(folder: Path, env: str = "maze", **more: object) -> list[str]:
    """Directories of three seeds of either arm: none 2, 3, 4 and cpc 7, 8, 9."""
    made = [(aux, level + seed, seed) for aux, level in (("none", 1.0), ("cpc", 6.0)) for seed in (1, 2, 3)]
    return [str(write_run(folder / f"{aux}{seed}", aux, value, env=env, seed=seed)) for aux, value, seed in made]


def rows_of(printed: str, word: str) -> list[str]:
    return [" ".join(line.replace("│", " ").split()) for line in printed.splitlines() if word in line]


def test_a_comparison_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arms(tmp_path), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("cpc against none on maze: +5.00 [5.00, 5.00] final return, 3 seeds\n")
    assert rows_of(printed, "│ minilab") == [
        "maze minilab none 3 seeds 1 k 3.00 [0.52, 5.48] 3.00 [0.52, 5.48] 2.00, 3.00, 4.00",
        "maze minilab cpc 3 seeds 1 k 8.0 [5.5, 10.5] 8.0 [5.5, 10.5] 7.00, 8.00, 9.00",
    ]
    against = [row for row in rows_of(printed, "maze") if row.startswith("maze cpc")]
    assert against == [
        "maze cpc 3 +5.00 [5.00, 5.00] < 0.001 [2.73, 7.27] +5.00 [5.00, 5.00] 1.00 (p 0.100) 100 "
        "1.00 [1.00, 1.00], reached in 100 %"
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert str(tmp_path / "out" / "report.html") in printed


def test_the_figure_has_a_black_and_a_red_line(tmp_path: Path) -> None:
    assert main([*arms(tmp_path), "--out", str(tmp_path / "out")]) == 0
    pixels = np.asarray(Image.open(tmp_path / "out" / "compared.png").convert("RGB")).reshape(-1, 3)
    for colour in ((10, 10, 10), (214, 39, 40)):
        assert (pixels == colour).all(1).sum() > 1000


def test_the_csv_files_hold_what_was_measured(tmp_path: Path) -> None:
    assert main([*arms(tmp_path), "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "summary.csv").open() as file:
        none, cpc = csv.DictReader(file)
    assert (none["arm"], none["final_mean"], none["counted"], none["frames"]) == ("none", "3.0", "3", "1000")
    assert (cpc["difference"], cpc["difference_low"], cpc["pairs"], cpc["speedup"]) == ("5.0", "5.0", "3", "1.0")
    assert none["difference"] == none["best_3"] == cpc["normalised_mean"] == ""
    with (tmp_path / "out" / "curves.csv").open() as file:
        lines = list(csv.DictReader(file))
    runs = [line for line in lines if line["run"]]
    means = [line for line in lines if not line["run"]]
    assert (len(runs), len(means)) == (6 * 101, 2 * 101)
    assert {(line["arm"], line["seed"], line["episode_return"]) for line in runs} == {
        (aux, str(seed), str(base + seed)) for aux, base in (("none", 1), ("cpc", 6)) for seed in (1, 2, 3)
    }
    assert {(line["arm"], line["episode_return"], line["low"], line["high"]) for line in means} == {
        ("none", "3", "0.515862", "5.48414"),  # 1, 2 and 3 more than 1: t-interval of 4.302653 / sqrt(3)
        ("cpc", "8", "5.51586", "10.4841"),
    }
    assert [int(line["frames"]) for line in means[:101]] == np.linspace(100, 1000, 101).round().astype(int).tolist()


class Links(HTMLParser):
    """Everything a page would load, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_by_itself_and_escapes_names(tmp_path: Path) -> None:
    hostile = '<script>alert("1")</script> & $x_1$'
    assert main([*arms(tmp_path, hostile), "--out", str(tmp_path / "out")]) == 0
    html = (tmp_path / "out" / "report.html").read_text()
    page = Links()
    page.feed(html)
    assert "script" not in page.tags and {"svg", "table", "figure", "title"} <= set(page.tags)
    assert page.text.count(hostile) > 5
    assert all(link.startswith("#") for link in page.loads)
    assert not re.search(r"url\((?!#)|@import|http-equiv", html)
    assert "prefers-color-scheme: dark" in html
    assert hostile not in html and "<script" not in (tmp_path / "out" / "summary.md").read_text()
    for note in ("95 % t-intervals over runs", "python -m cpc_rl.compare"):
        assert note in page.text


def test_the_pages_figure_takes_its_neutral_colours_from_the_page(tmp_path: Path) -> None:
    assert main([*arms(tmp_path), "--out", str(tmp_path / "out")]) == 0
    html = (tmp_path / "out" / "report.html").read_text()
    svg = html[html.index("<svg") : html.index("</svg>")]
    assert "stroke: var(--baseline)" in svg and "fill: var(--baseline)" in svg and "fill: var(--paper)" in svg
    assert f"stroke: {CPC}" in svg
    used = set(re.findall(r"(?:stroke|fill): (#[0-9a-f]{6})", svg))
    assert used == {CPC}


def test_the_same_runs_give_the_same_files(tmp_path: Path) -> None:
    flags = [*arms(tmp_path), "--out", str(tmp_path / "out")]
    assert main(flags) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert main(flags) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_back_ends_are_not_mixed_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_run(tmp_path / "one", "cpc", 1.0)
    other = write_run(tmp_path / "other", "none", 3.0, backend="dmlab")
    flags = [str(one), str(other), "--out", str(tmp_path / "out")]
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert "maze" in error and f"minilab (as in {one})" in error and f"dmlab (as in {other})" in error
    assert "--mix-backends" in error and not (tmp_path / "out").exists()
    assert main([*flags, "--mix-backends"]) == 0
    printed = capsys.readouterr().out
    assert "dmlab and minilab" in printed and "! different back ends together: dmlab, minilab" in printed


def test_by_several_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write_run(tmp_path / f"k{k}", "cpc", float(k), settings={"cpc.steps": k}) for k in (30, 5)]
    flags = ["--by", "aux", "--by", "cpc.steps", "--out", str(tmp_path / "out")]
    assert main([*flags, *map(str, runs)]) == 0
    assert capsys.readouterr().out.startswith("cpc, steps=30 against cpc, steps=5 on maze: +25.0 final return, 1 seed,")
    assert main([*flags, "--baseline", "cpc, steps=30", *map(str, runs)]) == 0
    assert capsys.readouterr().out.startswith("cpc, steps=5 against cpc, steps=30 on maze: -25.0 final return")


def test_every_run_and_its_state_stand_in_the_report(tmp_path: Path) -> None:
    short = write_run(tmp_path / "short", "cpc", 5.0, seed=9, planned=4000)
    assert main([*arms(tmp_path), str(short), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "summary.md").read_text()
    assert f"| maze | cpc | {short} | 9 | unfinished | 1 k | yes | 5.00 | 4000 |" in text
    assert "7 runs (6 done, 1 unfinished) on 1 level (minilab), arms told apart by aux." in text
    assert "| run.frames | 1000 | 1000, 4000 |" in text and "| run.seed | 1, 2, 3 | 1, 2, 3, 9 |" in text


def test_normalised_and_best_of_many_where_there_are_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        write_run(tmp_path / str(seed), "cpc", 4.065 + 10 * seed, env="rooms_watermaze", seed=seed) for seed in range(4)
    ]
    assert main([*map(str, runs), "--out", str(tmp_path / "out")]) == 0
    (row,) = rows_of(capsys.readouterr().out, "│ minilab")
    mean = 100 * 15 / (54 - 4.065)
    assert f"{mean:.1f} % [" in row and row.endswith("24.1 (of 4)")
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "as published for DeepMind Lab" in text and "The best of many runs are partly the lucky ones" in text


def test_a_panel_for_each_level(tmp_path: Path) -> None:
    runs = [run for env in ("a", "b", "c", "d") for run in arms(tmp_path / env, env)]
    figure = draw(compare(run_set(*map(Path, runs))), "A title", ["a note"] * 12)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["a", "b", "c", "d", ""]  # the last holds legend and notes
    assert [len(axis.lines) for axis in figure.axes[:4]] == [8] * 4  # six runs, two means
    assert [len(axis.collections) for axis in figure.axes[:4]] == [2] * 4  # two bands
    facts = figure.axes[0].texts[0].get_text()
    assert facts == "minilab · 1 k frames · 3 seeds an arm"
    (footer,) = (text.get_text() for text in figure.axes[4].texts)
    assert footer.count("! a note") == 8 and "! and 4 more: in the report" in footer


def test_runs_that_do_not_count_stand_on_the_figure(tmp_path: Path) -> None:
    short = write_run(tmp_path / "short", "cpc", 5.0, seed=9, frames=400, planned=1000)
    given = run_set(*map(Path, arms(tmp_path)), short)
    (axis, _) = draw(compare(given), "A title").axes
    assert axis.texts[0].get_text() == "minilab · 1 k frames · none 3 seeds, cpc 3 of 4 runs"
    assert len(axis.lines) == 9  # seven runs, two means


def test_the_facts_of_many_arms_fit_the_panel(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{k}-{s}", seed=s, settings={"cpc.steps": k}) for k in (1, 5, 30) for s in (1, 2, 3)]
    (axis, _) = draw(compare(run_set(*runs[:-1])), "A title").axes
    assert axis.texts[0].get_text() == "minilab · 1 k frames · 3 seeds (2 arms), 2 seeds (1 arm)"


def test_two_seeds_have_no_band(tmp_path: Path) -> None:
    given = run_set(*map(Path, arms(tmp_path)))
    (axis, _) = draw(compare(RunSet(given.runs[:2] + given.runs[3:], [], 0)), "A title").axes
    assert len(axis.collections) == 1


def test_random_play_stands_on_the_figure_where_it_was_measured(tmp_path: Path) -> None:
    comparison = compare(run_set(*map(Path, arms(tmp_path, "rooms_watermaze"))))
    figure = draw(comparison, "A title")
    assert [1.14, 1.14] in [list(line.get_ydata()) for line in figure.axes[0].lines]
    legend = figure.axes[1].get_legend()
    assert legend is not None and legend.get_texts()[-1].get_text() == "uniform random play"


def test_no_two_arms_look_the_same(tmp_path: Path) -> None:
    names = ["none", "cpc", *(f"x{i}" for i in range(15))]
    looks = styles(
        compare(
            run_set(*(write_run(tmp_path / name, name) for name in names)),
        )
    )
    assert (looks["none"], looks["cpc"]) == ((BASELINE, "-"), (CPC, "-"))
    assert len(set(looks.values())) == len(names)


@pytest.mark.parametrize(
    ("flags", "says"),
    [(["--by", "auxx"], "--by auxx"), (["nowhere"], "no such run directory"), (["--baseline", "x"], "arms are cpc")],
)
def test_refusals(flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_run(tmp_path / "a")), *flags]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "give one run directory or more" in capsys.readouterr().err
    assert main([str(write_run(tmp_path / "empty", returns=[]))]) == 1
    assert "no episode has ended yet" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cpc_rl import compare, watch\n"
        "for module in (compare, watch):\n"
        "    try: module.main(['--help'])\n"
        "    except SystemExit: pass\n"
        "print(*{name for name in ('torch', 'scipy', 'matplotlib', 'numpy') if name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "" and "--by" in done.stdout
