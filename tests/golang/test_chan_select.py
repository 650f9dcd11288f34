"""Go's test/chan/select.go.

The values of the send cases are evaluated each time select is reached, also those
for nil channels and those that are not chosen.
"""

from __future__ import annotations

from gochan import Chan, select_nowait, send
from golang.helpers import nil_int


class Values:
    def __init__(self) -> None:
        self.count = 0
        self.shift = 0

    def next(self) -> int:
        self.count += 1
        return 1 << self.shift


def send_both(values: Values, a: Chan[int] | None, b: Chan[int] | None) -> int:
    """Send one value to each as long as that needs no waiting."""
    sent = 0
    while True:
        to_a, to_b = send(a, values.next()), send(b, values.next())
        chosen = select_nowait(to_a, to_b)
        if chosen is None:
            return sent
        sent += 1
        if chosen is to_a:
            a = None
        else:
            b = None
        values.shift += 1


def test_values_are_evaluated_for_every_case() -> None:
    values = Values()
    a, b = Chan[int](1), Chan[int](1)
    assert send_both(values, a, b) == 2
    assert a.recv_nowait() | b.recv_nowait() == 3
    assert send_both(values, a, nil_int()) == 1
    assert values.count == 10
