"""Go's src/sync/pool_test.go: TestPool and TestPoolNew.

The rest is about Go's queues and its collector. What is unused is dropped by the
second full collection here, too: tests/test_sync_map.py.
"""

from __future__ import annotations

from gochan.sync import Pool


def test_pool() -> None:
    # TestPool
    p = Pool[str | None](lambda: None)
    assert p.get() is None
    p.put("a")
    p.put("b")
    assert {p.get(), p.get()} == {"a", "b"}
    assert p.get() is None
    for _ in range(100):
        p.put("c")
    assert [p.get() for _ in range(101)] == ["c"] * 100 + [None]


def test_pool_new() -> None:
    # TestPoolNew
    i = 0

    def new() -> int:
        nonlocal i
        i += 1
        return i

    p = Pool(new)
    assert p.get() == 1
    assert p.get() == 2
    p.put(42)
    assert p.get() == 42
    assert p.get() == 3
