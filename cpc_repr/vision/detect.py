"""Object detection with the encoder of a run: Faster R-CNN, frozen and fine-tuned, against random weights.

    python -m cpc_repr.vision.detect runs/NAME                          # on drawn pictures: nothing to download
    python -m cpc_repr.vision.detect runs/NAME --data VOC2007 --train-split trainval --seeds 3
    python -m cpc_repr.vision.detect runs/NAME/s1 runs/NAME/s2 runs/NAME/s3 --seeds 3    # each seed on a run of its own
    python -m cpc_repr.vision.detect --resume runs/DETECTION            # go on after Ctrl-C, a crash or kill -9
    python -m cpc_repr.vision.detect runs/NAME --smoke                  # every stage, in seconds

Give a finished run of `python -m cpc_repr.vision`, of any method. Pictures with boxes lie in a folder as Pascal VOC
lays them out. Each detector is trained in a folder of its own; report/ has report.md, results.json and pictures.png.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import tyro
from pydantic import Field

from configs import Frozen, MayChange, as_usage_error, guarded, load
from cpc_repr.context import Session
from cpc_repr.objective import Losses, generator
from cpc_repr.prefetch import Prefetcher
from cpc_repr.results import Results
from cpc_repr.resume import check_settings
from cpc_repr.training import Learner, Stopped, drawing, fit, seeded, subdirectory
from cpc_repr.vision.data.boxed import BoxedBatches, DrawnSplit, SizedPictures
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig
from cpc_repr.vision.data.voc import read_voc
from cpc_repr.vision.transfer.average_precision import Found
from cpc_repr.vision.transfer.detection import Detector, DetectorConfig, precisions
from cpc_repr.vision.transfer.detection_report import (
    MODES,
    SURE,
    DetectionFit,
    Mode,
    class_table,
    figure_detections,
    gain_table,
    precision_table,
)
from cpc_repr.vision.transfer.starts import Starts, Weights, open_starts
from cpc_rl.distributed import SINGLE
from cpc_rl.dynamo import spare_dynamo
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs import RunDirectory, RunSettings, StopSignal, open_run, set_up
from cpc_rl.runs.config import Folder
from cpc_rl.runs.directory import fresh_path
from cpc_rl.runs.screen import Screen

DRAWN = SyntheticPicturesConfig(size=96, strangers=0.5, train=400, test=100)
SHOWN = 4  # test pictures that are drawn with what was found
LOOKED = 8  # test pictures that the detector sees together
LIVE = {"loss": "loss/total", "class": "loss/class", "box": "loss/box"}


class DetectDataConfig(Frozen):
    """The pictures with boxes: a folder, or, by default, drawn ones."""

    data: Folder = Field(
        default=None,
        description="Folder as Pascal VOC lays it out: JPEGImages, Annotations, ImageSets/Main. By default the "
        "pictures of --pictures.",
    )
    train_split: str = Field(default="train", description="List of --data to train on, without its .txt.")
    test_split: str = Field(default="test", description="List of --data to be judged by, without its .txt.")


class DetectTrainConfig(Frozen):
    """How long detectors are trained."""

    updates: int = Field(default=300, ge=1, le=10**9, description="Updates of each detector.")
    batch_size: int = Field(default=4, ge=1, le=4096, description="Pictures of an update.")
    flip: float = Field(default=0.5, ge=0, le=1, description="Probability of a mirror image in training.")


class DetectConfig(Frozen):
    """Train Faster R-CNN on a run's encoder and on what it is held against, and measure average precision."""

    models: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = Field(
        default=(), description="Run directory of a trained encoder; several that differ in their seed take turns."
    )
    weights: MayChange[tuple[Weights, ...]] = Field(
        default=("random", "run", "supervised"),
        min_length=1,
        description="Weights that the encoder begins with: `random`, those of the `run`, those of its `supervised` "
        "encoder where it has one.",
    )
    encoder: MayChange[tuple[Mode, ...]] = Field(
        default=("frozen", "finetuned"), min_length=1, description="Whether the encoder is `frozen`, or trained too."
    )
    seeds: MayChange[int] = Field(
        default=1, ge=1, le=100, description="Repeat with so many seeds, from --seed on: intervals."
    )
    smoke: MayChange[bool] = Field(default=False, description="All stages on tiny data, in seconds: --preset smoke.")
    run: Annotated[RunSettings, tyro.conf.OmitArgPrefixes] = RunSettings()
    data: Annotated[DetectDataConfig, tyro.conf.OmitArgPrefixes] = DetectDataConfig()
    train: Annotated[DetectTrainConfig, tyro.conf.OmitArgPrefixes] = DetectTrainConfig()
    detector: DetectorConfig = DetectorConfig()
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1e-3, warmup=20, schedule="linear", clip_norm=10.0)
    pictures: SyntheticPicturesConfig = DRAWN

    def fits(self, weights: Sequence[Weights]) -> list[DetectionFit]:
        """The detectors to train, one seed after the other."""
        seeds = range(self.run.seed, self.run.seed + self.seeds)
        chosen = [mode for mode in MODES if mode in self.encoder]
        return [DetectionFit(name, mode, seed) for seed in seeds for mode in chosen for name in dict.fromkeys(weights)]

    def result_settings(self) -> dict[str, Any]:
        """What the result of one detector depends on, beside its name."""
        plain = self.model_dump(mode="json", exclude={"weights", "encoder", "seeds", "smoke"})
        return plain | {"run": {"seed": self.run.seed}}

    def recorded(self, seed: int | None = None) -> DetectConfig:
        """As config.yaml keeps it; with `seed` that of a detector."""
        own = {} if seed is None else {"seed": seed}
        return self.model_copy(update={"run": self.run.without_places().model_copy(update=own)})


