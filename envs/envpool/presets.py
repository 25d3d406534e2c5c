"""What envpool is asked for, and the rules of ViZDoom's scenarios that it leaves out: data only.

envpool pays for changes of game variables. ViZDoom's scenarios also pay for each engine tic lived (`living_reward` of
their configuration), take for a death (`death_penalty`) and pay by script, most of it in the very transition that ends
an episode, of which envpool sees nothing. Sources: each scenario's configuration and the script in its WAD.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

FRAME_SKIP = 4  # engine tics (ViZDoom) or emulator frames (Atari) in one agent step
VIZDOOM_FPS = 35.0
VIZDOOM_SIZE = (72, 96)
ATARI_FPS = 60.0
ATARI_SIZE = (84, 84)

VIZDOOM_OPTIONS: Mapping[str, object] = {
    "use_combined_action": True,
    "stack_num": 1,
    "selected_weapon_reward_config": {},  # by default envpool pays for holding a weapon
}
ATARI_OPTIONS: Mapping[str, object] = {
    "stack_num": 4,
    "gray_scale": True,
    "noop_max": 30,
    "repeat_action_probability": 0.0,
    "full_action_space": False,
    "episodic_life": False,
    "reward_clip": False,
    "max_episode_steps": 27_000,
}

# Engine settings behind those of the scenario: colour where it asks for grey, the one size the engine renders best.
VIZDOOM_SETTINGS = "screen_format = CRCGCB\nscreen_resolution = RES_320X240\n"

NO_LIMIT = 1_000_000  # agent steps, where a scenario has no time limit

Payments = Mapping[str, tuple[float, float]]  # game variable -> pay for each unit that it (rises, falls)


@dataclass(frozen=True)
class Scenario:
    """Published rules of a ViZDoom scenario.

    An episode that ends before its time limit pays `end`, or, if `payments` have brought more than `goal_above` in it,
    `goal`.
    """

    payments: Payments = field(default_factory=dict)
    living: float = 0.0  # for each engine tic
    end: float = 0.0
    goal: float = 0.0
    goal_above: float = math.inf
    limit: int = 525  # agent steps: 2,100 tics


_PISTOL = Scenario({"AMMO2": (0.0, -5.0)}, living=-1.0, end=101.0, limit=75)  # the last shot is paid with the 106
_KILLS = {"KILLCOUNT": (1.0, 0.0)}

SCENARIOS: Mapping[str, Scenario] = {
    "Basic-v1": _PISTOL,
    "BasicAudio-v1": _PISTOL,
    "BasicNotifications-v1": Scenario(
        {"AMMO2": (0.0, -5.0), "KILLCOUNT": (-44.0, 0.0)}, living=-1.0, end=101.0, limit=75
    ),
    "D1Basic-v1": Scenario(living=1.0),
    "D2Navigation-v1": Scenario(living=1.0),
    "D3Battle-v1": Scenario({"USER2": (1.0, 0.0)}),
    "D4Battle2-v1": Scenario({"USER2": (1.0, 0.0)}),
    # The vest lies at x = 1312, where the player starts at 0, and is taken from 1276 on; four tics are up to 47 long.
    "DeadlyCorridor-v1": Scenario({"POSITION_X": (1.0, -1.0)}, end=-100.0, goal=1000.0, goal_above=1229.0),
    "Deathmatch-v1": Scenario(_KILLS, limit=1050),
    "DefendTheCenter-v1": Scenario(_KILLS, end=-1.0),
    "DefendTheLine-v1": Scenario(_KILLS, end=-1.0, limit=NO_LIMIT),
    "HealthGathering-v1": Scenario(living=1.0, end=-100.0),
    "HealthGatheringSupreme-v1": Scenario(living=1.0, end=-100.0),
    "MyWayHome-v1": Scenario(living=-0.0001, end=1.0),
    "RocketBasic-v1": Scenario({"AMMO5": (0.0, -5.0)}, living=-1.0, end=106.0, limit=75),
    "SimplerBasic-v1": _PISTOL,
    "TakeCover-v1": Scenario(living=1.0, limit=NO_LIMIT),
}

NOT_PLAYED: Mapping[str, str] = {
    "Cig-v1": "it is made for several players, and alone there is nothing to be paid for",
    "MultiDuel-v1": "it is made for several players, and alone there is nothing to be paid for",
    "PredictPosition-v1": "a hit and a miss end its episodes alike, and envpool tells neither; "
    "gymnasium/VizdoomPredictPosition-v1 pays for hits (pip install vizdoom)",
    "VizdoomCustom-v1": "it wants files of your own; load them with the vizdoom package (gymnasium/MODULE:FUNCTION)",
}
