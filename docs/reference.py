"""Write the reference pages of `docs/reference/` from the code: every flag of every program, the public Python names.

python docs/reference.py writes them; with --check it names those that are stale, and its exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configs.model import flag_names

WIDTH = 120
FOLDER = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/reference.py from the code: change it there. -->\n\n"
PROGRAMS = {  # page: (command, module, its model or what makes it)
    "train": ("python -m agents.a2c", "agents.a2c", "full_config"),
    "random": ("python -m agents.random", "agents.random", "RandomConfig"),
    "evaluate": ("python -m cpc_rl.evaluate RUN", "cpc_rl.evaluate", "EvaluateConfig"),
    "export": ("python -m cpc_rl.export RUN", "cpc_rl.export", "ExportConfig"),
    "encoder": ("python -m cpc_repr.export RUN", "cpc_repr.export", "EncoderExportConfig"),
    "probe": ("python -m cpc_rl.probe RUN", "cpc_rl.probe", "ProbeConfig"),
    "collect": ("python -m cpc_rl.collect --out DIR", "cpc_rl.collect", "CollectConfig"),
    "pretrain": ("python -m cpc_rl.pretrain --data DIR", "cpc_rl.pretrain", "full_config"),
    "compare": ("python -m cpc_rl.compare RUN ...", "cpc_rl.compare.command", "CompareConfig"),
    "watch": ("python -m cpc_rl.watch RUN ...", "cpc_rl.watch", "WatchConfig"),
    "sweep": ("python -m cpc_rl.sweep FILE", "cpc_rl.sweep.__main__", "SweepConfig"),
    "audio": ("python -m cpc_repr.audio", "cpc_repr.audio.config", "AudioConfig"),
    "extract": ("python -m cpc_repr.audio.extract", "cpc_repr.audio.extract", "ExtractConfig"),
    "vision": ("python -m cpc_repr.vision", "cpc_repr.vision.config", "full_config"),
    "vision_compare": (
        "python -m cpc_repr.vision.compare RUN ...",
        "cpc_repr.vision.compare",
        "VisionCompareConfig",
    ),
    "detect": ("python -m cpc_repr.vision.detect RUN", "cpc_repr.vision.detect", "DetectConfig"),
    "pictures": ("python -m cpc_repr.vision.export", "cpc_repr.vision.export", "ExportConfig"),
    "text": ("python -m cpc_repr.text", "cpc_repr.text.config", "TextConfig"),
}
NAMES: dict[str, tuple[str, ...]] = {  # module: public names; none: all its functions
    "agents.api": ("train", "evaluate", "load_agent", "Agent"),
    "cpc_rl.infonce": ("info_nce", "contrast_predictions", "cpc_loss", "linear_heads"),
    "cpc_rl.returns": (),
    "cpc_rl.losses": (),
    "cpc_rl.aux.base": ("AuxConfig", "Unroll", "AuxLoss"),
    "cpc_rl.networks": ("ActorCritic",),
    "cpc_rl.evaluate": ("evaluate_run",),
    "cpc_rl.export": ("export_run", "Step"),
    "envs": ("make", "resolve"),
    "envs.api": ("EnvStep", "BatchedEnv"),
    "cpc_repr.objective": ("Objective", "Stage"),
    "cpc_repr.audio.encode": ("load",),
    "cpc_repr.vision.encode": ("load",),
    "cpc_repr.text.encode": ("load",),
}


def default(field: FieldInfo) -> str:
    """A field's default as a flag takes it."""
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple | list):
        return " ".join(f"`{x}`" for x in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def allowed(field: FieldInfo) -> str:
    """What a field takes: its choices or its bounds."""
    choices = [str(x) for part in (field.annotation, *get_args(field.annotation)) if get_origin(part) is Literal
               for x in get_args(part)]  # fmt: skip
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if field.annotation is bool:
        return "on or off"
    marks = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    bounds = [text.format(f"{bound:,}") for name, text in marks.items() for mark in field.metadata
              if (bound := getattr(mark, name, None)) is not None]  # fmt: skip
    return ", ".join(bounds)


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, list[tuple[str, FieldInfo]]]]:
    """Each model in a tree of them: what it is, its name in files, and its own fields by dotted key."""
    own = [(prefix + name, field) for name, field in model.model_fields.items() if not is_section(field)]
    if own:
        yield (model.__doc__ or "").partition("\n")[0], prefix.rstrip("."), own
    for name, field in model.model_fields.items():
        if is_section(field):
            assert isinstance(field.annotation, type)
            yield from sections(field.annotation, f"{prefix}{name}.")


