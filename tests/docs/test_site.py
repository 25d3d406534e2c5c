"""The documentation: links lead somewhere, every page can be reached, reference pages are those of the code."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [*CHAPTERS, *sorted((ROOT / "benchmarks").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    for found in LINK.finditer(text):
        target = (found[1] or found[2]).partition("#")[0]
        if target and "://" not in target:
            yield target


def tracked() -> set[Path]:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return {ROOT / name for name in names if name}


def test_links_and_pictures_lead_to_files_of_the_repository() -> None:
    known = tracked()
    folders = {parent for path in known for parent in path.parents}
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in links(page)
        if (there := (page.parent / target).resolve()) not in known and there not in folders
    ]
    assert not broken


def chapters(nav: list[Any]) -> Iterator[str]:
    for item in nav:
        for value in item.values():
            yield from [value] if isinstance(value, str) else chapters(value)


def test_every_page_of_docs_is_a_chapter_of_the_site() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(chapters(nav)) == sorted(str(page.relative_to(ROOT)) for page in CHAPTERS)


def test_lines_are_at_most_160_characters_wide_outside_tables() -> None:
    wide = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in CHAPTERS
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > 160 and not line.lstrip().startswith("|")
    ]
    assert not wide


def test_the_readme_is_read_in_a_minute() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 120 and len(text.split()) <= 900


def test_reference_pages_are_those_of_the_code() -> None:
    pages = module("reference").pages()
    folder = ROOT / "docs" / "reference"
    assert {path.name for path in folder.iterdir()} == set(pages)
    stale = [name for name, text in pages.items() if (folder / name).read_text(encoding="utf-8") != text]
    assert not stale, "python docs/reference.py writes them anew"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "build.py", "--out", tmp_path / "site"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CPC" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "site" / "docs" / "figure6" / "index.html").exists()
    broken = [
        f"{page.relative_to(tmp_path)}: {link}"
        for page in (tmp_path / "site").rglob("*.html")
        for link in map(urlsplit, re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")))
        if not link.scheme and link.path.strip("/") and not link.path.startswith("/")
        if not (there := page.parent / link.path).is_file() and not (there / "index.html").is_file()
    ]
    assert not broken
