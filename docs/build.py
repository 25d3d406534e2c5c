"""Build the documentation's site from the files that git knows: `make docs`, then open site/index.html.

python docs/build.py [--out site]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = ("*.md", "*.png", "*.gif", "*.css", "LICENSE", "CITATION.cff", "examples/*")


def build(out: Path) -> int:
    """Build into `out`, where there may be an older one; returns zensical's exit code, not 0 at the first warning."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *WANTED],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name in ("zensical.toml", *filter(None, names)):
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy)
        words = [sys.executable, "-m", "zensical", "build", "--strict"]
        code = subprocess.run(words, cwd=folder).returncode
        if code == 0:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(Path(folder, "site"), out)
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    sys.exit(build(parser.parse_args().out))
