import subprocess
import sys

import pytest

import envs
from envs import LEVELS, EnvConfig, make
from envs.__main__ import main


def test_an_unknown_level_names_its_neighbours_and_all_that_are_known():
    with pytest.raises(ValueError) as caught:
        make(EnvConfig(name="room_watermaze"), seed=0)
    message = str(caught.value)
    assert "'room_watermaze'" in message and "Did you mean rooms_watermaze" in message
    with pytest.raises(ValueError) as caught:
        make(EnvConfig(name="xyz"), seed=0)
    assert "Did you mean" not in str(caught.value) and all(name in str(caught.value) for name in LEVELS)


def test_the_configuration_reaches_the_environment():
    env = make(EnvConfig(num_envs=3, height=30, width=40, env_threads=2), seed=0)
    assert (env.name, env.num_envs, env.obs_shape) == ("rooms_watermaze", 3, (30, 40, 3))
    assert len(env.runner._slices) == 2
    env.close()


def test_importing_envs_does_not_import_numba():
    code = "import sys, envs; sys.exit('numba' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_list_names_every_level(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name, info in envs.LEVELS.items():
        assert name in printed and info.task in printed and str(info.agent_steps) in printed


def test_bench_prints_a_rate(capsys, monkeypatch):
    import envs.minilab.bench

    monkeypatch.setattr(envs.minilab.bench, "steps_per_second", lambda env: 1000.0 * env.num_envs)
    assert main(["bench", "--num-envs", "4", "--threads", "2"]) == 0
    assert "4,000 agent steps/s (4 environments, 72x96, threads: 2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--env", "nowhere"], "unknown environment 'nowhere'"), (["--num-envs", "0"], "num_envs is 0: ")],
)
def test_arguments_that_are_not_allowed_end_in_one_line_and_exit_code_2(capsys, arguments, message):
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_gallery_writes_a_contact_sheet_of_each_level(tmp_path, capsys):
    from PIL import Image

    assert main(["gallery", "--out", str(tmp_path / "deep" / "folder")]) == 0
    for name in LEVELS:
        path = tmp_path / "deep" / "folder" / f"{name}.png"
        assert str(path) in capsys.readouterr().out
        with Image.open(path) as image:
            assert image.width > 3 * 4 * 96 and image.height >= 2 * 3 * 72
            assert len(image.getcolors(1 << 20)) > 100
