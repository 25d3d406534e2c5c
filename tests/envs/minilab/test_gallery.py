import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from envs import LEVELS, EnvConfig, make
from envs.minilab import gallery


def new_env(level):
    return make(EnvConfig(name=level, num_envs=1), seed=0)


@pytest.mark.parametrize("level", LEVELS)
def test_a_sheet_shows_eight_frames_and_the_plan(level):
    sheet = np.asarray(gallery.contact_sheet(new_env(level)))
    assert sheet.shape == (2 * 216 + 6, 4 * (288 + 6) + 2 * 216 + 6, 3)
    frames = [sheet[y : y + 216, x : x + 288] for y in (0, 222) for x in range(0, 4 * 294, 294)]
    inner = [frame[60:] for frame in frames]  # below the number
    assert all(len(np.unique(frame.reshape(-1, 3), axis=0)) > 10 for frame in inner)
    assert len({frame.tobytes() for frame in inner}) == 8
    assert (sheet[:, 4 * 294 :].reshape(-1, 3) == 255).all(1).sum() > 100  # lines and numbers


def test_without_a_showcase_a_random_agent_chooses_the_poses(monkeypatch):
    env = new_env("explore_goal_locations_small")
    monkeypatch.setattr(env.level, "SHOWCASE", ())
    env.reset()
    views = list(gallery._views(env))
    assert len(views) == 8
    cells = env.scene.mazes.cells[env.state.search.maze[0]]
    for pose, frame in views:
        assert cells[int(pose[1] // 100), int(pose[0] // 100)] > 0  # on the floor
        env.place(0, *map(float, pose))
        assert np.array_equal(env.outputs.obs[0], frame)
    assert len({frame.tobytes() for _, frame in views}) == 8


def test_poses_lie_where_the_plan_is():
    corner = [gallery.PlanShape([(0, 0), (1000, 0), (1000, 1000), (0, 1000)], (0, 0, 0))]
    plan = np.asarray(gallery._draw_plan(corner, ((100, 800, 0.0),), 400))
    rows, columns = np.nonzero((plan == 255).all(-1))
    assert rows.min() > 60 and rows.max() < 110  # north is up
    assert columns.min() > 40 and columns.max() < 100


@pytest.mark.parametrize("level", ["rooms_watermaze"])
def test_a_film_lasts_sixteen_seconds_and_moves(tmp_path, level):
    path = tmp_path / "film.mp4"
    gallery.film(level, path)
    frames = imageio_ffmpeg.read_frames(str(path))
    about = next(frames)
    assert about["size"] == (384, 288) and about["fps"] == 15 and about["duration"] == pytest.approx(16, abs=0.1)
    first, *_, last = frames
    assert np.abs(np.frombuffer(first, np.uint8).astype(int) - np.frombuffer(last, np.uint8)).mean() > 5


def test_a_sheet_of_looks_has_twelve_different_ones(tmp_path):
    (path,) = gallery.write_looks(["seekavoid_arena_01"], tmp_path, 1.0)
    sheet = np.asarray(Image.open(path).convert("RGB"))
    assert sheet.shape == (3 * 144, 4 * 192, 3) and path.stat().st_size < 150_000
    frames = {sheet[y : y + 144, x : x + 192].tobytes() for y in (0, 144, 288) for x in range(0, 768, 192)}
    assert len(frames) == 12


def test_the_gallery_has_two_files_a_level(tmp_path):
    folder = tmp_path / "deep" / "folder"
    paths = list(gallery.write_gallery(["seekavoid_arena_01"], folder))
    assert paths == [folder / "seekavoid_arena_01.png", folder / "seekavoid_arena_01.mp4"]
    with Image.open(paths[0]) as sheet:
        assert sheet.size == (1614, 438)
    assert paths[1].stat().st_size > 10_000


def test_nothing_is_written_where_a_name_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="Did you mean rooms_watermaze"):
        list(gallery.write_gallery(["seekavoid_arena_01", "room_watermaze"], tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("level", ["explore_goal_locations_small", "lasertag_three_opponents_small"])
def test_the_poses_to_look_from_are_no_walls(level):
    env = new_env(level)
    env.reset()
    (maze,) = (tensor[0] for name, tensor in env.tensors.items() if name.endswith("maze"))
    assert len(env.level.SHOWCASE) == 8
    for x, y, _ in env.level.SHOWCASE:
        assert env.scene.mazes.cells[int(maze), int(y // 100), int(x // 100)] > 0
