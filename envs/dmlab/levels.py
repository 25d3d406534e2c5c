"""Levels of DeepMind Lab: short name -> path below its `game_scripts/levels`."""

from __future__ import annotations

_DMLAB30 = (
    "explore_goal_locations_large",
    "explore_goal_locations_small",
    "explore_object_locations_large",
    "explore_object_locations_small",
    "explore_object_rewards_few",
    "explore_object_rewards_many",
    "explore_obstructed_goals_large",
    "explore_obstructed_goals_small",
    "language_answer_quantitative_question",
    "language_execute_random_task",
    "language_select_described_object",
    "language_select_located_object",
    "lasertag_one_opponent_large",
    "lasertag_one_opponent_small",
    "lasertag_three_opponents_large",
    "lasertag_three_opponents_small",
    "natlab_fixed_large_map",
    "natlab_varying_map_randomized",
    "natlab_varying_map_regrowth",
    "psychlab_arbitrary_visuomotor_mapping",
    "psychlab_continuous_recognition",
    "psychlab_sequential_comparison",
    "psychlab_visual_search",
    "rooms_collect_good_objects_test",
    "rooms_collect_good_objects_train",
    "rooms_exploit_deferred_effects_test",
    "rooms_exploit_deferred_effects_train",
    "rooms_keys_doors_puzzle",
    "rooms_select_nonmatching_object",
    "rooms_watermaze",
    "skymaze_irreversible_path_hard",
    "skymaze_irreversible_path_varied",
)

# The levels of the first release (Beattie et al. 2016).
_FIRST = (
    "lt_chasm",
    "lt_hallway_slope",
    "lt_horseshoe_color",
    "lt_space_bounce_hard",
    "nav_maze_random_goal_01",
    "nav_maze_random_goal_02",
    "nav_maze_random_goal_03",
    "nav_maze_static_01",
    "nav_maze_static_02",
    "nav_maze_static_03",
    "seekavoid_arena_01",
    "stairway_to_melon",
)

_FAST_MAPPING = ("fast_mapping_test", "fast_mapping_train", "slow_mapping_test", "slow_mapping_train")

_PSYCHLAB = (
    "arbitrary_visuomotor_mapping",
    "continuous_recognition",
    "cued_temporal_production",
    "glass_pattern_detection",
    "harlow",
    "landoltC_identification",
    "motion_discrimination",
    "motion_discrimination_easy",
    "multiple_object_tracking",
    "multiple_object_tracking_easy",
    "odd_one_out",
    "ready_set_go",
    "sequential_comparison",
    "temporal_bisection",
    "temporal_discrimination",
    "visual_search",
)

_VISUOSPATIAL = (
    "memory_guided_saccade",
    "odd_one_out",
    "pathfinder",
    "pursuit",
    "visual_match",
    "visually_guided_antisaccade",
    "visually_guided_prosaccade",
)

# The levels of "Generalization of Reinforcement Learners with Working and Episodic Memory" (Fortunato et al. 2019).
_MEMORY = (
    "arbitrary_visuomotor_mapping_holdout_extrapolate",
    "arbitrary_visuomotor_mapping_holdout_interpolate",
    "arbitrary_visuomotor_mapping_train",
    "change_detection_holdout_extrapolate",
    "change_detection_holdout_interpolate",
    "change_detection_train",
    "continuous_recognition_holdout_extrapolate",
    "continuous_recognition_holdout_interpolate",
    "continuous_recognition_train",
    "explore_goal_locations_extrapolate",
    "explore_goal_locations_holdout_extrapolate",
    "explore_goal_locations_holdout_interpolate",
    "explore_goal_locations_holdout_large",
    "explore_goal_locations_holdout_small",
    "explore_goal_locations_interpolate",
    "explore_goal_locations_train_large",
    "explore_goal_locations_train_small",
    "what_then_where_holdout_interpolate",
    "what_then_where_train",
)

# The one name that two suites have is Psychlab's; the other suite's is reached with the suite's in front.
_TAKEN = {"odd_one_out": "visuospatial_suite_odd_one_out"}

DMLAB_LEVELS: dict[str, str] = {
    **{name: name for name in _FIRST},
    **{name: f"contributed/dmlab30/{name}" for name in _DMLAB30},
    **{name: f"contributed/fast_mapping/{name}" for name in _FAST_MAPPING},
    **{name: f"contributed/psychlab/{name}" for name in _PSYCHLAB},
    **{_TAKEN.get(name, name): f"contributed/psychlab/visuospatial_suite/{name}" for name in _VISUOSPATIAL},
    **{name: f"contributed/psychlab/memory_suite_01/{name}" for name in _MEMORY},
}

# Halves of DMLab-30's train and test pairs that ask for the setting allowHoldOutLevels.
HOLD_OUT_LEVELS = frozenset(name for name in _DMLAB30 if name.endswith("_test"))

# Levels meant for evaluation only, after the `_train` levels of their suite.
EVALUATION_LEVELS = frozenset(name for name in DMLAB_LEVELS if name.endswith("_test") or "_holdout_" in name)
