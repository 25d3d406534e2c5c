"""What environments raise. Worker processes import this module: it does not import torch."""


class EnvironmentFailure(RuntimeError):
    """Environments that cannot go on: a worker that died or hung once too often, named with its task and seed."""


class Incurable(EnvironmentFailure):
    """What neither another seed nor a restart cures; the message names in one line what is missing."""
