"""Litmus tests of sync and atomic: rules D and E."""

from __future__ import annotations

from typing import Any

from gochan import Chan, atomic, go, nil, select, sync
from support.litmus import OK, RACE, World, litmus

# where wg.go() starts its goroutines
LOOPS = ("asyncio", "trio")

# D1: Mutex


@litmus("D1", OK)
async def unlock_then_lock(w: World) -> None:
    m = sync.Mutex()
    await w(m.lock)

    async def other() -> None:
        w.x.write()
        m.unlock()

    w.go(other)
    await w(m.lock)
    w.x.write()


@litmus("D1", OK)
async def guarded_by_a_mutex(w: World) -> None:
    m = sync.Mutex()

    async def other() -> None:
        await w(m.lock)
        w.x.write(w.x.read() + 1)
        m.unlock()

    for _ in range(3):
        w.go(other)
    await w.settle()
    await w(m.lock)
    w.x.read()


@litmus("D1", RACE)
async def outside_of_the_lock(w: World) -> None:
    m = sync.Mutex()

    async def other() -> None:
        await w(m.lock)
        m.unlock()
        w.x.write()

    w.go(other)
    await w.settle()
    await w(m.lock)
    w.x.write()


@litmus("D1", RACE)
async def two_mutexes(w: World) -> None:
    async def other() -> None:
        m = sync.Mutex()
        await w(m.lock)
        w.x.write()
        m.unlock()

    w.go(other)
    w.go(other)


# D2, D3: RWMutex


@litmus("D2", OK)
async def unlock_then_rlock(w: World) -> None:
    rw = sync.RWMutex()
    await w(rw.lock)

    async def other() -> None:
        w.x.write()
        rw.unlock()

    w.go(other)
    await w(rw.rlock)
    w.x.read()


@litmus("D2", OK)
async def runlock_then_lock(w: World) -> None:
    rw = sync.RWMutex()
    await w(rw.rlock)
    await w(rw.rlock)

    async def other(x: Any) -> None:
        x.write()
        rw.runlock()

    w.go(other, w.x)
    w.go(other, w.y)
    await w(rw.lock)
    # both of them
    w.x.write()
    w.y.write()


@litmus("D2", OK)
async def unlock_then_lock_of_an_rwmutex(w: World) -> None:
    rw = sync.RWMutex()
    await w(rw.lock)

    async def other() -> None:
        w.x.write()
        rw.unlock()

    w.go(other)
    await w(rw.lock)
    w.x.write()


@litmus("D3", RACE)
async def writing_under_read_locks(w: World) -> None:
    rw = sync.RWMutex()

    async def other() -> None:
        await w(rw.rlock)
        w.x.write()
        rw.runlock()

    w.go(other)
    await w.settle()
    w.go(other)


# D4: trying


@litmus("D4", OK)
async def unlock_then_try_lock(w: World) -> None:
    m = sync.Mutex()
    await w(m.lock)

    async def other() -> None:
        w.x.write()
        m.unlock()

    w.go(other)
    while not m.try_lock():
        await w.gosched()
    w.x.write()


@litmus("D4", OK)
async def unlock_then_try_rlock(w: World) -> None:
    rw = sync.RWMutex()
    await w(rw.lock)

    async def other() -> None:
        w.x.write()
        rw.unlock()

    w.go(other)
    while not rw.try_rlock():
        await w.gosched()
    w.x.read()


@litmus("D4", RACE)
async def try_lock_that_fails(w: World) -> None:
    m = sync.Mutex()

    async def other() -> None:
        w.x.write()
        await w(m.lock)

    w.go(other)
    await w.settle()
    assert not m.try_lock()
    w.x.write()


# D5: Once


@litmus("D5", OK)
async def once_then_do_returns(w: World) -> None:
    once = sync.Once()

    async def other() -> None:
        await w(once.do, w.x.write)

    w.go(other)
    await w.settle()
    await w(once.do, w.x.write)
    w.x.write()


