"""From defaults, preset, file and flags to one validated configuration."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Callable, Sequence
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import tyro
from pydantic import BaseModel, ValidationError

from configs.errors import UsageError, explain, readable, shorten
from configs.files import load_preset, load_yaml, merge
from configs.model import flag_names, flatten, keys_of
from configs.programs import SECTIONS, check_program
from configs.spelling import spell_booleans, spell_none, spell_values, spell_whole, whole_numbers

M = TypeVar("M", bound=BaseModel)
Chosen = Callable[[str], Any]
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def load(
    model: type[M],
    argv: Sequence[str],
    *,
    prog: str,
    description: str,
    default_preset: Callable[[Chosen], str] | None = None,
    family: str = "",
    upgrade: Upgrade | None = None,
) -> M:
    """Resolve a configuration: defaults < preset < `--config` file < flags.

    `--preset NAME`, `--config FILE` and `--resume DIR` are read first where `model` has such fields; `--resume` takes
    the place of the preset with the configuration its run directory holds.

    Args:
        model: Frozen pydantic model; a section marked `tyro.conf.OmitArgPrefixes` leaves its name out of the flags.
        argv: Arguments without the program's name.
        prog: How the program is called, for the help text.
        description: What the program does, for the help text.
        default_preset: Names the preset to take when neither `--preset` nor `--resume` is given. It is called with a
            function from a dotted key to what the flags or the `--config` file say (None: nothing), not yet checked.
        family: Of the presets; see `preset_names`.
        upgrade: Gives what a file says in the words of today; a ValueError says what to change in it.

    Raises:
        UsageError: Anything unknown, of the wrong type or out of bounds.
        SystemExit: With code 0, after `--help`.
    """
    for word in argv:
        if readable(word) != word or "\0" in word:
            raise UsageError(f"{readable(word)!r} is not UTF-8, or no name of a file: rename it")
    names = flag_names(model)
    whole = keys_of(model, int, int | None)
    argv = spell_booleans(argv, {names[key] for key in keys_of(model, bool)})
    argv = spell_values(argv, {names[key] for key in whole}, spell_whole)
    argv = spell_values(argv, {names[key] for key in keys_of(model, int | None, float | None)}, spell_none)
    # A section's default may differ from that of its class: a file that says half of it says no more than that.
    fields = model.model_fields.items()
    data: dict[str, Any] = {n: f.default.model_dump() for n, f in fields if isinstance(f.default, BaseModel)}
    base = model.model_construct()  # the defaults; a required field is left out, for tyro to ask for
    for source, layer in _layers(argv, names, default_preset, family, prog.removeprefix("python -m ")):
        try:
            data = merge(data, whole_numbers(upgrade(layer) if upgrade else layer, whole))
            base = model.model_validate(data)
        except ValidationError as error:
            raise UsageError(f"{source}: {explain(error, known=names)}") from error
        except ValueError as error:
            raise UsageError(f"{source}: {error}") from error
    values = _parse(base, argv, names, prog, description)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error, flags=names)) from error


def _layers(
    argv: Sequence[str],
    names: dict[str, str],
    default_preset: Callable[[Chosen], str] | None,
    family: str,
    program: str,
) -> list[tuple[str, dict[str, Any]]]:
    """Read what lies between the defaults and the flags: (where it comes from, its content), lowest first."""
    taken = set(names.values())
    preset, file, resume = (_peek(argv, f) if f in taken else None for f in ("--preset", "--config", "--resume"))
    layers: list[tuple[str, dict[str, Any]]] = []
    content = {} if file is None else load_yaml(Path(file))
    if preset is None:  # a file may stand on a preset of its own choice
        stands_on = flatten(content).get(next((key for key, flag in names.items() if flag == "--preset"), ""))
        preset = stands_on if isinstance(stands_on, str) else None  # what is no name is refused with the file
    if resume is not None:
        path = Path(resume) / "config.yaml"
        if not path.is_file():
            raise UsageError(f"--resume {resume}: not a run directory (it has no config.yaml)")
        layers.append((str(path), load_yaml(path)))
        if program in SECTIONS.values():
            check_program(resume, layers[-1][1], [program])
    elif preset is None and default_preset is not None:
        in_file = flatten(content)
        preset = default_preset(lambda key: _peek(argv, names[key]) or in_file.get(key))
    if preset is not None:
        layers.append((f"preset {preset}", merge(load_preset(preset, family), _nested("--preset", preset, names))))
    if file is not None:
        layers.append((file, content))
    return layers


def _nested(flag: str, value: str, names: dict[str, str]) -> dict[str, Any]:
    """Build `{"run": {"preset": value}}`: the resolved configuration says which preset it stands on."""
    tree: Any = value
    for part in reversed(next((key for key, f in names.items() if f == flag), "").split(".")):
        tree = {part: tree} if part else {}
    return dict(tree)


def _peek(argv: Sequence[str], flag: str) -> str | None:
    """Return the last value given to `flag`, before anything is parsed."""
    value = None
    for word, following in zip_longest(argv, argv[1:]):
        if word == flag and following is not None and not following.startswith("--"):
            value = following
        elif word.startswith(flag + "="):
            value = word.partition("=")[2]
    return value


def _parse(base: BaseModel, argv: Sequence[str], names: dict[str, str], prog: str, description: str) -> dict[str, Any]:
    """Lay the flags over `base`; gives plain nested values, so that the models validate them once, with full keys."""
    try:
        values, unknown = _read_flags(base, argv, prog, description)
    except UsageError:
        _read_flags(base, [shorten(word) for word in argv], prog, description)  # the same complaint, readable
        raise
    if unknown:
        flag = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        if flag is None:
            raise UsageError(f"unexpected argument {shorten(unknown[0])!r}; see --help")
        plain = flag.replace("_", "-")
        near = [name for name in names.values() if name.endswith(f".{plain.removeprefix('--')}")]
        near = near or difflib.get_close_matches(plain, names.values(), n=1)
        raise UsageError(f"unknown flag {flag}; " + (f"did you mean {' or '.join(near)}?" if near else "see --help"))
    return dict(values)  # a mapping, by `_as_mapping`


def _read_flags(base: BaseModel, argv: Sequence[str], prog: str, description: str) -> tuple[Any, list[str]]:
    """Have tyro read `argv`: values, and words that belong to no flag. Raises UsageError with its complaint."""
    registry = tyro.constructors.ConstructorRegistry()
    registry.struct_rule(_as_mapping)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                type(base),
                args=argv,
                default=base,
                registry=registry,
                prog=prog,
                description=description,
                return_unknown_args=True,
            )
    except SystemExit as end:
        if not end.code:
            raise  # --help
        raise UsageError(_one_line(complaint.getvalue())) from end


def _as_mapping(info: tyro.constructors.StructTypeInfo) -> tyro.constructors.StructConstructorSpec | None:
    """Let tyro read a pydantic model's fields without building the model."""
    if not (isinstance(info.type, type) and issubclass(info.type, BaseModel)):
        return None
    hints = get_type_hints(info.type, include_extras=True)
    fields = tuple(
        tyro.constructors.StructFieldSpec(
            name=name,
            type=hints[name],
            default=getattr(info.default, name, tyro.MISSING_NONPROP),
            helptext=field.description,
        )
        for name, field in info.type.model_fields.items()
    )

    def build(**values: Any) -> dict[str, Any]:
        return values

    build.__doc__ = info.type.__doc__  # tyro shows it above the section's flags
    return tyro.constructors.StructConstructorSpec(instantiate=build, fields=fields)


def _one_line(text: str) -> str:
    """Take the message out of tyro's frame: what stands between its title and its pointer to `--help`."""
    lines = [line.strip(" │╭╮╰╯|+") for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]
    if len(lines) > 1 and re.fullmatch("-+", lines[1]):  # drawn in ASCII, where the title has a line of its own
        lines = lines[2:]
    body = takewhile(lambda line: not line.startswith("For full helptext"), lines)
    kept = (line for line in body if not re.fullmatch(r"[─-].*[─-]|[─-]*", line))
    text = " ".join(kept).replace(" Argument helptext:", "; usage:")
    return re.sub(r"\.? Got errors: .*?(; usage:|$)", r"\1", text) + "; see --help"  # one for each type that was tried
