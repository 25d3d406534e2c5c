"""What a network learnt: probes of its features for classes, few labels, its own contrastive accuracy, its speed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.live import Tick, live
from cpc_repr.offsets import mean_offsets
from cpc_repr.probes import Score, fit_probe
from cpc_repr.training import seeded
from cpc_repr.vision import efficient
from cpc_repr.vision.augment import AugmentConfig
from cpc_repr.vision.batches import Batches, generator, patches, plain_patches
from cpc_repr.vision.config import Config
from cpc_repr.vision.grid import crops
from cpc_repr.vision.learners import Supervised, reader
from cpc_repr.vision.model import CPCModel, VisionModel
from cpc_repr.vision.pictures import Pictures, Split
from cpc_repr.vision.protocols import fit_grid, fit_lbfgs, fit_sgd, independent, scores, top
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.infonce import PerOffset
from cpc_rl.runs import StopSignal

Features = Callable[[Tensor], Tensor]  # images uint8 [B, 3, S, S] -> [B, D]
Draw = Callable[[int], tuple[Tensor, Tensor]]  # number of an update -> z [B, H, W, D], labels [B]
IN_MEMORY = 2**32  # bytes: features beyond this lie in a file
_CHUNK = 64  # pictures looked at together


@dataclass(frozen=True)
class Bench:
    """What every evaluation needs."""

    config: Config
    pictures: Pictures
    device: torch.device
    stop: StopSignal
    scratch: Path  # a folder for features too large for memory
    say: Callable[[str], None]
    group: ProcessGroup = SINGLE

    @property
    def classes(self) -> int:
        """How many there are to tell apart."""
        return len(self.pictures.classes)

    def live(self, what: str) -> AbstractContextManager[Tick]:
        """A live line for one stage; see `cpc_repr.live`."""
        return live(what, self.stop)


def pixels(config: Config) -> Features:
    """The picture itself, at most 32 x 32."""
    channels = 1 if config.view.grey >= 1 else 3

    def compute(images: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(images[:, :channels].float(), min(32, config.view.crop))
        return small.flatten(1) / 255

    return compute


def pooled(model: VisionModel, config: Config) -> Features:
    """Mean of z over the grid, as one puts patches through it without augmentation."""
    model.eval()

    @torch.no_grad()
    def compute(images: Tensor) -> Tensor:
        z: Tensor = model(plain_patches(images, config.view))
        return z.mean((1, 2))

    return compute


def collect(bench: Bench, split: Split, features: Features, name: str) -> Tensor:
    """Features of every picture of `split`, float32 [N, D]: centre crops, in a file where they are very large."""
    x: Tensor | None = None
    with bench.live(f"features, {name}") as tick:
        for start in range(0, len(split), _CHUNK):
            some = split.pictures(range(start, min(start + _CHUNK, len(split))))
            rows = features(crops(some, bench.config.view).to(bench.device)).cpu()
            if x is None:
                x = _allocate(len(split), rows.shape[1], bench.scratch / f"{name}.bin")
            x[start : start + len(rows)] = rows
            tick(start + len(rows), len(split))
    assert x is not None
    return x


def probe(bench: Bench, name: str, features: Features, protocols: bool = True) -> dict[str, Score]:
    """Accuracies, top-1 and top-5, of linear classifiers by SGD, and of the other protocols too if `protocols`."""
    config, pictures, device = bench.config, bench.pictures, bench.device
    train, test = (collect(bench, s, features, n) for s, n in ((pictures.train, "train"), (pictures.test, "test")))
    train_y, test_y = pictures.train.labels, pictures.test.labels
    x, y, seed = train.to(device), train_y.to(device), config.run.seed
    with bench.live(f"probing {name}: SGD") as tick:
        fitted: nn.Module = fit_sgd(x, y, bench.classes, config.protocol, generator(seed, 0, 4), tick)
    found = scores(fitted, test.to(device), test_y, "linear")
    if protocols:
        with bench.live(f"probing {name}: L-BFGS") as tick:
            fitted = fit_lbfgs(x, y, bench.classes, config.protocol, tick)
        found |= scores(fitted, test.to(device), test_y, "lbfgs")
        with bench.live(f"probing {name}: MLP") as tick:
            hidden = config.probe.hidden
            fitted = fit_probe(
                train, train_y, bench.classes, config.probe, hidden=hidden, seed=seed, device=device, tick=tick
            )
        found |= scores(fitted, test.to(device), test_y, "mlp")
    bench.say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    return found


def probe_grid(bench: Bench, name: str, model: VisionModel) -> dict[str, Score]:
    """The protocol of CPC v2: a classifier of every cell, fitted on patches that are jittered but not augmented."""
    config, device, train = bench.config, bench.device, bench.pictures.train
    model.eval()
    batches = Batches(train, config.view, config.protocol.grid_batch, config.run.seed)
    read = reader(config, batches)

    def batch(number: int) -> tuple[Tensor, Tensor]:
        images, labels = read(number)
        draws = generator(config.run.seed, number, 4)
        with torch.no_grad():
            z = model(patches(images.to(device), config.view, AugmentConfig(), draws))
        return z, labels.to(device)

    draw: Draw = batch
    if config.protocol.grid_views:
        count = math.ceil(config.protocol.grid_views * len(train) / config.protocol.grid_batch)
        with bench.live(f"features of every cell, {name}") as tick:
            draw = remembered(batch, count, config.run.seed, tick)
    with bench.live(f"probing {name}: grid") as tick:
        fitted = fit_grid(model.size, bench.classes, config.protocol, draw, tick)

    @torch.no_grad()
    def logits(images: Tensor) -> Tensor:
        return fitted(model(plain_patches(images, config.view)))

    test = collect(bench, bench.pictures.test, logits, "test")
    found = scores(nn.Identity(), test, bench.pictures.test.labels, "grid")
    bench.say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    return found


def remembered(batch: Draw, count: int, seed: int, tick: Tick) -> Draw:
    """Batches that are drawn from the rows of the first `count` of `batch`, which are made once."""
    made = []
    for number in range(count):
        made.append(batch(number))
        tick(number + 1, count)
    z, y = torch.cat([z for z, _ in made]), torch.cat([y for _, y in made])
    size = len(made[0][1])

    def again(number: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(y), (size,), generator=generator(seed, number, 5)).to(y.device)
        return z[rows], y[rows]

    return again


def chance(bench: Bench) -> dict[str, Score]:
    """Accuracy of always naming the most frequent classes."""
    counts = torch.bincount(bench.pictures.train.labels, minlength=bench.classes)
    y = bench.pictures.test.labels
    logits = counts.float().expand(len(y), -1)
    return {"linear": independent(top(logits, y, 1)), "linear_top5": independent(top(logits, y, 5))}


def classify(bench: Bench, network: nn.Module, name: str) -> dict[str, Score]:
    """Accuracy of a network that gives logits, on the pictures the probes are scored on."""
    network.eval()
    test = collect(bench, bench.pictures.test, torch.no_grad()(network.__call__), "test")
    return scores(nn.Identity(), test, bench.pictures.test.labels, name)


@torch.no_grad()
def contrastive(bench: Bench, model: CPCModel) -> dict[str, list[float]]:
    """Accuracy, win rate, bound and chance of each offset on batches of test pictures, as training makes them."""
    config, seed = bench.config, bench.config.run.seed
    batches = Batches(bench.pictures.test, config.view, config.train.batch_size, seed)
    model.eval()
    found: list[PerOffset] = []
    with bench.live("contrastive accuracy") as tick:
        for number in range(config.evaluation.batches):
            images = batches(number).images.to(bench.device)
            x = patches(images, config.view, config.augment, generator(seed, number, 2))
            found.append(model(x, generator(seed, number, 3)).per_offset)
            tick(number + 1, config.evaluation.batches)
    return mean_offsets(found)


def few_labels(bench: Bench, model: VisionModel, fraction: float) -> dict[str, Score]:
    """Accuracy, top-1 and top-5, of each of `efficient.METHODS` with a share of the labels."""
    config, seed, e = bench.config, bench.config.run.seed, bench.config.efficient
    train, labels = bench.pictures.train, bench.pictures.train.labels
    rest, kept = efficient.apart(len(labels), e.validation, seed)
    batches = Batches(train, config.view, e.batch_size, seed, rest[efficient.labelled(labels[rest], fraction)])
    looked_at = crops(train.pictures(kept.tolist()), config.view)

    @torch.no_grad()
    def validate(net: nn.Module) -> float:
        net.eval()
        logits = [net(images.to(bench.device)).cpu() for images in torch.split(looked_at, _CHUNK)]
        # Accuracy first; the loss, squeezed to less than one picture, decides between equals.
        score = top(torch.cat(logits), labels[kept], 1).float().mean()
        loss = F.cross_entropy(torch.cat(logits), labels[kept])
        return float(score + loss.neg().exp() / (2 * len(kept)))

    nets = {
        "pixels": seeded(seed, lambda: Supervised(config.model, bench.classes, e.dropout)).to(bench.device),
        "cpc": seeded(seed, lambda: _on_top(bench, model)).to(bench.device),
    }
    found: dict[str, Score] = {}
    for method in efficient.METHODS:
        net = nets["pixels" if method == "pixels" else "cpc"]
        optimisers = efficient.optimisers(net, method, e)
        with bench.live(f"{fraction:.0%} of labels, {method}") as tick:
            efficient.fit(net, optimisers, reader(config, batches), validate, e, bench.device, tick)
        found |= classify(bench, net, method)
    bench.say(f"{len(batches.chosen)} labels: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    return found


def _on_top(bench: Bench, model: VisionModel) -> nn.Module:
    return efficient.Classifier(copy.deepcopy(model.encoder), model.size, bench.classes, bench.config.efficient)


def throughput(bench: Bench, trained: CPCModel, times: int = 3) -> dict[str, float]:
    """Pictures a second through loss and gradient, and the share of that time the encoder's own two passes take."""
    config, view, device = bench.config, bench.config.view, bench.device
    model = copy.deepcopy(trained).requires_grad_(True).train()
    size = config.train.batch_size
    batch = Batches(bench.pictures.train, view, size, config.run.seed)(0).images.to(device)

    def whole() -> None:
        x = patches(batch, view, config.augment, generator(0, 0, 2))
        torch.autograd.backward(model(x, generator(0, 0, 3)).loss)

    x = plain_patches(batch, view)

    def encoder() -> None:
        torch.autograd.backward(model.model(x).sum())

    update, alone = (_seconds(work, times, device) for work in (whole, encoder))
    return {"images_per_second": size / update, "encoder_share": alone / update}


def _seconds(work: Callable[[], None], times: int, device: torch.device) -> float:
    work()  # warms up
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / times


def _allocate(rows: int, width: int, scratch: Path) -> Tensor:
    if 4 * rows * width <= IN_MEMORY:
        return torch.empty(rows, width)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    return torch.from_file(str(scratch), shared=True, size=rows * width).view(rows, width)