@litmus("D5", OK)
async def once_that_others_wait_for(w: World) -> None:
    once, go_on = sync.Once(), Chan[None]()

    def slow() -> None:
        w.x.write()

    async def slow_on_a_loop() -> None:
        w.x.write()
        await go_on.recv()

    async def waits() -> None:
        await w(once.do, slow)
        w.x.read()

    if w.place in LOOPS:
        go(once.do, slow_on_a_loop)
        await w.settle()
        w.go(waits)
        await w.settle()
        await go_on.send(None)
    else:
        w.go(waits)
        w.go(waits)


@litmus("D5", OK)
async def once_that_raises(w: World) -> None:
    once = sync.Once()

    def fails() -> None:
        w.x.write()
        raise ValueError

    async def other() -> None:
        try:
            await w(once.do, fails)
        except ValueError:
            return

    w.go(other)
    await w.settle()
    await other()
    w.x.write()


async def _interrupted(w: World, *, waiting: bool) -> None:
    """What was left half done comes before the next attempt."""
    once = sync.Once()

    async def never_ends() -> None:
        w.x.write()
        await nil.recv()

    async def second() -> None:
        await once.do(w.x.write)

    first = go(once.do, never_ends)
    await w.settle()
    if waiting:
        w.go(second)
        await w.settle()
    first.cancel()
    await w.settle()
    if not waiting:
        w.go(second)
        await w.settle()


@litmus("D5", OK, only=LOOPS)
async def once_that_is_cancelled_then_the_next(w: World) -> None:
    await _interrupted(w, waiting=False)


@litmus("D5", OK, only=LOOPS)
async def once_that_is_cancelled_with_one_waiting(w: World) -> None:
    await _interrupted(w, waiting=True)


@litmus("D5", OK, only=LOOPS)
async def once_value(w: World) -> None:
    def compute() -> int:
        w.x.write()
        return 1

    value = sync.once_value(compute)

    async def other() -> None:
        await value()

    w.go(other)
    await w.settle()
    assert await value() == 1
    w.x.write()


# D6, D7, D8: WaitGroup


@litmus("D6", OK)
async def done_then_wait(w: World) -> None:
    wg = sync.WaitGroup()
    wg.add(2)

    async def other(x: Any) -> None:
        x.write()
        wg.done()

    w.go(other, w.x)
    w.go(other, w.y)
    await w(wg.wait)
    w.x.write()
    w.y.write()


@litmus("D6", OK)
async def done_then_several_waits(w: World) -> None:
    wg = sync.WaitGroup()
    wg.add(1)

    async def waits() -> None:
        await w(wg.wait)
        w.x.read()

    async def works() -> None:
        w.x.write()
        wg.done()

    w.go(waits)
    await w.settle()
    w.go(works)
    await w(wg.wait)
    w.x.read()


@litmus("D6", OK, only=LOOPS)
async def wait_group_go(w: World) -> None:
    wg = sync.WaitGroup()

    async def works() -> None:
        w.x.write()

    wg.go(works)
    await wg.wait()
    w.x.write()


@litmus("D6", OK, only=LOOPS)
async def selecting_on_a_wait_group(w: World) -> None:
    wg = sync.WaitGroup()
    wg.add(1)

    async def works() -> None:
        w.x.write()
        wg.done()

    w.go(works)
    await select(wg)
    w.x.write()


@litmus("D7", RACE)
async def add_that_is_not_before_wait(w: World) -> None:
    wg, over = sync.WaitGroup(), Chan[None]()

    async def works() -> None:
        wg.add(1)
        await w(over.recv)
        wg.done()

    async def waits() -> None:
        await w(wg.wait)

    w.go(works)
    await w.settle()
    w.go(waits)
    await w.settle()
    await w(over.send, None)


@litmus("D8", RACE)
async def done_and_done(w: World) -> None:
    wg = sync.WaitGroup()
    wg.add(2)

    async def works() -> None:
        w.x.write()
        wg.done()

    w.go(works)
    await w.settle()
    w.go(works)
    await w(wg.wait)


@litmus("D8", RACE)
async def done_then_done(w: World) -> None:
    wg = sync.WaitGroup()
    wg.add(2)

    async def first() -> None:
        w.x.write()
        wg.done()

    async def second() -> None:
        wg.done()
        w.x.write()

    for one in (first, second):
        w.go(one)
        await w.settle()


