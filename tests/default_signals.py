"""Ctrl-C ends the programs that tests start, wherever the tests themselves were started.

A script starts what it sends to the background with Ctrl-C ignored, and every child inherits that: a test that sends
one would wait for ever. A signal that is handled, and not ignored, is set back to its default where a program starts.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
