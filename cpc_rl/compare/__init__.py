"""Comparing runs: reading them, telling arms apart, curves, statistics over seeds, figure and report.

`cpc_rl.compare` and `cpc_rl.watch` are the programs; what they show is imported when they need it.
"""

from cpc_rl.compare.command import CompareConfig, compare_runs, main, show

__all__ = ["CompareConfig", "compare_runs", "main", "show"]
