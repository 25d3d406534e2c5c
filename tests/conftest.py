"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell that starts us in the background (`make test &`) has us and our children ignore Ctrl-C, which tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
