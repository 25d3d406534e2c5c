"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell that starts us in the background (`make test &`) has us and our children ignore Ctrl-C, `nohup` has us ignore
# the loss of the terminal; tests send both.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
