import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from configs import UsageError
from cpc_rl.runs.files import check_writable, write_atomic
from cpc_rl.runs.metrics import JsonLines

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


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """A limit on the size of files, which fails as a full disk does: in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_by_the_files_name_also_where_torch_writes(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-1.pt"
    write_atomic(path, lambda file: torch.save({"x": 1}, file))
    before = path.read_bytes()
    for write in (lambda file: torch.save(torch.zeros(100_000), file), lambda file: file.write(b"x" * 400_000)):
        with room_for(50_000), pytest.raises(OSError, match="File too large") as caught:
            write_atomic(path, write)
        assert caught.value.filename == str(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(RuntimeError, match="a bug"):  # what is no fault of the disk stays what it is
        write_atomic(path, bug)


def bug(file: object) -> None:
    raise RuntimeError("a bug")


def test_a_line_that_does_not_fit_is_told_by_the_files_name(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl")
    with room_for(100), pytest.raises(OSError, match="metrics.jsonl"):
        for n in range(100):
            lines.write({"frames": n})
    with room_for(100):
        lines.close()


@pytest.mark.parametrize(
    ("path", "words"),
    [("folder", "folder is a directory"), ("file/x", "file: Not a directory"), ("new/x/y.json", None), ("x", None)],
)
def test_what_can_be_written_is_known_beforehand(tmp_path: Path, path: str, words: str | None) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    if words is None:
        check_writable(tmp_path / path)
    else:
        with pytest.raises(UsageError, match=f"--out .*{words}"):
            check_writable(tmp_path / path, "--out")
    assert sorted(tmp_path.rglob("*")) == before
