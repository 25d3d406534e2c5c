"""Methods by networks: results of several runs in one table, as in Tables 2 to 4 of Kolesnikov et al. 2019.

    python -m cpc_repr.vision.compare runs/rotation-* runs/exemplar-* --out table.md
    python -m cpc_repr.vision.compare runs/* --measure linear_epochs --curves passes.png    # their Figure 1

Rows are networks, columns are methods at each widening factor. Give finished runs of `python -m cpc_repr.vision`, one
or several seeds each. Runs on other pictures, or with other settings of the probe, are refused.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro
from pydantic import Field

from configs import Frozen, UsageError, flag_names, flatten, guarded, load
from cpc_repr.probes import Score
from cpc_repr.report import Table, interval_note, over_seeds, percent
from cpc_repr.results import read_results
from cpc_repr.upgrade import upgrade
from cpc_repr.vision.config import VisionConfig, full_config
from cpc_repr.vision.encoders import ENCODERS
from cpc_repr.vision.figures import figure_curves
from cpc_repr.vision.flags import READS, Measure
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.tables import PROTOCOLS, passes_of
from cpc_repr.vision.transfer.epochs import EPOCH_KINDS
from cpc_rl.runs.files import check_writable, write_atomic


class VisionCompareConfig(Frozen):
    """What to put into the table."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directories; those of several seeds too."
    )
    measure: Measure = Field(default="linear", description="Probe whose top-1 accuracy is shown.")
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Field(
        default=None, description="Markdown file of the table; by default it is printed alone."
    )
    curves: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Field(
        default=None, description="Picture (PNG) of accuracy against passes; for `linear_epochs` and `mlp_epochs`."
    )
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


class PictureResult(NamedTuple):
    """What one run came to."""

    path: Path
    config: VisionConfig
    score: Score
    curve: Mapping[int, Score]  # passes -> accuracy

    @property
    def cell(self) -> tuple[str, str, int]:
        """Method, network, and widening factor, which is 0 where the network has none."""
        model = self.config.model
        return self.config.method, model.encoder, 0 if model.encoder == "resnet" else model.widen


def read_runs(paths: Sequence[Path], measure: Measure) -> list[PictureResult]:
    """The results of all runs in `paths`.

    Raises:
        UsageError: There is none, one lacks the measure, two are of the same seed, or they cannot be compared.
        RunFailure: A file is damaged.
    """
    found: list[PictureResult] = []
    for path in paths:
        lone, seeds = path / "report/results.json", sorted(path.glob("s[0-9]*/report/results.json"))
        files = seeds or ([lone] if lone.is_file() else sorted(path.glob("**/report/results.json")))
        if not files:
            raise UsageError(f"{path} holds no results of python -m cpc_repr.vision")
        for file in files:
            _check(result := _read(file, measure), found, measure)
            found.append(result)
    return found


def _read(file: Path, measure: Measure) -> PictureResult:
    settings, results = read_results(file)
    try:
        config = full_config().model_validate(upgrade(settings))
    except ValueError as error:
        raise UsageError(f"{file} is not of python -m cpc_repr.vision") from error
    *_, row = METHODS[config.method].rows
    scores = {
        key: Score(*values) for name in (row, f"{row}_{measure}") for key, values in results.get(name, {}).items()
    }
    if measure not in scores:
        raise UsageError(f"{file} has no `{measure}`; there are {', '.join(k for k in READS if k in scores) or 'none'}")
    return PictureResult(file.parents[1], config, scores[measure], passes_of(scores, measure))


def _check(result: PictureResult, others: Sequence[PictureResult], measure: Measure) -> None:
    for other in others:
        one, two = (flatten(each.config.model_dump(mode="json")) for each in (other, result))
        for key in one:
            told = key.startswith(("data.", "pictures.", *READS[measure])) and key != "data.cache"
            if told and one[key] != two[key]:
                flag = flag_names(type(result.config))[key]
                raise UsageError(f"{result.path} has {flag} {two[key]}, {other.path} {one[key]}: not to be compared")
        if result.cell == other.cell and result.config.run.seed == other.config.run.seed:
            raise UsageError(f"{other.path} and {result.path} are of the same method, network and seed")


def network_table(results: Sequence[PictureResult], measure: Measure) -> Table:
    """Top-1 of each network, a row, with each method at each width, a column."""
    cells: dict[tuple[str, str, int], list[Score]] = defaultdict(list)
    for result in results:
        cells[result.cell].append(result.score)
    methods, networks = [*METHODS], [*ENCODERS]
    columns = sorted({(m, widen) for m, _, widen in cells}, key=lambda c: (methods.index(c[0]), c[1]))
    rows = sorted({network for _, network, _ in cells}, key=networks.index)
    body = [(net, *(percent(cells.get((m, net, widen), [])) for m, widen in columns)) for net in rows]
    counts = sorted({len(scores) for scores in cells.values()})
    note = interval_note(counts[-1], "test pictures")
    note += "" if len(counts) == 1 else f" (some cells have {counts[0]})"
    header = ("", *(_title(method, widen) for method, widen in columns))
    return Table(f"Methods by networks, {PROTOCOLS[measure]}, top-1 in %", header, tuple(body), f"{note}.")


def network_curves(results: Sequence[PictureResult]) -> dict[str, dict[str, dict[int, Score]]]:
    """A panel for each network: method -> passes -> accuracy."""
    panels: dict[str, dict[str, dict[int, list[Score]]]] = {}
    for result in results:
        method, network, widen = result.cell
        curve = panels.setdefault(network, {}).setdefault(_title(method, widen), {})
        for passes, score in result.curve.items():
            curve.setdefault(passes, []).append(score)
    return {
        network: {name: {p: over_seeds(scores) for p, scores in curve.items()} for name, curve in curves.items()}
        for network, curves in panels.items()
    }


def _title(method: str, widen: int) -> str:
    return f"{METHODS[method].title} {widen}x" if widen else METHODS[method].title


def run(config: VisionCompareConfig) -> int:
    """Read, print and write."""
    if not config.runs:
        raise UsageError("give one run directory or more; see --help")
    if config.curves is not None and config.measure not in EPOCH_KINDS:
        raise UsageError(f"--curves: --measure {config.measure} has none; {' and '.join(EPOCH_KINDS)} have")
    for flag, file in (("--out", config.out), ("--curves", config.curves)):
        if file is not None:
            check_writable(file, flag)
            file.parent.mkdir(parents=True, exist_ok=True)
    results = read_runs(config.runs, config.measure)
    table = network_table(results, config.measure)
    table.show()
    if config.out is not None:
        write_atomic(config.out, lambda file: file.write(table.markdown().encode()))
    if config.curves is not None:
        figure_curves(config.curves, network_curves(results))
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return run(load(VisionCompareConfig, argv, prog="python -m cpc_repr.vision.compare", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
