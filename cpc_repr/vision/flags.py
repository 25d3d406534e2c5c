"""Flags that would have no effect: refused, so that no result is taken for the effect of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from configs import UsageError, flatten
from cpc_repr.config import unread_of_bound
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.transfer.epochs import EPOCH_KINDS

Measure = Literal["linear", "grid", "lbfgs", "mlp", "linear_epochs", "mlp_epochs"]
READS: dict[Measure, tuple[str, ...]] = {  # settings that a probe depends on
    "linear": ("protocol.sgd_",),
    "grid": ("protocol.grid_",),
    "lbfgs": ("protocol.lbfgs_",),
    "mlp": ("probe.",),
    "linear_epochs": ("protocol.linear_",),
    "mlp_epochs": ("protocol.mlp_", "protocol.lbfgs_penalty"),
}
BASELINES = frozenset({"grid", "lbfgs", "mlp"})  # fitted wherever a method is held against others
SIZES = frozenset(f"model.{name}" for name in ("stem", "pool", "blocks", "bottlenecks", "maps"))  # of `resnet` alone


def check_flags(config: VisionConfig, given: Mapping[str, str]) -> None:
    """Raise UsageError for the first flag that nothing of the command reads.

    Args:
        config: Of the command.
        given: Keys of `config` whose flags were given, and these flags.
    """
    rows = [*config.rows().values()]
    values = [flatten(row.model_dump()) for row in rows]
    for key, flag in given.items():
        if any(value[key] != flatten(config.model_dump())[key] for value in values):
            raise UsageError(f"{flag}: --ablation {config.ablation} sets it by itself")
        reasons = [_unread(row, key) for row in rows]
        if all(reasons):
            raise UsageError(f"{flag}: {reasons[0]}")


def _unread(config: VisionConfig, key: str) -> str:
    """Why a run does not read the setting `key`; empty if it does."""
    section, _, name = key.partition(".")
    if reason := unread_of_bound(config, key):
        return reason
    efficient = section == "efficient" and name != "fractions"
    if not reads(config.method, key):
        readers = [method for method in METHODS if reads(method, key)]
        return f"--method {config.method} does not read it; {', '.join(readers)} {'do' if readers[1:] else 'does'}"
    if key in SIZES and config.model.encoder != "resnet":
        return f"--encoder {config.model.encoder} has sizes of its own; it is for --encoder resnet"
    if key == "model.inputs" and config.model.encoder == "resnet":
        return "--encoder resnet is of the sizes that --stem, --blocks, --bottlenecks and --maps say"
    if (section == "pictures" or key == "data.cache") and config.data.data is not None:
        return "it is of the drawn pictures, and --data gives others"
    if key == "data.format" and config.data.data is None:
        return "it is of --data, which is not given"
    if efficient and not config.efficient.fractions:
        return "it is of few labels, which --efficient.fractions asks for"
    if key == "evaluation.block_probes" and not config.evaluation.blocks:
        return "it is of probes of every block, which --evaluation.blocks asks for"
    probes = [probe for probe, prefixes in READS.items() if key.startswith(prefixes)]  # that read it
    if not probes or fitted(config) & {*probes}:
        return ""
    if probes[0] in EPOCH_KINDS:
        return f"it is of the probe {probes[0]}, which --evaluation.probes {probes[0]} asks for"
    return f"it is of the probe {probes[0]}, and --ablation {config.ablation} fits {', '.join(sorted(fitted(config)))}"


def fitted(config: VisionConfig) -> set[str]:
    """Probes that a run fits."""
    blocks = config.evaluation.block_probes if config.evaluation.blocks else ()
    return {"linear", *config.evaluation.probes, *blocks, *(BASELINES if config.has_baselines else ())}


def reads(method: str, key: str) -> bool:
    """Whether a method reads the setting `key`, as far as that depends on the method."""
    section = key.partition(".")[0]
    foreign = section in METHODS and section != method and section not in METHODS[method].borrowed
    return not foreign and key not in METHODS[method].unread