@litmus("D8", RACE)
async def wait_and_wait(w: World) -> None:
    wg = sync.WaitGroup()

    async def waits() -> None:
        await w(wg.wait)
        w.x.write()

    w.go(waits)
    await w.settle()
    await w(wg.wait)
    w.x.write()


# D9: Cond


@litmus("D9", OK)
async def signal_then_wait(w: World) -> None:
    m = sync.Mutex()
    cond = sync.Cond(m)

    async def other() -> None:
        await w(m.lock)
        w.x.write()
        cond.signal()
        m.unlock()

    await w(m.lock)
    w.go(other)
    await w(cond.wait)
    w.x.write()


@litmus("D9", OK)
async def signal_without_the_lock_then_wait(w: World) -> None:
    m = sync.Mutex()
    cond = sync.Cond(m)

    async def other() -> None:
        await w(m.lock)
        m.unlock()
        w.x.write()
        cond.signal()

    await w(m.lock)
    w.go(other)
    await w(cond.wait)
    w.x.write()


@litmus("D9", RACE)
async def a_signal_that_wakes_another(w: World) -> None:
    # with read locks, since those who have one are not ordered with each other
    lock = sync.RWMutex().rlocker()
    cond = sync.Cond(lock)

    async def waits(read: bool) -> None:
        await w(lock.lock)
        await w(cond.wait)
        if read:
            w.x.read()
        lock.unlock()

    async def signals(write: bool) -> None:
        if write:
            w.x.write()
        cond.signal()

    for role, what in (
        (waits, False),
        (waits, True),
        (signals, True),
        (signals, False),
    ):
        w.go(role, what)
        await w.settle()


@litmus("D9", OK)
async def broadcast_without_the_lock_then_waits(w: World) -> None:
    m = sync.Mutex()
    cond = sync.Cond(m)

    async def waits() -> None:
        await w(m.lock)
        await w(cond.wait)
        w.x.read()
        m.unlock()

    w.go(waits)
    w.go(waits)
    await w.settle()
    w.x.write()
    cond.broadcast()


# D10: Pool


@litmus("D10", OK)
async def put_then_get(w: World) -> None:
    pool = sync.Pool(lambda: w.y)

    async def other() -> None:
        w.x.write()
        pool.put(w.x)

    w.go(other)
    while (x := pool.get()) is w.y:
        await w.gosched()
    assert x is w.x
    x.write()


@litmus("D10", RACE)
async def using_what_was_put(w: World) -> None:
    pool = sync.Pool(lambda: w.y)

    async def other() -> None:
        x = pool.get()
        assert x is w.x
        x.write()

    pool.put(w.x)
    w.go(other)
    w.x.write()


# D11: Map


@litmus("D11", OK)
async def store_then_load(w: World) -> None:
    m = sync.Map[int, int]()

    async def other() -> None:
        w.x.write()
        m.store(1, 1)

    w.go(other)
    while not m.load(1)[1]:
        await w.gosched()
    w.x.write()


@litmus("D11", OK)
async def delete_then_load(w: World) -> None:
    m = sync.Map[int, int]()
    m.store(1, 1)

    async def other() -> None:
        w.x.write()
        m.delete(1)

    w.go(other)
    while m.load(1)[1]:
        await w.gosched()
    w.x.write()


@litmus("D11", OK)
async def load_or_store_then_compare_and_swap(w: World) -> None:
    m = sync.Map[int, int]()

    async def other() -> None:
        w.x.write()
        m.load_or_store(1, 1)

    w.go(other)
    while not m.compare_and_swap(1, 1, 2):
        await w.gosched()
    w.x.write()


@litmus("D11", RACE)
async def a_store_that_was_overwritten(w: World) -> None:
    m = sync.Map[int, int]()

    async def first() -> None:
        w.x.write()
        m.store(1, 1)

    async def second() -> None:
        m.store(1, 2)

    for one in (first, second):
        w.go(one)
        await w.settle()
    assert m.load(1) == (2, True)
    w.x.write()


