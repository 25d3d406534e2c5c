"""What a resumed command must leave as it was: settings, one seed or several, data; checked before it writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from configs import UsageError, difference, flatten, load_yaml
from cpc_repr.config import CommandConfig, arms, recorded
from cpc_repr.upgrade import reread, upgrade
from cpc_rl.runs import RunDirectory
from cpc_rl.runs.files import write_atomic
from cpc_rl.runs.loop import check_same

DIGEST = "data.sha256"  # in a run directory: of the data it was begun with


def check_arms(run: RunDirectory, config: CommandConfig) -> None:
    """Raise UsageError where `run` has one seed and `config` several, or the reverse, or as `check_settings`."""
    parts = {arm.folder: recorded(arm.config) for arm in arms(config)}
    one = config.seeds == 1
    others = arms(config.model_copy(update={"seeds": 2 if one else 1}))  # the same seed lies in another folder there
    if not _begun(run, parts) and _begun(run, [arm.folder for arm in others]):
        raise UsageError(
            f"cannot resume with --seeds {config.seeds}: {run.path} was begun with {'several' if one else 'one seed'}; "
            f"make another run: --config {run.config_path} --seeds {config.seeds}"
        )
    check_settings(run, recorded(config), parts)
    for folder, now in parts.items():
        _check_lengths(run.path / folder, now)


def check_settings(run: RunDirectory, config: BaseModel, parts: Mapping[str, BaseModel]) -> None:
    """Raise UsageError where something was trained in `run` with settings that a resumed run must not change.

    Args:
        run: Directory of the whole command.
        config: Of the whole command, which counts where no part has begun.
        parts: Configuration of each part that the command trains, by its folder in `run`; "": `run` itself.
    """
    begun = {folder: parts[folder] for folder in _begun(run, parts)}
    if not begun and _trained(run):
        begun = {"": config}
    for folder, now in begun.items():
        check_same(load_yaml(run.path / folder / "config.yaml"), now, partial(reread, now))


def check_data(run: RunDirectory, config: CommandConfig, digest: str, write: bool) -> None:
    """Raise UsageError where `run` was begun with other data; a run that begins now keeps their `digest`, if `write`.

    Runs of earlier versions have none: their data must lie where they lay.
    """
    file = run.path / DIGEST
    if not _trained(run):
        if write:
            write_atomic(file, lambda new: new.write(digest.encode()))
    elif file.is_file():
        if file.read_text() != digest:
            raise UsageError("cannot resume: the data are not those the run was begun with")
    else:
        for key, before, now in difference(upgrade(load_yaml(run.config_path)), config):
            if key in config.places:
                raise UsageError(f"cannot resume with {key} = {now}: the run was begun with {before}")


def _check_lengths(path: Path, config: CommandConfig) -> None:
    """Raise UsageError where a learning rate fell over another length than that of `config`, which may change else."""
    now = flatten(config.model_dump(mode="json"))
    falls = [(path, "train.updates")] if now["optimiser.schedule"] != "constant" else []
    if now.get("train.supervised_updates"):  # 0 leaves the networks out that are trained on labels
        falls += [(file.parent, "train.supervised_updates") for file in path.glob("*/config.yaml")]
    for place, key in falls:
        if RunDirectory(place).checkpoints.paths():
            old = flatten(reread(config, load_yaml(place / "config.yaml")).model_dump(mode="json"))
            if old[key] != now[key]:
                why = f"the checkpoint was made with {old[key]}, over which the learning rate falls"
                raise UsageError(f"cannot resume with {key} = {now[key]}: {why}")


def _begun(run: RunDirectory, folders: Iterable[str]) -> list[str]:
    """Those of `folders` with a checkpoint in them."""
    return [folder for folder in folders if RunDirectory(run.path / folder).checkpoints.paths()]


def _trained(run: RunDirectory) -> bool:
    """Whether there is a checkpoint anywhere in `run`."""
    return any(run.path.rglob("checkpoint-*.pt"))
