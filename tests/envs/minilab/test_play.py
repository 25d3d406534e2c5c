import sys

import matplotlib
import pytest

pytest.importorskip("pygame")

from envs.minilab import play as module
from envs.minilab.physics import ACTION_NAMES

pytestmark = pytest.mark.filterwarnings("ignore:.*matplotlib")  # Gymnasium asks for a window system


@pytest.fixture
def keyboard(monkeypatch):
    """A window without a screen; the returned dictionary says what happens after which tick of the clock."""
    backend = matplotlib.get_backend()
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame

    events = {}

    class Clock:
        ticks = 0

        def tick(self, fps):
            assert fps == 15
            for event in events.get(self.ticks, []):
                pygame.event.post(event)
            self.ticks += 1

    monkeypatch.setattr(pygame.time, "Clock", Clock)
    yield events
    matplotlib.use(backend)  # Gymnasium chooses another one


@pytest.mark.parametrize("leave", ["escape", "close"])
def test_keys_move_the_agent_until_the_player_leaves(keyboard, monkeypatch, leave):
    import pygame

    taken = []
    step = module.MinilabGymEnv.step
    monkeypatch.setattr(module.MinilabGymEnv, "step", lambda env, action: taken.append(action) or step(env, action))
    keyboard[2] = [pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP)]
    keyboard[5] = [pygame.event.Event(pygame.KEYDOWN, key=pygame.K_LEFT)]
    keyboard[7] = [pygame.event.Event(pygame.KEYUP, key=key) for key in (pygame.K_UP, pygame.K_LEFT)]
    escape, close = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE), pygame.event.Event(pygame.QUIT)
    keyboard[10] = [escape if leave == "escape" else close]
    module.play("rooms_watermaze", seed=0)
    assert [ACTION_NAMES[action] for action in taken] == ["forward"] * 3 + ["look_left_forward"] * 2


def test_keys_come_first_and_the_return_at_the_end(keyboard, capsys):
    import pygame

    keyboard[0] = [pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w)]
    keyboard[304] = [pygame.event.Event(pygame.QUIT)]
    module.play("seekavoid_arena_01", seed=0)
    printed = capsys.readouterr().out
    assert printed.index("space       fire") < printed.index("return ")
    assert printed.count("return ") == 1 and printed.endswith(" after 300 agent steps\n")


def test_every_set_of_keys_has_an_action():
    import pygame

    actions = module.keys_to_action()
    assert len(actions) == 2**9 - 1

    def action(*keys):
        return next(ACTION_NAMES[a] for held, a in actions.items() if set(held) == {getattr(pygame, k) for k in keys})

    assert {action(key) for key in ("K_UP", "K_DOWN", "K_LEFT", "K_RIGHT", "K_a", "K_d", "K_SPACE")} == {
        name for name in ACTION_NAMES if name not in ("look_left_forward", "look_right_forward")
    }
    assert action("K_RIGHT", "K_w") == "look_right_forward"
    assert action("K_LEFT", "K_DOWN") == "look_left"
    assert action("K_SPACE", "K_UP", "K_LEFT") == "fire"


def test_without_pygame_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    monkeypatch.delitem(sys.modules, "gymnasium.utils.play", raising=False)
    with pytest.raises(OSError, match=r"pip install 'cpc-rl\[play\]'"):
        module.play("rooms_watermaze")


@pytest.mark.parametrize("display", [None, ":77"])
def test_without_a_display_it_says_so(display, monkeypatch):
    import pygame

    for name in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display is None and sys.platform == "linux":
        monkeypatch.setattr(pygame.display, "init", lambda: pytest.fail("SDL was asked"))
    elif display is not None:
        monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(OSError, match="there is no display"):
        module.play("rooms_watermaze")


def test_play_begins_with_the_first_episode_of_the_seed(keyboard, monkeypatch):
    import pygame

    made = []
    new = module.MinilabGymEnv
    monkeypatch.setattr(module, "MinilabGymEnv", lambda *args, **kwargs: made.append(new(*args, **kwargs)) or made[-1])
    keyboard[0] = [pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w)]
    keyboard[3] = [pygame.event.Event(pygame.QUIT)]
    module.play("seekavoid_arena_01", seed=5)
    streams = made[0]._batch.env.state.streams
    assert (streams.environment[0], streams.episode[0]) == (5, 0)