class BoxedData(NamedTuple):
    """Pictures to train on and to be judged by."""

    name: str
    train: SizedPictures
    test: SizedPictures


def open_data(config: DetectConfig, grey: bool, session: Session) -> BoxedData:
    """The pictures with boxes, each of which is looked at.

    Raises:
        Stopped: A signal came.
        UsageError: There is something wrong with the folder, or a picture has no room for its boxes.
    """
    source, side = config.data, config.detector.side
    with as_usage_error():
        if source.data is None:
            name = "drawn pictures"
            with session.live("drawing pictures") as tick:
                train, test = (DrawnSplit(config.pictures, split, tick) for split in ("train", "test"))
                return BoxedData(name, SizedPictures(train, side, grey), SizedPictures(test, side, grey))
        if not source.data.is_dir():
            raise ValueError(f"--data {source.data}: no such folder")
        with session.live("reading annotations") as tick:
            boxes = read_voc(source.data, source.train_split, tick=tick)
            judged = read_voc(source.data, source.test_split, boxes.classes, tick)
        sized = []
        for split, which in ((boxes, source.train_split), (judged, source.test_split)):
            with session.live(f"reading the pictures of {which}") as tick:
                sized.append(SizedPictures(split, side, grey, tick))
        return BoxedData(source.data.resolve().name, *sized)


def build(config: DetectConfig, data: BoxedData, starts: Starts, which: DetectionFit) -> Detector:
    """An untrained detector; its own weights depend on the seed alone, whatever the encoder's are.

    Raises:
        UsageError: It does not fit the encoder, or torchvision is missing.
        RunFailure: The encoder's run is damaged.
    """
    encoder = starts.encoder(which.weights, which.seed, which.seed - config.run.seed)
    classes, frozen = len(data.train.classes), which.mode == "frozen"
    with as_usage_error():
        return cast(Detector, seeded(which.seed, lambda: Detector(encoder, classes, config.detector, frozen)))


def train_one(
    config: DetectConfig, data: BoxedData, starts: Starts, run: RunDirectory, session: Session, which: DetectionFit
) -> dict[str, Any]:
    """Train a detector and judge it; gives its precisions, and what it finds in the first test pictures.

    Raises:
        Stopped: A signal came; called again with the same run it goes on.
        RunFailure: A loss is not finite, or a file has become damaged.
    """
    detector = build(config, data, starts, which).to(session.device)
    batches = BoxedBatches(data.train, config.train.batch_size, config.train.flip, which.seed)
    read = batches if data.train.in_memory else Prefetcher(batches)

    def loss(number: int) -> Losses:
        with drawing(generator(which.seed, number, 2), session.device):
            return detector.loss(read(number))

    own = config.recorded(which.seed)
    learner = Learner(detector, loss, config.optimiser, config.train.updates)
    fit(subdirectory(run.path / which.name, own), config.run, own, learner, session.stop, LIVE)
    found, truth = judge(cast(Detector, learner.freeze()), data.test, session)
    return precisions(found, truth, data.test.classes) | {"shown": [_plain(one) for one in found[:SHOWN]]}


