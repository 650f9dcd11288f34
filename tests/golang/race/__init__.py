"""The programs of Go's own race detector tests, ``src/runtime/race/testdata``.

Each file here is one there. A program named ``race_...`` must be reported in one run,
one named ``no_race_...`` must not be. The names are Go's.
"""
