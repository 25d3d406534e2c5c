import os
import subprocess
import sys
from pathlib import Path

import pytest

from cpc_rl.runs.files import write_atomic

ROOT = Path(__file__).parents[3]


def test_writes_and_replaces_leaving_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"one", b"two"):
        write_atomic(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def torn(file: object) -> None:
        file.write(b"ne")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomic(path, torn)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_before_the_rename_keeps_the_old_file(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    script = (
        "import os, signal, sys; from pathlib import Path; from cpc_rl.runs.files import write_atomic\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]), lambda file: file.write(b'new' * 10000))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, timeout=60)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"


def test_bytes_reach_the_disk_before_the_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (order.append(name), real(*a))[1])
    write_atomic(tmp_path / "x", lambda file: file.write(b"new"))
    assert order == ["fsync", "replace", "fsync"]  # content, name, folder
