"""What observations are taken for: said in words, never guessed where they could be two things."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Tuple
from gymnasium.wrappers import FrameStackObservation

from agents.a2c import main
from configs import load_yaml
from envs import EnvConfig, make, sees_vectors
from envs.errors import EnvironmentFailure
from envs.gymnasium.spaces import Observations
from tests.envs.gymnasium.toys import steps


def space(shape, dtype=np.uint8, low=0, high=255):
    return Box(low, high, shape, dtype)


class Shows(gymnasium.Env):
    """Counts its steps in everything it shows."""

    action_space = Discrete(2)

    def __init__(self, observation_space):
        self.observation_space = observation_space

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return self.see(), {}

    def step(self, action):
        self.count += 1
        return self.see(), 0.0, False, False, {}

    def see(self):
        return np.full(self.observation_space.shape, self.count, self.observation_space.dtype)


def colours():
    """Each frame has its number in red, ten more in green, twenty more in blue."""

    class Colours(Shows):
        def see(self):
            return np.broadcast_to(np.array([0, 10, 20]) + self.count, (32, 40, 3)).astype(np.uint8)

    return Colours(space((32, 40, 3)))


def minigrid():
    """As MiniGrid's, declared as bytes: kinds to 10, colours to 5, states to 2."""

    class View(Shows):
        def see(self):
            cells = np.indices((7, 7)).sum(0)
            return np.stack([cells % 11, cells % 6, cells % 3], -1).astype(np.uint8)

    return View(space((7, 7, 3)))


HERE = "gymnasium/tests.envs.gymnasium.test_reading"


# What can mean one thing only


@pytest.mark.parametrize(
    ("observed", "shape", "words"),
    [
        (
            space((64, 80, 3)),
            (64, 80, 3),
            "uint8 (64, 80, 3) from 0 to 255, are read as a picture of 64 x 80 with 3 chan",
        ),
        (space((64, 80)), (64, 80, 1), "a picture of 64 x 80 with 1 channel"),
        (space((4, 84, 84)), (84, 84, 4), "a picture of 84 x 84 with 4 channels, channels first"),
        (space((9, 84, 84)), (84, 84, 9), "a picture of 84 x 84 with 9 channels, channels first"),
        (space((24, 84, 84)), (84, 84, 24), "a picture of 84 x 84 with 24 channels, channels first"),
        (space((84, 84, 24)), (84, 84, 24), "a picture of 84 x 84 with 24 channels"),
        (space((4, 64, 80, 3)), (64, 80, 12), "a picture of 64 x 80 with 12 channels, 4 frames one behind another"),
        (space((4, 3, 64, 80)), (64, 80, 12), "12 channels, 4 frames one behind another, channels first"),
        (space((30, 64, 80, 1)), (64, 80, 30), "30 channels, 30 frames one behind another"),
        (space((64, 80, 3), np.float32, 0, 1), (64, 80, 3), "3 channels, 0 to 1 as 0 to 255"),
        (space((3, 64, 80), np.float64, -1, 1), (64, 80, 3), "3 channels, channels first, -1 to 1 as 0 to 255"),
        (space((64, 80, 3), np.int64), (64, 80, 3), "3 channels, 0 to 255 as 0 to 255"),
        (space((64, 80, 3), np.uint8, 0, 1), (64, 80, 3), "3 channels, 0 to 1 as 0 to 255"),
        (space((128,)), (128,), "uint8 (128,) from 0 to 255, are read as a vector of 128 numbers"),
        (
            space((5, 5), np.float32, -np.inf, np.inf),
            (25,),
            "float32 (5, 5) without bounds, are read as a vector of 25",
        ),
        (space((30, 40), np.float32, -np.inf, np.inf), (1200,), "a vector of 1,200 numbers"),
        (space((10, 10, 4), np.bool_, 0, 1), (400,), "a vector of 400 numbers"),
        (Discrete(7), (7,), "Discrete(7), are read as a vector of 7 numbers"),
        (Dict({"b": space((3,)), "a": Discrete(2)}), (5,), "a vector of 5 numbers"),
    ],
    ids=str,
)
def test_auto_says_how_it_reads(observed, shape, words):
    observations = Observations(observed)
    assert observations.shape == shape and words in observations.words


def test_frames_become_channels_the_newest_last(build):
    env = build(factory=lambda: FrameStackObservation(colours(), 4), num_envs=1)
    assert env.reset().obs.shape == (1, 32, 40, 12)
    row = steps(env, 5)[-1]
    assert row.obs[0, 7, 9].tolist() == [2, 12, 22, 3, 13, 23, 4, 14, 24, 5, 15, 25]
    first = build(
        factory=lambda: FrameStackObservation(
            gymnasium.wrappers.TransformObservation(colours(), lambda x: x.transpose(2, 0, 1), space((3, 32, 40))), 4
        ),
        num_envs=1,
    )
    first.reset()
    assert torch.equal(steps(first, 5)[-1].obs, row.obs)


