"""For all tests: what a shell that starts them in the background takes away is given back."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started with "&" by a shell without job control, Ctrl-C is ignored, also in every program that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
