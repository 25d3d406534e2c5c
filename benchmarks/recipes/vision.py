"""Tables of the methods on pictures, from the results kept in benchmarks/results/vision/methods."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

from recipes.common import RESULTS, Rows, bold

from cpc_repr.results import read_results
from cpc_repr.vision.evaluate import KINDS
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.transfer.epochs import Kind
from cpc_rl.compare.statistics import t_interval

KEPT = RESULTS / "vision/methods"
WORLDS = {"drawn": "drawn", "real": "Tiny ImageNet, ten classes", "longer": "the same, 1,000 updates"}
PROBE: Kind = "lbfgs"
Run = Mapping[str, Any]  # name of a result -> what it is


def _runs(world: str, name: str, arm: str = "") -> list[Run]:
    """The results of all seeds of a method, in the order of the seeds."""
    return [read_results(path)[1] for path in sorted(KEPT.glob(f"{world}/{name}-s*/{arm}/report/results.json"))]


def _loss(run: Run, row: str) -> tuple[float, float]:
    """Loss of a method or module on test pictures, and what chance comes to."""
    if "task" in run:
        return run["task"]["loss"], run["task"]["chance_loss"]
    offsets = run["per_offset" if row == "cpc" else f"per_offset_{row}"]
    return mean(offsets["loss"]), mean(offsets["log_n"])


def _top1(runs: list[Run], row: str, probe: str = PROBE) -> list[float]:
    return [100 * run[row][probe][0] for run in runs]


def _each(values: list[float], form: str = ".1f") -> str:
    return ", ".join(f"{value:{form}}" for value in values)


def _mean(values: list[float]) -> str:
    """Mean and half the t-interval; one seed alone."""
    middle, _, high = t_interval(values)
    return f"{middle:.1f}" if high is None else f"{middle:.1f} ± {high - middle:.1f}"


def _difference(ours: list[float], theirs: list[float]) -> str:
    """Mean of the paired differences with its t-interval, in bold where the interval leaves out 0."""
    middle, low, high = t_interval([a - b for a, b in zip(ours, theirs, strict=True)])
    if low is None or high is None:
        return f"{middle:+.1f}"
    return bold(f"{middle:+.1f} [{low:.1f}, {high:.1f}]", low > 0 or high < 0)


def _page(method: str) -> Rows:
    """Of the method's page: a row for each kind of pictures that there are runs on, and for each module."""
    rows = [["pictures", "", "loss, each seed", "chance", "pixels", "random encoder", "trained", "difference"]]
    for world, pictures in WORLDS.items():
        if runs := _runs(world, method):
            for row, title in METHODS[method].rows.items():
                ours, random = _top1(runs, row), _top1(runs, "random")
                losses, chances = zip(*(_loss(run, row) for run in runs), strict=True)
                cells = [_each([*losses], ".2f"), f"{chances[0]:.2f}", _mean(_top1(runs, "pixels")), _mean(random)]
                seeds = f"{pictures}, {len(runs)} seed{'s' if len(runs) > 1 else ''}"
                rows.append([seeds, title, *cells, _mean(ours), _difference(ours, random)])
    return rows


def cpc() -> Rows:
    """CPC beside the random encoder."""
    return _page("cpc")


def gim() -> Rows:
    """Greedy InfoMax beside the random encoder."""
    return _page("gim")


def rotation() -> Rows:
    """Rotation beside the random encoder."""
    return _page("rotation")


def exemplar() -> Rows:
    """Exemplar beside the random encoder."""
    return _page("exemplar")


def jigsaw() -> Rows:
    """Jigsaw beside the random encoder."""
    return _page("jigsaw")


def relative_location() -> Rows:
    """Relative location beside the random encoder."""
    return _page("relative_location")


def modules() -> Rows:
    """What each module of Greedy InfoMax adds to the one below it, by two probes."""
    rows = [["pictures", "probe", "module 2 - module 1", "module 3 - module 2"]]
    for world, pictures in WORLDS.items():
        runs = _runs(world, "gim")
        probes: tuple[Kind, ...] = (PROBE, "linear")
        for probe in probes if runs else ():
            first, second, third = (_top1(runs, row, probe) for row in METHODS["gim"].rows)
            rows.append([pictures, KINDS[probe], _difference(second, first), _difference(third, second)])
    return rows


def methods() -> Rows:
    """All methods: how far the probe of each lies above the random encoder's."""
    rows = [["", *(f"{pictures}: {what}" for pictures in WORLDS.values() for what in ("probe", "above random"))]]
    for name, method in METHODS.items():
        *_, best = method.rows
        cells = [method.rows[best]]
        for world in WORLDS:
            runs = _runs(world, name)
            ours = _top1(runs, best)
            cells += [_mean(ours), _difference(ours, _top1(runs, "random"))] if runs else ["not run"] * 2
        rows.append(cells)
    return rows


def skip() -> Rows:
    """ResNet18 without and with skip connections: linear probe by SGD, top-1 in %."""
    rows = [["", "without", "with", "difference"]]
    for name in ("rotation", "exemplar"):
        seeds: dict[str, list[Run]] = {"resnet18_no_skip": [], "resnet18": []}
        for path in sorted(KEPT.glob(f"skip/{name}-s*/*/report/results.json")):
            settings, results = read_results(path)
            seeds[settings["model"]["encoder"]].append(results)
        without, having = (_top1(runs, name, "linear") for runs in seeds.values())
        rows.append([METHODS[name].rows[name], _mean(without), _mean(having), _difference(having, without)])
    return rows
