"""The fuzzer: random and mutated input, for the parsers in process and for a live server.

Run `make fuzz`, or `python -m fuzz --help`. Every run prints its seed; the same seed gives the same input.

    __main__   options, the order of things, exit status
    inputs     streams of lines: right, wrong, mutated, random
    parsers    whole ≡ octet by octet ≡ cut at random, and no exception but the protocol's own
    live       command lines against a running server: what may never happen, whatever is sent
    memory     how much a process and its children hold
"""
