"""Comparing runs: reading them, telling arms apart, curves, statistics over seeds, figure and report.

`cpc_rl.compare` and `cpc_rl.watch` are the programs; nothing here is imported before they need it.
"""
