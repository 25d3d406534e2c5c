"""Signals that a whole process group gets (Ctrl-C, a queue's warning): for the program, not for its workers."""

import signal

FOR_THE_PROGRAM = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
