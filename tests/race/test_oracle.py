"""Random histories of what synchronises and accesses: FastTrack against all pairs.

Two judges are told the same events. One keeps every access and compares each with all
others; the other is the detector, which keeps next to nothing. They must agree on which
variables have a race.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gochan import _instrument, race
from gochan.race import Var
from support.seeing import Clocks


class Name:
    """A party, or an address."""


PARTIES, ADDRESSES, VARIABLES = range(4), range(3), range(2)

party = st.sampled_from(PARTIES)
events = st.one_of(
    st.tuples(
        st.sampled_from(["acquire", "release", "release_merge", "release_acquire"]),
        party,
        st.sampled_from(ADDRESSES),
    ),
    st.tuples(st.just("rendezvous"), party, party),
    st.tuples(st.just("read"), party, st.sampled_from(VARIABLES)),
    st.tuples(st.just("write"), party, st.sampled_from(VARIABLES)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(events, max_size=40))
def test_the_detector_agrees_with_a_comparison_of_all_pairs(
    history: list[tuple[str, int, int]],
) -> None:
    parties = [Name() for _ in PARTIES]
    addresses: list[Any] = [Name() for _ in ADDRESSES]
    # that of an unbuffered channel serves for nothing else
    meeting = Name()
    # one of them is a slot of something
    addresses[-1] = (addresses[-1], 0)
    variables = [Var(0, name=str(number)) for number in VARIABLES]
    clocks, detector = Clocks(), race.detector(report="collect")
    with detector:
        for one in parties:
            # a peer has parked before anybody meets it
            with _instrument.acting(one):
                detector.goroutine_parked(one, "chan receive", None)
        for event, who, what in history:
            with _instrument.acting(parties[who]):
                if event == "read":
                    clocks.access(what, write=False)
                    variables[what].load()
                elif event == "write":
                    clocks.access(what, write=True)
                    variables[what].store(1)
                elif event == "rendezvous":
                    if who != what:
                        args = (parties[who], parties[what], meeting)
                        clocks.rendezvous(*args)
                        detector.rendezvous(*args)
                else:
                    for judge in (clocks, detector):
                        getattr(judge, event)(parties[who], addresses[what])
    found = {int(raced.variable.split("'")[1]) for raced in detector.races}
    assert found == set(clocks.races())
