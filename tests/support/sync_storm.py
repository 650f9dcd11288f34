"""Random operations on one primitive, which somebody disturbs.

As ``support.storm`` does for channels: workers operate on the same primitive while a
driver cancels some of them, does operations of its own, or lets time pass. What must
hold is checked at every point where it can be seen: who may be inside together, that
nobody is forgotten, and that nothing is left behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import anyio.lowlevel

from gochan import semaphore, singleflight, sync, yield_

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ("STORMS", "Storm")


class Storm(ABC):
    """One primitive, and what its users do.

    Attributes:
        operations: how many operations have been completed.
        disturbed: how many were cancelled.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.operations = 0
        self.disturbed = 0

    async def operate(self) -> None:
        """One random operation. Counts itself as disturbed if it is cancelled."""
        try:
            await self._operate()
        except Exception:
            raise
        except BaseException:
            self.disturbed += 1
            raise
        self.operations += 1

    async def pause(self) -> None:
        """Be inside for a while."""
        for _ in range(self.rng.randrange(3)):
            if self.rng.random() < 0.5:
                await anyio.lowlevel.checkpoint()
            else:
                await yield_()

    def drive(self, disturb: Callable[[], object]) -> None:
        """What happens in one tick: a few things, in any order."""
        for _ in range(self.rng.randint(0, 4)):
            if self.rng.random() < 0.4:
                disturb()
            else:
                self.act()

    @abstractmethod
    async def _operate(self) -> None: ...

    @abstractmethod
    def act(self) -> None:
        """An operation of the driver's own, which never waits."""

    @abstractmethod
    def quiet(self) -> None:
        """Everybody waits: nobody may do so who could go on."""

    @abstractmethod
    def check(self) -> None:
        """Everybody has gone: nothing is left behind."""


def rest(mutex: sync.Mutex) -> None:
    """It is as new."""
    assert not mutex._gate.locked()
    assert not mutex._waiters
    assert not mutex._waking


class MutexStorm(Storm):
    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.mutex = sync.Mutex()
        self.inside = 0

    async def _operate(self) -> None:
        if self.rng.random() < 0.5:
            await self.mutex.lock()
            self.enter()
            try:
                await self.pause()
            finally:
                self.inside -= 1
                self.mutex.unlock()
            return
        async with self.mutex:
            self.enter()
            try:
                await self.pause()
            finally:
                self.inside -= 1

    def enter(self) -> None:
        assert self.inside == 0
        self.inside += 1

    def act(self) -> None:
        if self.mutex.try_lock():
            assert self.inside == 0
            self.mutex.unlock()

    def quiet(self) -> None:
        assert not self.mutex._waiters or self.inside

    def check(self) -> None:
        rest(self.mutex)


class RWMutexStorm(Storm):
    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.rw = sync.RWMutex()
        self.readers = 0
        self.writers = 0

    async def _operate(self) -> None:
        if self.rng.random() < 0.4:
            async with self.rw:
                assert (self.readers, self.writers) == (0, 0)
                self.writers += 1
                try:
                    await self.pause()
                finally:
                    self.writers -= 1
            return
        async with self.rw.rlocker():
            assert self.writers == 0
            self.readers += 1
            try:
                await self.pause()
            finally:
                self.readers -= 1

    def act(self) -> None:
        if self.rng.random() < 0.5:
            if self.rw.try_lock():
                assert (self.readers, self.writers) == (0, 0)
                self.rw.unlock()
        elif self.rw.try_rlock():
            assert self.writers == 0
            self.rw.runlock()

    def quiet(self) -> None:
        self.rw._check()

    def check(self) -> None:
        self.rw._check()
        assert not self.rw._writing
        assert not self.rw._readers


