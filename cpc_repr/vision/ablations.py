"""The arms of `--ablation`: configurations that differ in one thing, or step by step in CPC v2's.

Each is derived from the configuration of the command, so that every preset and method has its own. Sizes of CPC v1 are
those of CPC v2's by fixed rules, which give the first paper's from `paper-v2`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from configs import Frozen, UsageError
from cpc_repr.vision.data.augment import AugmentConfig

Arms = dict[str, Any]  # row of the table -> configuration
FULL = AugmentConfig(operations=2, elastic=0.2, histogram=0.2, colour=0.8, grey=0.25)  # Hénaff et al. 2020, A.2
DROPPED = AugmentConfig(drop=1.0)


def directions(config: Any) -> Arms:
    """One, two and four directions."""
    names = {"1 direction": 1, "2 directions": 2, "4 directions": 4}
    return {name: changed(config, cpc={"directions": count}) for name, count in names.items()}


def augmentation(config: Any) -> Arms:
    """No augmentation, colours dropped, all of CPC v2's."""
    rows = {"no patch augmentation": AugmentConfig(), "colour dropping": DROPPED, "patch augmentation": FULL}
    return {name: changed(config, augment=augment.model_dump()) for name, augment in rows.items()}


def skip(config: Any) -> Arms:
    """ResNet18 without and with skip connections."""
    rows = {"without skip connections": "resnet18_no_skip", "with skip connections": "resnet18"}
    return {name: changed(config, model={"encoder": network}) for name, network in rows.items()}


def norm(config: Any) -> Arms:
    """Without normalisation, with batch and with layer normalisation."""
    rows = {"no normalisation": "none", "batch normalisation": "batch", "layer normalisation": "layer"}
    return {name: changed(config, model={"norm": name_of}) for name, name_of in rows.items()}


def patches(config: Any) -> Arms:
    """Smaller patches, and those of the configuration."""
    small = changed(config, **smaller(config))
    return {f"patches of {arm.view.patch}": arm for arm in (small, config)}


def depth(config: Any) -> Arms:
    """Half the encoder, and the whole of it."""
    return {"shallower encoder": changed(config, model=shallower(config)), "deeper encoder": config}


def cumulative(config: Any) -> Arms:
    """From CPC v1's choices to CPC v2's, each change on top of those before it, in the order of its Figure 3."""
    view, offsets = config.view.model_dump(), config.cpc.offsets
    model = {name: getattr(config.model, name) for name in ("blocks", "bottlenecks", "maps")}
    small = smaller(config)
    start = changed(
        config,
        model={"norm": "none", **shallower(config)},
        cpc={"directions": 1, **small["cpc"]},
        view=small["view"],
        augment=AugmentConfig().model_dump(),
    )
    steps: dict[str, dict[str, Any]] = {
        "deeper, wider encoder": {"model": model},
        "bottom-up": {"cpc": {"directions": 2}},
        "layer normalisation": {"model": {"norm": "layer"}},
        "colour dropping": {"augment": DROPPED.model_dump()},
        "all four directions": {"cpc": {"directions": 4}},
        "larger patches": {"view": view, "cpc": {"offsets": offsets}},
        "patch augmentation": {"augment": FULL.model_dump()},
    }
    rows = {"as CPC v1": start}
    for name, step in steps.items():
        start = changed(start, **step)
        rows[f"+ {name}"] = start
    return rows


ABLATIONS: dict[str, Callable[[Any], Arms]] = {
    "directions": directions,
    "augmentation": augmentation,
    "skip": skip,
    "norm": norm,
    "patches": patches,
    "depth": depth,
    "cumulative": cumulative,
}


def changed(config: Any, **sections: dict[str, Any]) -> Any:
    """`config` with other values in some sections, each of which is checked."""
    new: dict[str, Frozen] = {}
    for name, values in sections.items():
        section: Frozen = getattr(config, name)
        new[name] = type(section).model_validate({**section.model_dump(), **values})
    return config.model_copy(update=new)


def smaller(config: Any) -> dict[str, dict[str, Any]]:
    """Patches four fifths as large, a row more of them: 64 every 32 of 256 pixels for 80 every 36 of 260.

    Offsets move so that the first patch without a shared pixel stays as far away as it was.
    """
    view, cells = config.view, config.view.cells
    patch = 4 * view.patch // 5
    stride = (view.crop - patch) // cells
    if stride < 1 or patch < 2:
        raise UsageError(f"--ablation {config.ablation}: patches of {view.patch} cannot be any smaller")
    shift = -(-patch // stride) - -(-view.patch // view.stride)
    offsets = [offset + shift for offset in config.cpc.offsets]
    if min(offsets) < 1:
        offsets = [*config.cpc.offsets]
    sizes = {"patch": patch, "stride": stride, "crop": patch + cells * stride, "jitter": min(view.jitter, patch)}
    return {"view": sizes, "cpc": {"offsets": offsets}}


def shallower(config: Any) -> dict[str, Any]:
    """The last stack with half the blocks, half the channels inside them and a quarter of those it puts out.

    Of CPC v2's 46 blocks of 512 and 4096 these are CPC v1's 23 of 256 and 1024.
    """
    model = config.model
    if model.encoder != "resnet":
        raise UsageError(f"--ablation {config.ablation}: --encoder {model.encoder} has one depth; resnet has any")
    parts = {"blocks": 2, "bottlenecks": 2, "maps": 4}
    return {
        name: [*getattr(model, name)[:-1], max(1, getattr(model, name)[-1] // part)] for name, part in parts.items()
    }