def test_numbers_are_scaled_by_the_bounds_of_their_space():
    values = np.zeros((2, 24, 24, 3), np.float32)
    values[0, 0, 0] = [0, 0.5, 1]
    pixels = Observations(space((24, 24, 3), np.float32, 0, 1))(values)
    assert pixels.dtype == torch.uint8 and pixels[0, 0, 0].tolist() == [0, 128, 255] and not pixels[1].any()
    pixels = Observations(space((24, 24, 3), np.float32, -1, 1))(values)
    assert pixels[0, 0, 0].tolist() == [128, 191, 255]
    values = np.full((1, 24, 24, 3), 77, np.int64)
    assert (Observations(space((24, 24, 3), np.int64))(values) == 77).all()


def test_pictures_of_numbers_are_brought_to_a_size():
    values = np.ones((2, 48, 64, 3), np.float32)
    pixels = Observations(space((48, 64, 3), np.float32, 0, 1), 24, 32)(values)
    assert pixels.shape == (2, 24, 32, 3) and (pixels == 255).all()


# What could be two things


@pytest.mark.parametrize(
    ("observed", "says"),
    [
        (
            space((7, 7, 3)),
            r"uint8 \(7, 7, 3\) from 0 to 255, a small picture or a grid of kinds: say `--observation pic",
        ),
        (space((4, 4)), "a small picture or a grid of kinds"),
        (space((2, 2, 2, 3)), "a small picture or a grid of kinds"),
        (space((84, 84, 84)), "a picture whose channels could be its sides: say `--observation picture`"),
        (space((32, 64, 32)), "a picture whose channels could be its sides"),
        (space((64, 80, 3, 4)), "a picture whose channels could be its sides"),
        (space((64, 80, 3), np.float32, -np.inf, np.inf), "15,360 numbers as they are, or give the space a picture's"),
        (space((84, 84), np.float32, 0, 1), "a grey picture or a table: say `--observation picture` or `vector`"),
        (
            Dict({"rgb": space((64, 80, 3)), "speed": space((2,))}),
            r"part \['rgb'\].*, may be a picture: `--observation v",
        ),
        (Tuple((Discrete(2), Dict({"view": space((7, 7, 3))}))), r"part \[1\]\['view'\] of the observations, uint8"),
    ],
    ids=str,
)
def test_auto_refuses_what_could_be_two_things_with_the_flag_that_settles_it(observed, says):
    with pytest.raises(ValueError, match=says):
        Observations(observed)
    flat = Observations(observed, wanted="vector")  # that always settles it
    assert flat.shape == (gymnasium.spaces.flatdim(observed),)


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((7, 7, 3), (7, 7, 3)),
        ((84, 84, 84), (84, 84, 84)),
        ((2, 4, 6, 3), (4, 6, 6)),
        ((4, 4), (4, 4, 1)),
        ((3, 6, 8), (6, 8, 3)),
    ],
)
def test_a_picture_by_the_users_word(shape, seen):
    assert Observations(space(shape), wanted="picture").shape == seen


def test_a_size_settles_that_it_is_a_picture():
    assert Observations(space((7, 7, 3)), 28, 28).shape == (28, 28, 3)
    with pytest.raises(ValueError, match="height and width are for pictures"):
        Observations(space((7, 7, 3)), 28, 28, "grid")


@pytest.mark.parametrize(
    "observed", [space((128,)), Discrete(3), Dict({"a": space((64, 64, 3))}), space((1, 2, 3, 4, 5))], ids=str
)
def test_what_is_no_picture_is_none_by_anybodys_word(observed):
    with pytest.raises(ValueError, match="they cannot be read as a picture"):
        Observations(observed, wanted="picture")
    with pytest.raises(ValueError, match="need bounds in their space to be scaled by"):
        Observations(space((64, 64, 3), np.float32, -np.inf, np.inf), wanted="picture")


# Grids


def test_a_grid_is_one_hot_cell_by_cell():
    grid = Observations(space((2, 2), np.int64, 1, 3), wanted="grid")
    assert grid.shape == (12,) and grid.words.endswith("are read as a grid, one-hot: a vector of 12 numbers")
    seen = grid(np.array([[[1, 2], [3, 1]], [[3, 3], [2, 1]]]))
    assert seen.dtype == torch.float32
    assert seen.reshape(2, 4, 3).argmax(-1).tolist() == [[0, 1, 2, 0], [2, 2, 1, 0]] and seen.sum(1).tolist() == [4, 4]


