"""Vector clocks, and the slots in them that are used again."""

from __future__ import annotations

import weakref

import pytest

from gochan.race import _clock
from gochan.race._clock import Clock, Slots, merged


def test_slots_are_used_again() -> None:
    slots = Slots()
    one = Clock(slots, "one")
    assert (one.slot, one.time) == (0, 1)
    one.time = 7
    del one
    two = Clock(slots, "two")
    assert (two.slot, two.time) == (0, 8)
    three = Clock(slots, "three")
    assert three.slot == 1


def test_a_slot_of_one_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many parties, the next one takes over the slot that ended first."""
    monkeypatch.setattr(_clock, "SLOTS", 2)
    slots = Slots()
    one, two = Clock(slots, "one"), Clock(slots, "two")
    two.time = 5
    two.absorb((*one.snapshot()[:2], 1))
    slots.ended.append(weakref.ref(two))
    three = Clock(slots, "three")
    assert (three.slot, three.time) == (1, 6)
    # as if two's end came before it
    assert three.knows(two, 5)
    assert three.knows(one, 1)
    assert two.slots is None
    # nothing has ended any more: one more slot
    assert Clock(slots, "four").slot == 2
    # and the slot that was taken over is not given back twice
    del two
    assert list(slots.free) == [(2, 1)]


def test_an_ended_party_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_clock, "SLOTS", 1)
    slots = Slots()
    one = Clock(slots, "one")
    slots.ended.append(weakref.ref(one))
    keep = slots.free
    del one
    keep.clear()
    assert Clock(slots, "two").slot == 1


def test_absorbing_and_merging() -> None:
    slots = Slots()
    a, b, c = (Clock(slots, name) for name in "abc")
    first = c.snapshot()
    c.time += 1
    a.absorb(first)
    assert a.knows(c, 1)
    assert not a.knows(c, 2)
    # known already; its own; and what somebody else merged
    known = a.known
    a.absorb(first)
    a.absorb(a.snapshot())
    assert a.known is known
    both = merged(merged(None, b.snapshot()), c.snapshot())
    d = Clock(slots, "d")
    d.absorb(both)
    assert d.knows(b, 1)
    assert d.knows(c, 2)
    known = d.known
    d.absorb((known, None, 0))
    assert d.known is known
    assert not d.knows(a, 1)
    assert merged(both, a.snapshot())[0][a.slot] == 1


@pytest.mark.parametrize("more", [0, 3])
def test_meeting(more: int) -> None:
    slots = Slots()
    others = [Clock(slots, "other") for _ in range(more)]
    a, b = Clock(slots, "a"), Clock(slots, "b")
    for other in others:
        a.absorb(other.snapshot())
    for _ in range(2):
        times = a.time, b.time
        _clock.meet(a, b)
        assert a.knows(b, times[1])
        assert b.knows(a, times[0])
        assert not a.knows(b, b.time)
        assert not b.knows(a, a.time)
    assert all(b.knows(other, other.time) for other in others)


def test_pending_is_passed_on() -> None:
    slots = Slots()
    for meets in (False, True):
        a, b, c = (Clock(slots, name) for name in "abc")
        b.pending = a.snapshot()
        if meets:
            _clock.meet(c, b)
            a.time += 1
            b.pending = a.snapshot()
            _clock.meet(b, c)
        else:
            c.absorb(b.snapshot())
        assert c.knows(a, a.time)
