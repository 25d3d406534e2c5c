"""The real programs read every command of README and docs, without running it; blocks of Python run."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pytest

import configs
from agents.cli import COMMANDS
from cpc_rl.distributed import together

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", flags=re.M | re.S)
TAKES_A_DIRECTORY, TAKES_A_FILE = ("--resume",), ("--config",)  # which the parsers read

OURS = ("agents", "cpc_repr", "cpc_rl", "envs")
OTHER_FLAGS = {"--help", "--check", "--mine.", "--requeue", "--signal"}  # of argparse, an example, Slurm


class Parsed(BaseException):
    """A program has read its arguments; no error that it would report."""


def commands(page: Path) -> Iterator[str]:
    """Each command of a page: in fenced and indented blocks, and in the text where it has flags."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    prose = FENCE.sub("", text)
    blocks = [found[3] for found in FENCE.finditer(text) if found[2] != "python"]
    blocks += re.findall(r"(?<=\n\n)((?:    \S.*\n)+)", prose)
    for line in "\n".join(blocks).splitlines():
        if found := re.match(r" *((?:python -m |cpc-rl |torchrun ).*)", line):
            yield found[1]
    yield from (code for code in re.findall(r"`([^`\n]*)`", prose) if re.match(r"(python -m|cpc-rl) .* --", code))


def arguments(command: str) -> tuple[str, list[str]]:
    """The module that a command runs, and what it is given."""
    program, *words = shlex.split(command, comments=True)
    if program == "cpc-rl":
        return COMMANDS[words[0]][0], words[1:]
    words = words[words.index("-m") + 1 :]
    words = words[words[0] == "--" :]
    return words[0], words[1:]


def program(name: str) -> Callable[[list[str]], int]:
    """The `main` of a module, as `python -m` finds it."""
    module = importlib.import_module(name)
    if not hasattr(module, "main"):
        module = importlib.import_module(f"{name}.__main__")
    main: Callable[[list[str]], int] = module.main
    return main


def stop_after(parse: Callable[..., Any]) -> Callable[..., NoReturn]:
    """`parse`, and then the end of the program."""

    def stopping(*args: Any, **kwargs: Any) -> NoReturn:
        parse(*args, **kwargs)
        raise Parsed

    return stopping


@pytest.fixture
def parsers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs end where they have read their arguments."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in OURS:
            continue
        if getattr(module, "together", None) is together and module is not sys.modules["cpc_rl.distributed"]:
            monkeypatch.setattr(module, "together", stop_after(lambda parse, run: parse()))
        elif getattr(module, "load", None) is configs.load:
            monkeypatch.setattr(module, "load", stop_after(configs.load))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop_after(argparse.ArgumentParser.parse_args))


EXAMPLES = [(page, command) for page in PAGES for command in dict.fromkeys(commands(page))]
for name in {arguments(command)[0] for _, command in EXAMPLES}:
    program(name)  # so that the fixture finds its module


@pytest.mark.usefixtures("parsers_alone")
@pytest.mark.parametrize("page", sorted({page for page, _ in EXAMPLES}), ids=lambda page: page.name)
def test_programs_take_the_commands_of_a_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = []
    for command in (command for where, command in EXAMPLES if where == page):
        name, argv = arguments(command)
        for flag, value in pairwise(argv):
            if flag in TAKES_A_DIRECTORY:
                (tmp_path / value).mkdir(parents=True, exist_ok=True)
                (tmp_path / value / "config.yaml").touch()
            if flag in TAKES_A_FILE:
                (tmp_path / value).touch()
        try:
            program(name)(argv)
        except Parsed:
            if not any(word[0] == "[" or word.endswith("...") for word in argv):
                continue  # a command that can be typed as it stands
        except SystemExit:
            pass
        refused.append(f"{command}\n    {capsys.readouterr().err}")
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "changes.md"], ids=lambda page: page.name)
def test_flags_that_a_page_names_are_those_of_a_program(page: Path, flags: frozenset[str]) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    named = {flag for code in re.findall(r"`(--[^`\n]*)`", prose) for flag in re.findall(r"--[a-z][\w.-]*", code)}

    def is_known(flag: str) -> bool:
        switched_on = re.sub(r"^--((?:[\w-]+\.)?)no-", r"--\1", flag)
        a_section = flag.endswith(".") and any(known.startswith(flag) for known in flags)
        return bool({flag, switched_on} & flags) or a_section

    unknown = {flag for flag in named - OTHER_FLAGS if not is_known(flag.replace("_", "-"))}
    assert not unknown


@pytest.fixture(scope="module")
def flags() -> frozenset[str]:
    """Those of all programs that have a page of reference."""
    rows = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    return frozenset(re.findall(r"^\| `(--[^`]+)` ", rows, flags=re.M))


BLOCKS = [
    pytest.param(found[3], found[3].startswith("# needs "), id=f"{page.name}-{number}")
    for page in PAGES
    if page.name != "extending.md"  # test_extending.py
    for number, found in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")))
    if found[2] == "python"
]


@pytest.mark.parametrize(("code", "needs_more"), BLOCKS)
def test_a_block_of_python_runs(code: str, needs_more: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that begins with `# needs`, a run or a GPU, imports what there is and calls it with what it takes."""
    monkeypatch.chdir(tmp_path)
    tree = ast.parse(code)
    if not needs_more:
        exec(compile(tree, "<block>", "exec"), {"__name__": "block"})
        return
    space: dict[str, Any] = {}
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, type_ignores=[]), "<block>", "exec"), space)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    known = [(eval(ast.unparse(node.func), space), node) for node in calls if root(node.func) in space]
    assert known
    for function, node in known:
        words = {word.arg: None for word in node.keywords if word.arg is not None}
        if getattr(function, "__module__", "").partition(".")[0] in OURS:  # not of C, which may have no signature
            inspect.signature(function).bind(*node.args, **words)


def root(node: ast.expr) -> str:
    """The first name of `a.b.c`; "" of anything else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