def test_grids_beside_other_parts_are_one_hot_and_the_rest_is_as_it_was():
    parts = Dict({"image": space((2, 1), np.uint8, 0, 2), "direction": Discrete(2), "speed": Box(-9, 9, (1,))})
    grid = Observations(parts, wanted="grid")
    seen = grid({"image": np.array([[[2], [0]]]), "direction": np.array([1]), "speed": np.array([[0.5]], np.float32)})
    assert seen.tolist() == [[0, 1, 0, 0, 1, 1, 0, 0, 0.5]]  # in the order of the space: by the alphabet


def test_minigrids_bytes_are_kinds(build):
    env = build(factory=minigrid, observation="grid", num_envs=1)
    row = env.reset()
    assert env.obs_shape == (7 * 7 * 3 * 32,)
    cells = np.indices((7, 7)).sum(0)
    wanted = np.stack([cells % 11, cells % 6, cells % 3], -1)
    assert np.array_equal(row.obs.reshape(7, 7, 3, 32).argmax(-1).numpy(), wanted) and row.obs.sum() == 7 * 7 * 3


@pytest.mark.parametrize("processes", [False, True])
def test_a_number_beyond_the_kinds_ends_the_run_with_its_value(build, processes):
    env = build(factory=lambda: Shows(space((5, 5, 1))), observation="grid", env_processes=processes, num_envs=1)
    env.reset()
    assert (steps(env, 31)[-1].obs.reshape(25, 32).argmax(-1) == 31).all()
    with pytest.raises(EnvironmentFailure, match=r"^counting: .*holds 32; a cell of the grid has 32 kinds, from 0 on"):
        steps(env, 1)


@pytest.mark.parametrize(
    ("observed", "says"),
    [
        (space((4,), np.float32), "no whole numbers: they cannot be read as a grid"),
        (space((3, 3), np.int64, 0, 5000), "5,001 kinds in a cell, a grid has 32 at most"),
        (Discrete(4), "no whole numbers"),
    ],
    ids=str,
)
def test_what_is_no_grid_is_refused(observed, says):
    with pytest.raises(ValueError, match=says):
        Observations(observed, wanted="grid")


def test_a_grid_among_parts_does_not_go_into_processes(build):
    class Parts(Shows):
        def __init__(self):
            super().__init__(Dict({"image": space((7, 7, 3)), "way": Discrete(4)}))

    with pytest.raises(ValueError, match="a grid beside other parts cannot be read from processes"):
        build(factory=Parts, observation="grid", env_processes=True)
    with pytest.raises(ValueError, match="may be a picture"):  # as in one process
        build(factory=Parts, env_processes=True)


# Bounds


def test_numbers_outside_the_bounds_of_a_picture_end_the_run(build):
    env = build(factory=lambda: Shows(space((24, 24, 3), np.float32, 0, 3)))
    env.reset()
    assert (steps(env, 3)[-1].obs == 255).all()
    with pytest.raises(EnvironmentFailure, match="^counting: the observation holds 4, and its space says 0 to 3"):
        steps(env, 1)


# Programs


def test_training_says_how_it_reads_and_keeps_what_was_asked_for(tmp_path, capsys):
    flags = ["--env", f"{HERE}:minigrid", "--num-envs", "2", "--device", "cpu", "--frames", "400"]
    assert main([*flags, "--run", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith(
        "error: tests.envs.gymnasium.test_reading:minigrid: observations are uint8"
    )
    assert not (tmp_path / "run").exists()
    assert main([*flags, "--observation", "grid", "--run", str(tmp_path / "run")]) == 0
    assert "minigrid: observations, uint8 (7, 7, 3) from 0 to 255, are read as a grid" in capsys.readouterr().out
    settings = load_yaml(tmp_path / "run" / "config.yaml")
    assert settings["env"]["observation"] == "grid" and settings["run"]["preset"] == "classic"
    assert main(["--resume", str(tmp_path / "run"), "--observation", "vector", "--frames", "800"]) == 2
    assert "cannot resume with env.observation = vector" in capsys.readouterr().err


def test_only_gymnasiums_environments_leave_a_choice():
    assert sees_vectors(EnvConfig(name=f"{HERE}:minigrid", observation="vector"))
    for wanted in ("vector", "grid"):
        with pytest.raises(ValueError, match=f"observation is '{wanted}': minilab shows pictures"):
            make(EnvConfig(name="rooms_watermaze", observation=wanted), seed=0)
    make(EnvConfig(name="rooms_watermaze", observation="picture", num_envs=1), seed=0).close()
