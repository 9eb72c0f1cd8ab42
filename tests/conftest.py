"""What all tests need."""

import signal

from hypothesis import settings

# A shell starts what it runs in the background with Ctrl-C ignored, and tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Where a test does not say how many examples it needs: few in `make test`, the same ones everywhere, so that what
# passed passes again; many in `make test-all`, others each time. None is timed.
settings.register_profile("few", settings.default, max_examples=40, deadline=None, derandomize=True)
settings.register_profile("many", settings.default, max_examples=200, deadline=None)
settings.load_profile("few")
