"""Every method on pictures beside the random encoder of its network: small runs, one after another, each made once.

    python benchmarks/vision_methods.py drawn skip                  # in runs/vision_methods, seeds 1 to 3
    python benchmarks/vision_methods.py real longer --data DIR      # folders train/CLASS, val/CLASS of pictures
    python -m cpc_repr.vision.compare benchmarks/results/vision/methods/drawn/* --measure lbfgs

First seed 1 of all, then seed 2: an interruption leaves whole seeds. A run that was stopped goes on when the same
command is given again, and one whose results are kept is left out. Kept is results.json, with four digits of each
figure, in benchmarks/results/vision/methods. What is tested with them stands in benchmarks/results/vision/methods.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cpc_repr.results import read_results
from cpc_repr.vision.__main__ import main as vision

KEPT = Path(__file__).parent / "results/vision/methods"
COMMON = "--threads 1 --device cpu --protocol.sgd-updates 600"
PROBES = """--supervised-updates 0 --evaluation.batches 10 --protocol.lbfgs-iterations 200 --probe.epochs 1
--probe.learning-rates 0.003 --protocol.grid-views None --protocol.grid-batch 1 --protocol.grid-updates 1"""
DRAWN = "--pictures.train 1500 --pictures.test 500"
METHODS = {
    "cpc": "--batch-size 16 --updates 200 --resize 48 --crop 48 --patch 16 --stride 8 --jitter 14 --offsets 2 3 4",
    "gim": "--batch-size 16 --updates 200 --resize 52 --crop 48 --patch 16 --stride 8 --offsets 2 3 4",
    "rotation": "--batch-size 16 --updates 300 --resize 32 --crop 32",
    "jigsaw": "--batch-size 16 --updates 200",
    "relative_location": "--batch-size 16 --updates 200",
    "exemplar": "--batch-size 8 --updates 200",
}
SKIP = {name: f"{METHODS[name]} --ablation skip" for name in ("rotation", "exemplar")}
LONGER = {name: f"{METHODS[name]} --updates 1000" for name in ("cpc", "gim", "rotation")}
REAL = ("real", "longer")
UNKEPT = ("throughput", "_grid")  # a timing, and a probe that is not trained here
WORLDS = {"drawn": METHODS, "real": METHODS, "longer": LONGER, "skip": SKIP}


def jobs(worlds: list[str], seeds: list[int], methods: list[str], data: str) -> Iterator[tuple[str, list[str]]]:
    """Name and flags of each run, in the order in which they are made."""
    for world in worlds:
        pictures = ["--data", data] if world in REAL else DRAWN.split()
        for seed in seeds:
            for method, flags in WORLDS[world].items():
                if not methods or method in methods:
                    probes = [] if world == "skip" else PROBES.split()  # an ablation has one probe
                    words = [*COMMON.split(), *probes, *pictures, *flags.split()]
                    yield f"{world}/{method}-s{seed}", ["--method", method, "--seed", str(seed), *words]


def some(data: Path, work: Path, each: int = 150) -> Path:
    """A folder of links to the first `each` training pictures of each class, and to all test pictures."""
    for folder in sorted((data / "train").iterdir()):
        place = work / data.name / "train" / folder.name
        place.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir())[:each]:
            link(place / file.name, file)
    link(work / data.name / "val", data / "val")
    return work / data.name


def link(place: Path, target: Path) -> None:
    """A link to `target`, unless it is there."""
    if not place.is_symlink():
        place.symlink_to(target.resolve())


def rounded(value: Any) -> Any:
    """`value`, plain JSON, with four significant digits of each float."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def without(row: dict[str, Any]) -> dict[str, Any]:
    """`row` without the MLP, which is hardly trained here."""
    return {key: value for key, value in row.items() if not key.startswith("mlp")}


def keep(run: Path, place: Path) -> None:
    """Copy what was measured in `run` and in its arms to `place`, a line a result; no timings, no paths.

    `place` appears whole or not at all.
    """
    part = place.with_name(f".{place.name}")
    for file in sorted(run.glob("**/report/results.json")):
        settings, results = read_results(file)
        settings["data"]["cache"] = None
        if settings["data"]["data"]:
            settings["data"]["data"] = Path(settings["data"]["data"]).name
        rows = {name: without(row) for name, row in results.items() if row and not name.endswith(UNKEPT)}
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(rounded(row))}" for name, row in rows.items())
        kept = part / file.relative_to(run)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(f'{{"settings": {json.dumps(settings)},\n"results": {{\n{lines}\n}}}}\n', encoding="utf-8")
    part.rename(place)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="+", choices=WORLDS)
    parser.add_argument("--data", type=Path, help="folder of the real pictures; 150 of each class are used")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", default=[], help="by default all")
    parser.add_argument("--work", type=Path, default=Path("runs/vision_methods"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=KEPT)
    options = parser.parse_args()
    if not options.data and (asked := [world for world in REAL if world in options.worlds]):
        parser.error(f"{asked[0]}: give --data")
    data = str(some(options.data, options.work)) if options.data else ""
    for name, flags in jobs(options.worlds, options.seeds, options.methods, data):
        run, place = options.work / name, options.out / name
        if not place.exists():
            begun = (run / "config.yaml").exists()
            if code := vision(["--resume", str(run)] if begun else [*flags, "--run", str(run)]):
                return code
            keep(run, place)
            print(f"kept: {place}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
