"""Hyperparameter sweeps: many runs of one command, from the file that `wandb sweep` takes (python -m cpc_rl.sweep)."""
