"""Environments in processes of their own that are watched and restarted."""

from envs.workers.vector_env import Workers

__all__ = ["Workers"]