@litmus("D11", RACE)
async def another_key(w: World) -> None:
    m = sync.Map[int, int]()

    async def other() -> None:
        w.x.write()
        m.store(1, 1)

    w.go(other)
    await w.settle()
    m.load(2)
    w.x.write()


# E: atomic


@litmus("E1", OK)
async def atomic_store_then_load(w: World) -> None:
    flag = atomic.Int()

    async def other() -> None:
        w.x.write()
        flag.store(1)

    w.go(other)
    while not flag.load():
        await w.gosched()
    w.x.write()


@litmus("E1", OK)
async def atomic_add_then_compare_and_swap(w: World) -> None:
    flag = atomic.Int()

    async def other() -> None:
        w.x.write()
        flag.add(1)

    w.go(other)
    while not flag.compare_and_swap(1, 2):
        await w.gosched()
    w.x.write()


@litmus("E1", OK)
async def atomic_add_then_add(w: World) -> None:
    """An addition sees what it adds to."""
    total = atomic.Int()

    async def other(x: Any, later: Any) -> None:
        x.write()
        if total.add(1) == 2:
            later.write()

    w.go(other, w.x, w.y)
    w.go(other, w.y, w.x)


@litmus("E1", OK)
async def publishing_through_a_pointer(w: World) -> None:
    p = atomic.Pointer[Any]()

    async def other() -> None:
        w.x.write()
        p.store(w.x)

    w.go(other)
    while (x := p.load()) is None:
        await w.gosched()
    x.write()


@litmus("E2", OK)
async def dekker(w: World) -> None:
    """Of two that each set a flag and then look at the other's, one sees it."""
    for _ in range(20):
        a, b, seen = atomic.Int(), atomic.Int(), atomic.Int()

        async def party(mine: atomic.Int, other: atomic.Int, seen: atomic.Int) -> None:
            mine.store(1)
            seen.add(other.load())

        one = w.go(party, a, b, seen)
        two = w.go(party, b, a, seen)
        await w.join(one)
        await w.join(two)
        assert seen.load() >= 1


@litmus("E3", RACE)
async def atomic_store_and_store(w: World) -> None:
    flag = atomic.Int()

    async def other() -> None:
        w.x.write()
        flag.store(1)

    w.go(other)
    await w.settle()
    flag.store(2)
    w.x.write()


async def _overwritten(w: World, store: Any, load: Any) -> None:
    async def first() -> None:
        w.x.write()
        store(1)

    async def second() -> None:
        store(2)

    for one in (first, second):
        w.go(one)
        await w.settle()
    assert load() == 2
    w.x.write()


@litmus("E3", RACE)
async def an_atomic_store_that_was_overwritten(w: World) -> None:
    a = atomic.Int()
    await _overwritten(w, a.store, a.load)


@litmus("E3", RACE)
async def an_atomic_value_that_was_overwritten(w: World) -> None:
    a = atomic.Value()
    await _overwritten(w, a.store, a.load)


@litmus("E3", RACE)
async def another_atomic(w: World) -> None:
    flag, other_flag = atomic.Int(), atomic.Int()

    async def other() -> None:
        w.x.write()
        flag.store(1)

    w.go(other)
    await w.settle()
    other_flag.load()
    w.x.write()


@litmus("E4", RACE)
async def seeing_the_wrong_value(w: World) -> None:
    total = atomic.Int()

    async def other(x: Any, later: Any) -> None:
        x.write()
        if total.add(1) == 1:
            later.write()

    w.go(other, w.x, w.y)
    w.go(other, w.y, w.x)


# K: what looks like synchronisation and is none


@litmus("K2", RACE)
async def a_flag_beside_a_once(w: World) -> None:
    once = sync.Once()

    def setup() -> None:
        w.x.write()
        w.y.write(1)

    async def other() -> None:
        await w(once.do, setup)

    w.go(other)
    await w.settle()
    if not w.y.read():
        await w(once.do, setup)
    w.x.read()


@litmus("K7", RACE)
async def a_total_counted_with_a_wait_group(w: World) -> None:
    wg = sync.WaitGroup()
    wg.add(3)

    async def works() -> None:
        w.x.write(w.x.read() + 1)
        wg.done()

    for _ in range(3):
        w.go(works)
    await w(wg.wait)
