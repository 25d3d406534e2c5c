"""The job script of docs/slurm.md, run by a stand-in for Slurm: warned, requeued, and gone on with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
# Warns its first job with the signal that the script asks for, once there is a checkpoint.
SRUN = """#!/bin/bash
"$@" & job=$!
if [ ! -e warned ]; then
    until ls runs/*/checkpoint-*.pt > /dev/null 2>&1; do kill -0 $job || exit 1; sleep 0.05; done
    touch warned
    kill -USR1 $job
fi
wait $job
"""
SCONTROL = '#!/bin/bash\necho "$@" >> requeued\n'


def test_the_script_goes_on_where_the_limit_stopped_it(tmp_path: Path) -> None:
    script = re.search(r"```bash\n(.*?)```", (ROOT / "docs" / "slurm.md").read_text(), re.DOTALL)
    assert script is not None and "#SBATCH --signal=USR1@" in script[1]
    tiny = "--aux none --num-envs 1 --unroll 20 --height 24 --width 24 --frames 8000 --preset laptop"
    (tmp_path / "job.sh").write_text(script[1].replace("--aux cpc", tiny))
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": "77", "OMP_NUM_THREADS": "1"}
    environment |= {"PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def job() -> subprocess.CompletedProcess[str]:
        words = ["bash", "job.sh"]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)

    first = job()
    assert first.returncode == 130, first.stderr
    assert "stopping after this update" in first.stderr and "go on with" in first.stdout
    assert (tmp_path / "requeued").read_text() == "requeue 77\n"
    second = job()
    assert second.returncode == 0, second.stderr
    assert "resuming at" in second.stdout and (tmp_path / "requeued").read_text() == "requeue 77\n"
    run = tmp_path / "runs" / "watermaze-cpc-s1"
    assert torch.load(run / "checkpoint-8000.pt", weights_only=True)["frames"] == 8000
