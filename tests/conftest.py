"""What all tests need."""

import signal

# A shell starts what it runs in the background with Ctrl-C ignored, and tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
