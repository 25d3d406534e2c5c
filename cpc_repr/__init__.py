"""Representation learning on the same InfoNCE as the agent's: the loss is imported from `cpc_rl`, never copied."""

from cpc_rl.infonce import cpc_loss, info_nce

__all__ = ["cpc_loss", "info_nce"]
