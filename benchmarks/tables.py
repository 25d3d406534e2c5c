"""Rebuild the tables of README and docs from the files under benchmarks/results that they rest on.

    python benchmarks/tables.py            # rewrites them in place
    python benchmarks/tables.py --check    # changes nothing; names those that differ from their files, exit code 1

The line `<!-- table: figure6/levels -->` above a table says that `levels` in recipes/figure6.py makes it. A recipe
reads files under benchmarks/results and gives rows of text, the header first.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(
    r"^(?P<mark><!-- table: (?P<module>\w+)/(?P<recipe>\w+) -->)\n\n?(?P<table>(?:\|.*\n)*)", re.MULTILINE
)


def markdown(rows: list[list[str]]) -> str:
    """Rows of cells, the header first, as a table."""
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise ValueError(f"rows of different lengths: {rows}")
    head, *body = ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|\n" for row in rows]
    return "".join([head, "|" + width * "---|" + "\n", *body])


def rows_of(module: str, recipe: str) -> list[list[str]]:
    """What `recipe` of recipes/`module`.py makes."""
    return getattr(importlib.import_module(f"recipes.{module}"), recipe)()


def cook(found: re.Match[str]) -> str:
    """The table that a mark asks for."""
    return markdown(rows_of(found["module"], found["recipe"]))


def pages() -> list[Path]:
    """All that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def stale(page: Path) -> Iterator[str]:
    """Names of the tables of `page` that differ from what their recipes make."""
    for found in MARKED.finditer(page.read_text(encoding="utf-8")):
        if found["table"] != cook(found):
            yield f"{found['module']}/{found['recipe']}"


def rewrite(page: Path) -> None:
    """Put what the recipes make in place of the tables of `page`."""
    text = page.read_text(encoding="utf-8")
    page.write_text(MARKED.sub(lambda found: f"{found['mark']}\n\n{cook(found)}", text), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit code 1 where a table and its files differ"
    )
    check = parser.parse_args().check
    wrong = [(page, name) for page in pages() for name in stale(page)]
    for page, name in wrong:
        print(f"{page.relative_to(ROOT)}: {name} {'differs from its files' if check else 'rewritten'}")
    if not check:
        for page in {page for page, _ in wrong}:
            rewrite(page)
    return int(check and bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