class CondStorm(Storm):
    """Things are made and used up; each that is made is announced once."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.locker = rng.choice((sync.Mutex, sync.RWMutex))()
        self.cond = sync.Cond(self.locker)
        self.things = 0
        self.inside = 0

    async def _operate(self) -> None:
        async with self.cond:
            self.enter()
            try:
                if self.rng.random() < 0.5:
                    await self.pause()
                    self.things += 1
                    self.cond.signal()
                else:
                    while not self.things:
                        self.inside -= 1
                        try:
                            await self.cond.wait()
                        finally:
                            # also when it is cancelled
                            self.enter()
                    self.things -= 1
                    await self.pause()
            finally:
                self.inside -= 1

    def enter(self) -> None:
        assert self.inside == 0
        self.inside += 1

    def act(self) -> None:
        if self.locker.try_lock():
            assert self.inside == 0
            if self.rng.random() < 0.5:
                self.things += 1
                self.cond.signal()
            elif self.things:
                self.things -= 1
            self.locker.unlock()
        elif self.rng.random() < 0.1:
            self.cond.broadcast()

    def quiet(self) -> None:
        # no signal was lost
        assert self.inside or not self.things or not self.cond._waiters

    def check(self) -> None:
        assert not self.cond._waiters
        if isinstance(self.locker, sync.Mutex):
            rest(self.locker)
        else:
            assert self.locker.try_lock()


class WaitGroupStorm(Storm):
    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.wg = sync.WaitGroup()
        self.count = 0

    async def _operate(self) -> None:
        if self.rng.random() < 0.7:
            try:
                await self.wg.wait()
            except sync.WaitGroupReused:
                pass
            else:
                assert self.count == 0
            if self.rng.random() < 0.5:
                await anyio.lowlevel.checkpoint()
            return
        self.add(1)
        try:
            await self.pause()
        finally:
            self.add(-1)

    def add(self, delta: int) -> None:
        self.count += delta
        self.wg.add(delta)

    def act(self) -> None:
        self.add(1)
        self.add(-1)

    def quiet(self) -> None:
        assert self.count or not self.wg._waiters

    def check(self) -> None:
        assert not self.wg._count
        assert not self.wg._waiters


class WeightedStorm(Storm):
    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.weighted = semaphore.Weighted(3)
        self.held = 0

    async def _operate(self) -> None:
        # four is more than there is
        n = self.rng.choice((1, 1, 1, 2, 2, 3, 4))
        async with self.weighted.hold(n):
            self.held += n
            assert self.held <= 3
            try:
                await self.pause()
            finally:
                self.held -= n

    def act(self) -> None:
        n = self.rng.randint(1, 3)
        if self.weighted.try_acquire(n):
            assert self.held + n <= 3
            self.weighted.release(n)

    def quiet(self) -> None:
        self.weighted._check()

    def check(self) -> None:
        self.weighted._check()
        assert not self.weighted._held
        assert not self.weighted._hopeless


class OnceStorm(Storm):
    """One Once after the other."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.begin()

    def begin(self) -> None:
        self.once = sync.Once()
        self.runs = [0, 0]

    async def _operate(self) -> None:
        once, runs = self.once, self.runs

        async def fn() -> None:
            running, _ = runs
            assert running == 0
            runs[0] += 1
            try:
                await self.pause()
            finally:
                runs[0] -= 1
            runs[1] += 1

        await once.do(fn)
        assert runs == [0, 1]
        if self.rng.random() < 0.3:
            await anyio.lowlevel.checkpoint()

    def act(self) -> None:
        if self.runs[1]:
            self.begin()

    def quiet(self) -> None:
        call = self.once._call
        assert not call._waiters or self.runs[0]

    def check(self) -> None:
        call = self.once._call
        assert not call._waiters
        assert not call._running


class GroupStorm(Storm):
    """A singleflight group. A call is about what was current when it began."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.group = singleflight.Group()
        self.running = dict.fromkeys("ab", 0)

    async def _operate(self) -> None:
        key = self.rng.choice("ab")

        async def fn() -> str:
            assert self.running[key] == 0
            self.running[key] += 1
            try:
                await self.pause()
            finally:
                self.running[key] -= 1
            return key

        value, _ = await self.group.do(key, fn)
        assert value == key
        if self.rng.random() < 0.3:
            await anyio.lowlevel.checkpoint()

    def act(self) -> None:
        pass

    def quiet(self) -> None:
        for flight in self.group._flights.values():
            assert not flight._waiters or self.running[str(flight.key)]

    def check(self) -> None:
        assert not self.group._flights
        assert not any(self.running.values())


STORMS: dict[str, type[Storm]] = {
    "Mutex": MutexStorm,
    "RWMutex": RWMutexStorm,
    "Cond": CondStorm,
    "WaitGroup": WaitGroupStorm,
    "Weighted": WeightedStorm,
    "Once": OnceStorm,
    "Group": GroupStorm,
}
