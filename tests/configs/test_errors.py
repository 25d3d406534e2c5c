import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest
from pydantic import ValidationError, model_validator

from configs import Frozen, RunFailure, UsageError, explain, guarded

ROOT = Path(__file__).parents[2]


def tiny(*argv: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.configs.tiny", *argv]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        ("--head.weight 30", 2, "error: --head.weight 30.0: input should be less than or equal to 10"),
        (
            f"--num-envs {'9' * 4000}",
            2,
            f"error: --num-envs {'9' * 40}...{'9' * 20} (4,000 characters): input should be less than or equal to 64",
        ),
        ("--head.sizes 3 0", 2, "error: --head.sizes 0: input should be greater than or equal to 1"),
        ("--fail failure", 1, "error: loss/total is nan at update 3"),
        ("--fail disk", 1, "error: /dev/null/x: Not a directory"),
        ("--fail interrupt", 130, "error: interrupted"),
    ],
)
def test_a_program_ends_with_one_line_and_its_code(argv: str, code: int, message: str) -> None:
    done = tiny(*argv.split())
    assert (done.returncode, done.stderr, done.stdout) == (code, message + "\n", "")


def test_debug_shows_the_traceback_and_bugs_always_do() -> None:
    for argv in (["--fail", "failure", "--debug"], ["--fail", "bug"]):
        done = tiny(*argv)
        assert done.returncode == 1 and "Traceback" in done.stderr


def test_codes_without_a_subprocess(capsys: pytest.CaptureFixture[str]) -> None:
    def usage() -> int:
        raise UsageError("two\nlines")

    def failure() -> int:
        raise RunFailure("no")

    assert guarded(usage, debug=False) == 2
    assert capsys.readouterr().err == "error: two lines\n"
    assert guarded(failure, debug=False) == 1
    assert guarded(lambda: None, debug=False) == 0
    assert guarded(lambda: 3, debug=False) == 3
    with pytest.raises(RunFailure):
        guarded(failure, debug=True)


def test_an_operation_that_apples_gpu_lacks_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    told = "The operator 'aten::x' is not currently implemented for the MPS device. Please comment on an issue."

    def main() -> int:
        raise NotImplementedError(told)

    assert guarded(main, debug=False) == 1
    line = capsys.readouterr().err
    assert line.startswith(
        "error: --device mps: The operator 'aten::x' is not currently implemented for the MPS device;"
    )
    assert "--device cpu" in line and line.count("\n") == 1

    def bug() -> int:
        raise NotImplementedError("a method of ours")

    with pytest.raises(NotImplementedError):
        guarded(bug, debug=False)


class Section(Frozen):
    """It says by itself which of its flags goes with which."""

    patience: int = 0

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        if self.patience:
            raise ValueError("--patience needs --eval-every" if self.patience > 0 else "cannot be negative")
        return self


class Whole(Frozen):
    run: Section = Section()


@pytest.mark.parametrize(("patience", "line"), [(1, "--patience needs --eval-every"), (-1, "run: cannot be negative")])
def test_a_complaint_that_names_a_flag_needs_no_other_name(patience: int, line: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Whole.model_validate({"run": {"patience": patience}})
    assert explain(refused.value, flags={"run.patience": "--patience"}) == line


def test_a_word_of_thousands_of_letters_is_cut_and_a_long_path_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    def failure() -> int:
        raise RunFailure(f"{'p' * 200} {'x' * 5000}")

    assert guarded(failure, debug=False) == 1
    assert capsys.readouterr().err == f"error: {'p' * 200} {'x' * 150}...{'x' * 75} (5,000 characters)\n"


def test_a_log_in_ascii_or_a_name_that_is_not_utf8_ends_no_program() -> None:
    code = (
        "import sys; from pathlib import Path; from configs import guarded\n"
        "sys.exit(guarded(lambda: print('80 frames \\u00b7 1.2/s', Path('a\\udcff')), debug=False))"
    )
    for encoding in ("ascii", "utf-8"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True)
        assert done.returncode == 0 and b"80 frames" in done.stdout and b"a?" in done.stdout, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("program", ["print('x' * 1_000_000)", "print('x')", "sys.exit(print('x'))"])
def test_a_reader_that_has_left_is_no_error(program: str, unbuffered: str) -> None:
    code = f"import sys; from configs import guarded\nsys.exit(guarded(lambda: {program}, debug=False))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    in_the_middle = unbuffered or "000" in program  # else the work was done before the pipe was touched
    assert (done.returncode, done.stderr) == (141 if in_the_middle else 0, "")


def test_another_broken_pipe_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def worker() -> None:
        raise BrokenPipeError(32, "Broken pipe", "worker 3")

    assert guarded(worker, debug=False) == 1
    assert capsys.readouterr().err == "error: worker 3: Broken pipe\n"
