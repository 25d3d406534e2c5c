"""A stand-in for agents.a2c that starts at once: a run directory, a checkpoint at SIGTERM, --run and --resume.

Started as `python standin.py agents.a2c --steps=20 --run DIR`. steps.txt gets a line for each step that was done.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

FLAGS = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if "=" in word)
WORDS = sys.argv[1:]


def main() -> int:
    if FLAGS.get("fail") == "True":
        print("something\nerror: no such level\n", flush=True)
        return 2
    if FLAGS.get("deaf") == "True":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resume = "--resume" in WORDS
    run = Path(WORDS[WORDS.index("--resume" if resume else "--run") + 1])
    if resume:
        done = int(max(run.glob("checkpoint-*.pt"), key=lambda p: p.stat().st_mtime_ns).read_text())
    else:
        run.mkdir(parents=True)  # refuses a directory that is there
        done = 0
    (run / "config.yaml").write_text(f"run: {{frames: {FLAGS['steps']}}}")
    stop = []

    def handle(*_) -> None:  # as a2c: a second signal insists
        if stop:
            os._exit(1)
        stop.append(1)

    if FLAGS.get("deaf") != "True":
        signal.signal(signal.SIGTERM, handle)
    print("OMP", os.environ.get("OMP_NUM_THREADS"), "GPU", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    while done < int(FLAGS["steps"]) and not stop:
        time.sleep(0.05)
        done += 1
        with (run / "steps.txt").open("a") as file:
            file.write(f"{done}\n")
        with (run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"frames": done, "frames_per_second": 20.0, "episode_return": done / 2}) + "\n")
    if stop:
        time.sleep(float(FLAGS.get("linger", 0)))
    (run / "checkpoint-1.pt").write_text(str(done))
    return 130 if done < int(FLAGS["steps"]) else 0


if __name__ == "__main__":
    sys.exit(main())
