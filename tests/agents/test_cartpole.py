import pytest

from agents.a2c import main
from cpc_rl.evaluate import evaluate_run


@pytest.mark.slow
def test_the_bare_command_solves_cartpole(tmp_path):
    run = tmp_path / "run"
    flags = ["--env", "gymnasium/CartPole-v1", "--device", "cpu", "--threads", "1", "--seed", "2"]
    assert main([*flags, "--run", str(run)]) == 0
    scores = evaluate_run(run, episodes=100, video=run / "video" / "episode.mp4", device="cpu")
    assert scores["sampled"]["mean"] >= 475 and scores["greedy"]["mean"] >= 475  # solved, as the environment has it
