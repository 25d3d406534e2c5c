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
from collections.abc import Callable
from dataclasses import replace

import rich.console
import torch

from configs import UsageError, as_usage_error, guarded, load
from cpc_repr.report import Table
from cpc_repr.training import Stopped, part
from cpc_repr.vision.augment import transforms
from cpc_repr.vision.config import Config, arms
from cpc_repr.vision.evaluate import Bench
from cpc_repr.vision.experiment import recorded, run_arm
from cpc_repr.vision.pictures import Pictures, open_pictures
from cpc_repr.vision.synthetic import default_folder, make_pictures
from cpc_repr.vision.tables import Row, table_ablation, table_few_labels, table_linear, table_protocols
from cpc_rl.distributed import World, joined
from cpc_rl.memory import keep_freed_memory
from cpc_rl.runs import RunDirectory, StopSignal, open_run, pick_device
from cpc_rl.runs.directory import fresh_path


def train(config: Config) -> int:
    """Run everything `config` says; 0 when it is done, 130 when a signal stopped it."""
    with joined() as world:
        if world.size > 1 and len(arms(config)) > 1:
            raise UsageError("several processes train one network: --seeds and --ablation go without torchrun")
        return train_in(config, world)


def train_in(config: Config, world: World) -> int:
    """`train` with the other ranks of `world`, which share out the batches of an update."""
    device = pick_device(config.run.device)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    console = rich.console.Console(highlight=False, soft_wrap=True, quiet=not world.leads)

    def say(text: str) -> None:
        console.print(text, markup=False)
        console.file.flush()

    kind = "cpc" + f"-{config.ablation}" * (config.ablation != "none")
    run, _ = open_run(config.run, fresh_path("vision", kind, config.run.seed), recorded(config), world)
    if world.leads:
        run.write_config(recorded(config))
    with StopSignal() as stop:
        try:
            pictures = find_pictures(config, say, stop)
            say(describe(pictures))
            rows = run_all(config, run, Bench(config, pictures, device, stop, run.path, say, world))
        except Stopped as stopped:
            say(f"{stopped}; go on with: python -m cpc_repr.vision --resume {run.path}")
            return 130
    if not world.leads:
        return 0
    tables = tabulate(config, rows, pictures)
    (run.report / "table.md").write_text("\n".join(table.markdown() for table in tables), encoding="utf-8")
    for table in tables:
        table.show()
    say(f"done: {run.path}  tables and pictures: {run.report}")
    return 0


def run_all(config: Config, run: RunDirectory, bench: Bench) -> dict[str, list[dict[str, Row]]]:
    """Run all arms; gives, for each row of the table, the results of its seeds."""
    found: dict[str, list[dict[str, Row]]] = defaultdict(list)
    for arm in arms(config):
        if arm.config.augment.needs_torchvision:
            with as_usage_error():
                transforms()  # complain before the first update
        folder = part(run.path / arm.folder, recorded(arm.config)) if arm.folder else run
        found[arm.row].append(run_arm(replace(bench, config=arm.config), folder, config.ablation == "none"))
    return found


def find_pictures(config: Config, say: Callable[[str], None], stop: StopSignal) -> Pictures:
    """The pictures `config` names.

    Raises:
        Stopped: A signal came while they were drawn.
        UsageError: There is something wrong with them.
    """

    def progress(done: int, total: int) -> None:
        if stop.stop:
            raise Stopped(f"stopped with {done} of {total} pictures drawn, which are drawn anew next time")
        if done % max(100, total // 4 // 100 * 100) == 0:
            say(f"drawing pictures: {done} of {total}")

    with as_usage_error():
        if config.data.data is not None:
            return open_pictures(config.data.format, config.data.data)
        return make_pictures(config.data.cache or default_folder(), config.pictures, progress)


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


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()

    def program() -> int:
        config = load(
            Config,
            argv,
            prog="python -m cpc_repr.vision",
            description=__doc__ or "",
            default_preset=lambda chosen: "smoke" if "--smoke" in argv else "small",
            family="vision",
        )
        return train(config)

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