def is_section(field: FieldInfo) -> bool:
    """Whether a field holds settings of its own."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def program_page(command: str, model: type[BaseModel]) -> str:
    """All flags of a program."""
    lines = [f"# `{command}`", "", "Defaults are those without a preset. `--help` shows those of the preset taken.", ""]
    names = flag_names(model)
    for title, name, fields in sections(model):
        heading = title.rstrip(".") if name else "The program itself"
        place = [f"Section `{name}` of a configuration file.", ""] if name else []
        lines += [f"## {heading}", "", *place]
        lines += ["| flag | default | allowed | meaning |", "|---|---|---|---|"]
        for key, field in fields:
            cells = (f"`{names[key]}`", default(field), allowed(field), field.description or "")
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def python_page() -> str:
    """Signatures and docstrings of the public names."""
    lines = ["# Python", ""]
    for name, wanted in NAMES.items():
        module = importlib.import_module(name)
        if not wanted:
            wanted = tuple(key for key, value in vars(module).items()
                           if inspect.isfunction(value) and value.__module__ == name and key[0] != "_")  # fmt: skip
        lines += [f"## `{name}`", "", (inspect.getdoc(module) or "").partition("\n\n")[0], ""]
        for key in wanted:
            lines += entry(key, getattr(module, key))
    return "\n".join(lines)


def entry(name: str, thing: Any) -> list[str]:
    """One name: how it is called, and its docstring."""
    doc = inspect.getdoc(thing) or ""
    lines = [f"### `{name}`", ""]
    if inspect.isfunction(thing):
        lines += ["```python", called(name, thing), "```", ""]
    return [*lines, "```text", doc, "```", ""]


def called(name: str, function: Callable[..., Any]) -> str:
    """How `function` is called, with annotations as in its source; one parameter a line where one line is too short."""
    signature = inspect.signature(function)
    returns = signature.return_annotation
    words, end = list(parameters(signature)), f") -> {returns if isinstance(returns, str) else spelt(returns)}"
    line = f"{name}({', '.join(words)}{end}"
    return line if len(line) <= WIDTH else "\n".join([f"{name}(", *(f"    {word}," for word in words), end])


def parameters(signature: inspect.Signature) -> Iterator[str]:
    """Each parameter with its annotation and default; `*` in front of those that are given by name only."""
    by_name = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not by_name:
            yield "*"
            by_name = True
        noted = parameter.annotation if isinstance(parameter.annotation, str) else spelt(parameter.annotation)
        given = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        yield f"{stars}{parameter.name}: {noted}{given}"


def spelt(annotation: Any) -> str:
    """An annotation without its modules."""
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", inspect.formatannotation(annotation))


def pages() -> dict[str, str]:
    """All pages by file name."""
    found = {"python.md": python_page()}
    for page, (command, module, name) in PROGRAMS.items():
        made = getattr(importlib.import_module(module), name)
        found[f"{page}.md"] = program_page(command, made if isinstance(made, type) else made())
    return {name: NOTE + text.rstrip() + "\n" for name, text in found.items()}


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    FOLDER.mkdir(exist_ok=True)
    stale = [name for name, text in pages().items()
             if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text]  # fmt: skip
    if check:
        print("\n".join(f"stale: docs/reference/{name}: python docs/reference.py writes it anew" for name in stale))
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