def judge(detector: Detector, pictures: SizedPictures, session: Session) -> tuple[list[Found], list[Any]]:
    """What is found in each picture, and its boxes."""
    found: list[Found] = []
    truth: list[Any] = []
    with session.live("detecting") as tick:
        for start in range(0, len(pictures), LOOKED):
            samples = [pictures[i] for i in range(start, min(start + LOOKED, len(pictures)))]
            found += detector.detect([sample.image for sample in samples])
            truth += [sample.boxes for sample in samples]
            tick(len(found), len(pictures))
    return found, truth


def _plain(found: Found) -> list[list[Any]]:
    """What is drawn of it, for results.json; corners to a tenth of a pixel."""
    corners, labels, scores = (x[found.scores >= SURE] for x in found)
    boxes = [[round(x, 1) for x in box] for box in corners.tolist()]
    return [boxes, labels.tolist(), [round(score, 3) for score in scores.tolist()]]


def report(
    config: DetectConfig, data: BoxedData, starts: Starts, results: Mapping[DetectionFit, Any], run: RunDirectory
) -> None:
    """Write report.md and pictures.png, and print the tables."""
    titles = {weights: starts.title(weights) for weights in dict.fromkeys(fit.weights for fit in results)}
    what = f"Pictures: {data.name}, {len(data.train)} + {len(data.test)}, {len(data.train.classes)} classes"
    gains = gain_table(results, titles)
    tables = [precision_table(results, titles, what), *([gains] if gains else [])]
    tables.append(class_table(results, titles, data.test.classes))
    shown = [data.test[i] for i in range(min(SHOWN, len(data.test)))]
    found = {
        f"{titles[fit.weights]}, {MODES[fit.mode]}": one["shown"]
        for fit, one in results.items()
        if fit.seed == config.run.seed
    }
    run.report.mkdir(exist_ok=True)
    figure_detections(run.report / "pictures.png", shown, found, data.test.classes)
    words = "\n".join(table.markdown() for table in tables)
    picture = "![test pictures: true boxes dashed, found ones with class and score](pictures.png)"
    (run.report / "report.md").write_text(f"{words}\n{picture}\n", encoding="utf-8")
    for table in tables:
        table.show()


def detect(config: DetectConfig) -> int:
    """Train all detectors that `config` asks for; 0 when all is done, 130 when a signal stopped it."""
    device, screen, way_on = set_up(config.run), Screen(config.run.quiet), ""
    starts = open_starts(config.models, config.weights)
    with StopSignal() as stop:
        session = Session(device=device, stop=stop, screen=screen)
        fresh = fresh_path("detect", starts.method, config.run.seed)
        try:
            with open_run(config.run, fresh, config.recorded(), SINGLE) as run:
                way_on = f"; go on with: python -m cpc_repr.vision.detect --resume {run.path}"
                fits = config.fits(starts.weights)
                check_settings(run, config.recorded(), {which.name: config.recorded(which.seed) for which in fits})
                data = open_data(config, starts.grey, session)
                build(config, data, starts, fits[0])  # what does not fit is said before anything is trained
                run.write_config(config.recorded())
                if missing := set(config.weights) - set(starts.weights):
                    screen.say(f"{' and '.join(missing)}: {config.models[0]} has none, left out")
                kept = Results(run.report / "results.json", config.result_settings())
                results = {}
                for i, which in enumerate(fits, start=1):
                    title = f"{starts.title(which.weights)}, {MODES[which.mode]}, seed {which.seed}"
                    screen.say(f"detector {i} of {len(fits)}: {title}")
                    compute = partial(train_one, config, data, starts, run, session, which)
                    results[which] = kept.get(which.name, compute)
                report(config, data, starts, results, run)
        except Stopped as stopped:
            screen.result(f"{stopped}{way_on}")
            return 130
    screen.result(f"done: {run.path}  tables and pictures: {run.report}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()
    spare_dynamo()

    def program() -> int:
        prog, about = "python -m cpc_repr.vision.detect", __doc__ or ""
        preset = (lambda chosen: "smoke") if "--smoke" in argv else None
        return detect(load(DetectConfig, argv, prog=prog, description=about, family="detect", default_preset=preset))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
