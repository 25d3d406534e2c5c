import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Sequence, Text, Tuple
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from envs.gymnasium.spaces import Observations, action_table


def batch(space, n=3):
    """n samples, singly and as a vector environment gives them."""
    space.seed(5)
    singles = [space.sample() for _ in range(n)]
    together = concatenate(space, singles, create_empty_array(space, n))
    assert together in batch_space(space, n)
    return singles, together


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 8, 3), (6, 8, 3)),
        ((6, 8, 1), (6, 8, 1)),
        ((6, 8, 4), (6, 8, 4)),
        ((6, 8, 9), (6, 8, 9)),
        ((6, 8), (6, 8, 1)),
        ((3, 6, 8), (6, 8, 3)),
        ((1, 6, 8), (6, 8, 1)),
        ((4, 6, 8), (6, 8, 4)),
        ((4, 6, 3), (4, 6, 3)),  # either could be channels: the last are
    ],
)
def test_pictures_have_their_channels_last(shape, expected):
    singles, together = batch(Box(0, 255, shape, np.uint8))
    observations = Observations(Box(0, 255, shape, np.uint8), wanted="picture")
    tensor = observations(together)
    assert observations.shape == expected and tensor.shape == (3, *expected)
    assert tensor.dtype == torch.uint8 and tensor.is_contiguous()
    for i, single in enumerate(singles):
        for y, x, c in np.ndindex(expected):
            source = {2: (y, x)}.get(len(shape), (y, x, c) if shape == expected else (c, y, x))
            assert tensor[i, y, x, c] == single[source]
    assert torch.equal(observations.stack(singles), tensor)


@pytest.mark.parametrize("layout", ["HWC", "CHW", "HW"])
def test_pictures_are_brought_to_the_size_asked_for(layout):
    picture = np.zeros((40, 60, 3), np.uint8)  # black, lower half red, right third also green
    picture[20:, :, 0] = 200
    picture[:, 40:, 1] = 100
    picture[..., 2] = 7
    if layout == "HW":
        picture = picture[..., 0]
    elif layout == "CHW":
        picture = picture.transpose(2, 0, 1)
    observations = Observations(Box(0, 255, picture.shape, np.uint8), 24, 32)
    small = observations(np.stack([picture, picture]))
    assert observations.shape == small.shape[1:] == ((24, 32, 1) if layout == "HW" else (24, 32, 3))
    assert small.dtype == torch.uint8 and small.is_contiguous()
    red = small[0, ..., 0]
    assert (red[:11] == 0).all() and (red[13:] == 200).all() and (red[11:13] < 200).any()
    if layout != "HW":
        assert (small[1, :, :20, 1] == 0).all() and (small[1, :, 23:, 1] == 100).all() and (small[..., 2] == 7).all()


def test_one_side_alone_can_be_asked_for_and_averages_what_it_shrinks():
    stripes = np.zeros((1, 32, 128, 1), np.uint8)
    stripes[:, :, ::4] = 200  # between the four pixels that become one lie two dark ones
    observations = Observations(Box(0, 255, (32, 128, 1), np.uint8), None, 32)
    assert observations.shape == (32, 32, 1)
    assert ((observations(stripes)[:, :, 2:-2] - 50.0).abs() <= 10).all()


VECTORS = [
    Box(-1, 1, (4,), np.float64),
    Box(-1, 1, (), np.float32),
    Box(0, 9, (2, 3), np.int16),
    Box(0, 255, (5,), np.uint8),
    Box(0, 1, (3, 4, 2), np.bool_),
    Discrete(5),
    Discrete(3, start=-2),
    MultiDiscrete([2, 4, 3]),
    MultiDiscrete([[2, 4], [3, 2]]),
    MultiBinary(4),
    MultiBinary((2, 3)),
    Tuple((Discrete(4, start=7), Box(-1, 1, (2,)))),
    Dict({"z": Discrete(2), "a": Dict({"d": MultiBinary(2), "c": Tuple((Box(0, 1, (1, 2)), Discrete(3)))})}),
]


@pytest.mark.parametrize("space", VECTORS, ids=str)
def test_vectors_are_what_gymnasium_flattens_one_by_one(space):
    singles, together = batch(space)
    observations = Observations(space)
    tensor = observations(together)
    expected = [gymnasium.spaces.flatten(space, single).astype(np.float32).ravel() for single in singles]
    assert tensor.dtype == torch.float32 and tensor.is_contiguous() and observations.shape == tensor.shape[1:]
    np.testing.assert_array_equal(tensor.numpy(), np.stack(expected))
    np.testing.assert_array_equal(observations.stack(singles).numpy(), np.stack(expected))


def test_memory_that_cannot_be_written_is_copied():
    for space in (Box(0, 255, (24, 32, 3), np.uint8), Box(-1, 1, (4,), np.float32)):
        together = np.zeros((2, *space.shape), space.dtype)
        together.flags.writeable = False
        Observations(space)(together)[0] = 1  # torch warns of what it cannot copy
        assert not together.any()


@pytest.mark.parametrize(
    "space",
    [Text(5), Sequence(Discrete(2)), Graph(Box(0, 1, (2,)), None), Dict({"a": Discrete(2), "mission": Text(9)})],
    ids=str,
)
def test_what_has_no_fixed_number_of_numbers_is_refused_by_name(space):
    with pytest.raises(ValueError, match="no fixed number of numbers") as caught:
        Observations(space)
    assert type(space if not isinstance(space, Dict) else space["mission"]).__name__ in str(caught.value)


def test_a_size_is_for_pictures_only():
    with pytest.raises(ValueError, match="height and width are for pictures"):
        Observations(Box(-1, 1, (4,)), 64, None)


def test_choices_are_numbered_from_where_the_environment_starts():
    assert action_table(Discrete(3)).tolist() == [0, 1, 2]
    assert action_table(Discrete(3, start=5)).tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("space", "count"),
    [(MultiDiscrete([3, 2]), 6), (MultiDiscrete([2, 2], start=[4, -1]), 4), (MultiDiscrete([[2, 3], [2, 1]]), 12)],
    ids=str,
)
def test_several_choices_at_once_are_combined(space, count):
    table = action_table(space)
    assert len(table) == count == len({row.tobytes() for row in table})
    assert all(row in space for row in table)


def test_switches_are_combined():
    table = action_table(MultiBinary(3))
    assert len({tuple(row) for row in table.tolist()}) == len(table) == 8 and all(
        row in MultiBinary(3) for row in table
    )


@pytest.mark.parametrize("space", [Box(-1, 1, (2,)), Text(4), Tuple((Discrete(2), Discrete(2)))], ids=str)
def test_other_actions_are_refused_with_a_way_out(space):
    with pytest.raises(ValueError, match="must be discrete: wrap .*ActionWrapper"):
        action_table(space)


def test_too_many_combinations_are_refused():
    assert len(action_table(MultiBinary(10))) == 1024
    with pytest.raises(ValueError, match=r"1025 combinations; allowed: 1024"):
        action_table(MultiDiscrete([5, 5, 41]))
    with pytest.raises(ValueError, match="allowed: 1024"):
        action_table(MultiBinary(80))
