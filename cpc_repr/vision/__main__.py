"""Contrastive predictive coding on pictures (van den Oord et al. 2018, section 3.2; Hénaff et al. 2020).

    python -m cpc_repr.vision                                   # minutes on two cores, nothing to download
    python -m cpc_repr.vision --smoke                           # every stage, in seconds
    python -m cpc_repr.vision --preset small-v2                 # CPC v2: four directions, patch augmentation
    python -m cpc_repr.vision --preset paper --data imagenet    # or paper-v2; folders train/CLASS, test/CLASS
    python -m cpc_repr.vision --data DIR --format stl10         # or cifar10
    python -m cpc_repr.vision --resume runs/NAME                # go on after Ctrl-C, a crash or kill -9
    torchrun --nproc-per-node=8 -m -- cpc_repr.vision --preset paper --data imagenet    # many GPUs
    python -m cpc_repr.vision --efficient.fractions 0.01 0.1 1  # few labels: CPC against pixels
    python -m cpc_repr.vision --preset small-v2 --ablation directions --seeds 3    # or: augmentation

Draws or reads the pictures, trains CPC, fits probes for their classes on it and on what it is held against (pixels,
random weights, supervised training), and prints the papers' tables beside ours. All of it lies in one run directory:
config.yaml, metrics.jsonl, checkpoints, and report/ with table.md, results.json and pictures.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from configs import as_usage_error
from cpc_repr.cache import cache_folder
from cpc_repr.command import Session, arms, command
from cpc_repr.report import Row, Table, pooled
from cpc_repr.training import Stopped
from cpc_repr.vision.augment import transforms
from cpc_repr.vision.config import Config
from cpc_repr.vision.evaluate import Bench
from cpc_repr.vision.experiment import run_arm
from cpc_repr.vision.figures import figure_labels
from cpc_repr.vision.pictures import Pictures, open_pictures
from cpc_repr.vision.synthetic import make_pictures
from cpc_repr.vision.tables import few_labels, table_ablation, table_few_labels, table_linear, table_protocols


def experiment(config: Config, session: Session) -> list[Table]:
    """Run all arms; gives the tables."""
    pictures = find_pictures(config, session)
    session.say(describe(pictures))
    found: dict[str, list[dict[str, Row]]] = defaultdict(list)
    for arm in arms(config):
        if arm.config.augment.needs_torchvision:
            with as_usage_error():
                transforms()  # complain before the first update
        folder = session.folder(arm)
        bench = Bench(arm.config, pictures, session.device, session.stop, folder.path, session.say, session.group)
        found[arm.row].append(run_arm(bench, folder, config.ablation == "none"))
    if not session.group.is_main:
        return []
    if config.ablation == "none" and len(config.efficient.fractions) > 1:
        draw_labels(session.run.report / "labels.png", config, found[""])
    return tabulate(config, found, pictures)


def find_pictures(config: Config, session: Session) -> Pictures:
    """The pictures `config` names.

    Raises:
        Stopped: A signal came while they were drawn.
        UsageError: There is something wrong with them.
    """

    def progress(done: int, total: int) -> None:
        if session.stop.stop:
            raise Stopped(f"stopped with {done} of {total} pictures drawn, which are drawn anew next time")
        if done % max(100, total // 4 // 100 * 100) == 0:
            session.say(f"drawing pictures: {done} of {total}")

    with as_usage_error():
        if config.data.data is not None:
            return open_pictures(config.data.format, config.data.data)
        return make_pictures(config.data.cache or cache_folder("pictures"), config.pictures, progress)


def describe(pictures: Pictures) -> str:
    """How many pictures there are, on one line."""
    more = f" + {len(pictures.unlabeled)} without labels" if pictures.unlabeled else ""
    skipped = (
        f"; {len(pictures.skipped)} broken files left out, {pictures.skipped[0]} first" if pictures.skipped else ""
    )
    return (
        f"pictures: {pictures.name}, {len(pictures.classes)} classes, "
        f"{len(pictures.train)} + {len(pictures.test)} (training + test){more}{skipped}"
    )


def tabulate(config: Config, rows: dict[str, list[dict[str, Row]]], pictures: Pictures) -> list[Table]:
    """The tables that go with the experiment."""
    what = f"{pictures.name}, {len(pictures.classes)} classes"
    if config.ablation != "none":
        return [table_ablation({name: [seed["cpc"] for seed in seeds] for name, seeds in rows.items()}, what)]
    tables = [table_linear(rows[""], what), table_protocols(rows[""], what)]
    if config.efficient.fractions:
        tables.append(table_few_labels(rows[""], config.efficient.fractions, what))
    return tables


def draw_labels(path: Path, config: Config, seeds: Sequence[Mapping[str, Row]]) -> None:
    """Few labels, in a picture."""
    fractions = sorted(config.efficient.fractions)
    curves = {name: [pooled(scores) for scores in column] for name, column in few_labels(seeds, fractions).items()}
    bound = pooled([row["supervised"]["linear"] for row in seeds if "supervised" in row])
    figure_labels(path, fractions, curves, bound)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return command(argv, "vision", Config, __doc__ or "", experiment, shared=True)


if __name__ == "__main__":
    sys.exit(main())
