"""Signals that a whole process group gets (Ctrl-C, a queue's warning): for the program, not for its workers."""

import signal

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")  # Windows has the first two
FOR_THE_PROGRAM = frozenset(signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__)
