"""How fast gochan is, next to what one would use instead of it.

    python -m benchmarks --help

Nothing that is timed is a test. Where things are:

    run             the command line: which rows, how many rounds, what to write
    rows            the rows: a shape, its sizes, and who takes part
    rotation        every contestant of a row in turn, A B C A B C
    process         one contestant's process, as the rotation sees it
    worker          the same process from inside
    shapes/         the work: once for coroutines, once for blocking calls
    contestants/    who does it, each with its own channel and nothing between
    go/             the same shapes in Go
    results         what was measured, medians and ratios; JSON
    floors          what is to be reached (floors.toml), and whether it is
    machine         what it was measured on
    report          the results as text and as a page of the documentation
    plot            the results as pictures
"""
