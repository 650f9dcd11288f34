"""The primitives of ``gochan.sync`` beside sequential models, step by step.

A :class:`Subject` is one real primitive and its model, and knows what parties can do
with it. A :class:`Play` runs parties on the steppable runtime: every start, every
wake-up and both halves of a cancellation are steps of their own, and after each step
the real thing is compared with the model.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import gochan
from gochan import semaphore, singleflight, sync
from gochan.sync import _mutex

from .fake import Cancelled, FakeBackend, Party

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from gochan._waiter import WaitQueue

__all__ = ("SUBJECTS", "Name", "Play", "Subject", "playing")

# what a party is at after a step: parked; inside a function of its own, from which
# it can be cancelled; or done
PARKED = "parked"
INSIDE = "inside"
Outcome: TypeAlias = Any
Number: TypeAlias = int
Action: TypeAlias = tuple[str, Any]


class Failed(Exception):
    """What a function raises that a party brings."""


class Subject(ABC):
    """One primitive and its model. Parties are numbers."""

    # what a party can do; twice what a random test should do more often
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, runtime: FakeBackend) -> None:
        self.runtime = runtime
        # models of waiters: what each has been given
        self.given: dict[Number, str] = {}

    def allowed(self, kind: str) -> bool:
        """Whether a party may begin it now: misuse is tested elsewhere."""
        return True

    @abstractmethod
    def coroutine(self, kind: str, party: Number) -> Coroutine[Any, Any, Outcome]:
        """Do it for real."""

    @abstractmethod
    def begin(self, kind: str, party: Number) -> Outcome:
        """In the model: what it is at when it has begun, or what it returned."""

    def go_on(self, party: Number) -> Outcome:
        """In the model: what it is at when it has gone on."""
        return self.given.pop(party)

    @abstractmethod
    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        """Each queue of the model beside the real one."""

    @abstractmethod
    def states(self) -> tuple[Any, Any]:
        """The rest of the state of the model, and of the real thing."""

    def withdraw(self, party: Number) -> bool:
        """In the model: leave the queue. False if it has been given something."""
        for queue, _ in self.queues().values():
            if party in queue:
                queue.remove(party)
                return True
        return False

    def raised(self, party: Number) -> Outcome:
        """In the model: what it is at when a cancellation was raised in it."""
        return Cancelled

    def check(self) -> None:  # noqa: B027  # not all have something to say
        """Invariants of the real thing."""


class Play:
    """Parties that use one subject."""

    def __init__(self, runtime: FakeBackend, subject: Subject) -> None:
        self.runtime = runtime
        self.subject = subject
        self.parties: list[Party[Outcome]] = []
        self.kinds: list[str] = []
        # the last that the model has said of each
        self.at: list[Outcome] = []
        self.withdrawn: set[Number] = set()
        self.log: list[Action] = []

    def actions(self) -> list[Action]:
        """What may happen next, apart from new parties."""
        found: list[Action] = []
        for number, party in enumerate(self.parties):
            if number in self.withdrawn:
                found.append(("interrupt", number))
            elif party.state == "ready":
                found.append(("run", number))
                if self.at[number] is INSIDE:
                    found.append(("cancel inside", number))
            elif party.state == "parked" and self.firm(number) is False:
                found.append(("withdraw", number))
        return found

    def firm(self, number: Number) -> bool:
        """Whether it waits for something that no cancellation may end."""
        return number in getattr(self.subject, "firm", ())

    def do(self, action: Action) -> None:
        self.log.append(action)
        what, number = action
        if what == "begin":
            self.begin(number)
        else:
            getattr(self, what.replace(" ", "_"))(number)
        self.compare()

    def begin(self, kind: str) -> None:
        number = len(self.parties)
        party = Party(self.runtime, self.subject.coroutine(kind, number))
        self.parties.append(party)
        self.kinds.append(kind)
        self.at.append(None)
        party.run()
        self.arrived(number, self.subject.begin(kind, number))

    def run(self, number: Number) -> None:
        self.parties[number].run()
        self.arrived(number, self.subject.go_on(number))

    def withdraw(self, number: Number) -> None:
        assert self.parties[number].withdraw()
        assert self.subject.withdraw(number)
        self.withdrawn.add(number)

    def interrupt(self, number: Number) -> None:
        self.withdrawn.discard(number)
        self.parties[number].interrupt()
        self.arrived(number, self.subject.raised(number))

    def cancel_inside(self, number: Number) -> None:
        self.parties[number].interrupt()
        self.arrived(number, self.subject.raised(number))

    def arrived(self, number: Number, outcome: Outcome) -> None:
        """The party is where the model says."""
        self.at[number] = outcome
        party = self.parties[number]
        if outcome is PARKED:
            # it may have been woken since: compare() will see
            assert party.state in ("parked", "ready"), (party.state, party.result)
        elif outcome is INSIDE:
            assert party.state == "ready"
        elif outcome is Cancelled:
            assert party.state == "cancelled", (party.state, party.result)
        else:
            assert party.state == "done", (party.state, outcome)
            assert party.result == outcome, (party.result, outcome)

    def compare(self) -> None:
        self.subject.check()
        waiters = {
            id(party._waits): number for number, party in enumerate(self.parties)
        }
        for name, (model, real) in self.subject.queues().items():
            with real.lock:
                queued = [waiters[id(node)] for node in real]
            assert queued == model, (name, queued, model)
        model, real = self.subject.states()
        assert real == model
        given = self.subject.given
        for number, party in enumerate(self.parties):
            if self.at[number] is PARKED and number not in self.withdrawn:
                assert (party.state == "ready") is (number in given), number
                if party.state == "ready" or self.firm(number):
                    # too late: this one has happened
                    assert not party.withdraw()

    def finish(self) -> None:
        """Let all go on as far as they can, then take away those who wait."""
        while actions := self.actions():
            self.do(actions[0])
        for party in self.parties:
            party.close()


# Mutex


class MutexModel:
    """What a Mutex does: also of the one under a Cond."""

    def __init__(self) -> None:
        self.locked = False
        self.queue: list[Number] = []
        self.since: dict[Number, float] = {}
        self.waking: Number | None = None
        self.now = 0.0

    def lock(self, party: Number) -> bool:
        if not self.locked:
            self.locked = True
            return True
        self.since[party] = self.now
        self.queue.append(party)
        return False

    def again(self, party: Number, given: str) -> bool:
        """It was woken, and tries again."""
        if given == "handed":
            del self.since[party]
            return True
        assert self.waking == party
        self.waking = None
        if not self.locked:
            self.locked = True
            del self.since[party]
            return True
        self.queue.insert(0, party)
        return False

    def unlock(self) -> dict[Number, str]:
        """Who gets what for it."""
        assert self.locked
        if not self.queue or self.waking is not None:
            self.locked = False
            return {}
        head = self.queue.pop(0)
        if self.now - self.since[head] > _mutex.STARVING:
            return {head: "handed"}
        self.locked = False
        self.waking = head
        return {head: "woken"}


class _WithMutex(Subject):
    """Something with a Mutex in it, and a clock for that."""

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.mutex = sync.Mutex()
        self.model = MutexModel()

    @contextlib.contextmanager
    def clock(self) -> Generator[None]:
        before = _mutex.clock
        _mutex.clock = lambda: self.model.now
        try:
            yield
        finally:
            _mutex.clock = before

    def states(self) -> tuple[Any, Any]:
        return (
            (self.model.locked, self.model.waking is not None),
            (self.mutex._gate.locked(), self.mutex._waking),
        )

    def check(self) -> None:
        # nobody is forgotten
        if self.mutex._waiters:
            assert self.mutex._gate.locked() or self.mutex._waking

    async def tick(self) -> None:
        pass


class MutexSubject(_WithMutex):
    kinds: ClassVar[tuple[str, ...]] = (
        "lock",
        "lock",
        "try_lock",
        "unlock",
        "unlock",
        "tick",
    )

    def allowed(self, kind: str) -> bool:
        return kind != "unlock" or self.model.locked

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "lock":
                await self.mutex.lock()
            case "try_lock":
                return self.mutex.try_lock()
            case "unlock":
                self.mutex.unlock()
            case _:
                pass
        return None

    def begin(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "lock":
                return None if self.model.lock(party) else PARKED
            case "try_lock":
                return not self.model.locked and self.model.lock(party)
            case "unlock":
                self.given |= self.model.unlock()
            case _:
                self.model.now += 2 * _mutex.STARVING
        return None

    def go_on(self, party: Number) -> Outcome:
        return None if self.model.again(party, self.given.pop(party)) else PARKED

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        return {"waiters": (self.model.queue, self.mutex._waiters)}


# Cond


class CondSubject(_WithMutex):
    """A Cond with a Mutex. Whoever waits uses up the lock that somebody holds."""

    kinds: ClassVar[tuple[str, ...]] = (
        "lock",
        "unlock",
        "wait",
        "wait",
        "signal",
        "broadcast",
        "tick",
    )

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.cond = sync.Cond(self.mutex)
        self.waiting: list[Number] = []
        # those whose wait was cancelled
        self.unlocked: set[Number] = set()
        # those that have left the Cond and lock again, with what comes then
        self.firm: dict[Number, Outcome] = {}

    def allowed(self, kind: str) -> bool:
        return kind not in ("unlock", "wait") or self.model.locked

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "lock":
                await self.mutex.lock()
            case "unlock":
                self.mutex.unlock()
            case "wait":
                await self.cond.wait()
            case "signal":
                self.cond.signal()
            case "broadcast":
                self.cond.broadcast()
            case _:
                pass
        return None

    def begin(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "lock":
                return None if self.model.lock(party) else PARKED
            case "unlock":
                self.given |= self.model.unlock()
            case "wait":
                self.waiting.append(party)
                self.given |= self.model.unlock()
                return PARKED
            case "signal":
                if self.waiting:
                    self.given[self.waiting.pop(0)] = "signal"
            case "broadcast":
                self.given |= dict.fromkeys(self.waiting, "signal")
                self.waiting.clear()
            case _:
                self.model.now += 2 * _mutex.STARVING
        return None

    def go_on(self, party: Number) -> Outcome:
        given = self.given.pop(party)
        if given == "signal":
            return self.lock_again(party, None)
        if not self.model.again(party, given):
            return PARKED
        return self.firm.pop(party, None)

    def lock_again(self, party: Number, then: Outcome) -> Outcome:
        if self.model.lock(party):
            return then
        self.firm[party] = then
        return PARKED

    def withdraw(self, party: Number) -> bool:
        if party in self.waiting:
            self.unlocked.add(party)
        return super().withdraw(party)

    def raised(self, party: Number) -> Outcome:
        # also a wait that was cancelled has the lock before it raises
        if party in self.unlocked:
            return self.lock_again(party, Cancelled)
        return Cancelled

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        return {
            "waiting": (self.waiting, self.cond._waiters),
            "locking": (self.model.queue, self.mutex._waiters),
        }


# RWMutex


class RWMutexSubject(Subject):
    kinds: ClassVar[tuple[str, ...]] = (
        "lock",
        "rlock",
        "rlock",
        "try_lock",
        "try_rlock",
        "unlock",
        "runlock",
        "runlock",
    )

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.rw = sync.RWMutex()
        self.readers = 0
        self.writing = False
        self.waiting_readers: list[Number] = []
        self.waiting_writers: list[Number] = []

    def allowed(self, kind: str) -> bool:
        if kind == "unlock":
            return self.writing
        return kind != "runlock" or self.readers > 0

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "lock":
                await self.rw.lock()
            case "rlock":
                await self.rw.rlock()
            case "try_lock":
                return self.rw.try_lock()
            case "try_rlock":
                return self.rw.try_rlock()
            case "unlock":
                self.rw.unlock()
            case "runlock":
                self.rw.runlock()
            case _:
                pass
        return None

    def begin(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "lock" | "try_lock":
                if not self.writing and not self.readers:
                    self.writing = True
                    return True if kind == "try_lock" else None
                if kind == "try_lock":
                    return False
                self.waiting_writers.append(party)
                return PARKED
            case "rlock" | "try_rlock":
                if not self.writing and not self.waiting_writers:
                    self.readers += 1
                    return True if kind == "try_rlock" else None
                if kind == "try_rlock":
                    return False
                self.waiting_readers.append(party)
                return PARKED
            case "unlock":
                self.writing = False
                self.admit_readers()
                self.admit()
            case "runlock":
                self.readers -= 1
                self.admit()
            case _:
                pass
        return None

    def admit_readers(self) -> None:
        self.readers += len(self.waiting_readers)
        self.given |= dict.fromkeys(self.waiting_readers, "in")
        self.waiting_readers.clear()

    def admit(self) -> None:
        if self.writing:
            return
        if not self.waiting_writers:
            self.admit_readers()
        elif not self.readers:
            self.writing = True
            self.given[self.waiting_writers.pop(0)] = "in"

    def go_on(self, party: Number) -> Outcome:
        del self.given[party]
        return None

    def raised(self, party: Number) -> Outcome:
        # readers that a writer held back go on
        self.admit()
        return Cancelled

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        return {
            "readers": (self.waiting_readers, self.rw._waiting_readers),
            "writers": (self.waiting_writers, self.rw._waiting_writers),
        }

    def states(self) -> tuple[Any, Any]:
        return (self.readers, self.writing), (self.rw._readers, self.rw._writing)


# WaitGroup


class WaitGroupSubject(Subject):
    kinds: ClassVar[tuple[str, ...]] = (
        "add",
        "add",
        "done",
        "done",
        "done",
        "wait",
        "wait",
        "select",
    )

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.wg = sync.WaitGroup()
        self.count = 0
        self.waiting: list[Number] = []

    def allowed(self, kind: str) -> bool:
        return kind != "done" or self.count > 0

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "add":
                self.wg.add(1)
            case "done":
                self.wg.done()
            case "wait":
                try:
                    await self.wg.wait()
                except sync.WaitGroupReused:
                    return "reused"
            case "select":
                return gochan.select_nowait(self.wg) is not None
            case _:
                pass
        return None

    def begin(self, kind: str, party: Number) -> Outcome:
        match kind:
            case "add":
                self.count += 1
            case "done":
                self.count -= 1
                if not self.count:
                    self.given |= dict.fromkeys(self.waiting, "zero")
                    self.waiting.clear()
            case "wait" if self.count:
                self.waiting.append(party)
                return PARKED
            case "select":
                return not self.count
            case _:
                pass
        return None

    def go_on(self, party: Number) -> Outcome:
        del self.given[party]
        return "reused" if self.count else None

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        return {"waiters": (self.waiting, self.wg._waiters)}

    def states(self) -> tuple[Any, Any]:
        return self.count, self.wg._count


# Weighted


class WeightedSubject(Subject):
    """Three units."""

    kinds: ClassVar[tuple[str, ...]] = (
        "acquire 1",
        "acquire 2",
        "acquire 3",
        "acquire 4",
        "try 1",
        "try 2",
        "release 1",
        "release 1",
        "release 2",
    )

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.weighted = semaphore.Weighted(3)
        self.held = 0
        self.waiting: list[Number] = []
        self.hopeless: list[Number] = []
        self.wanted: dict[Number, int] = {}

    def allowed(self, kind: str) -> bool:
        what, n = kind.split()
        return what != "release" or self.held >= int(n)

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        what, n = kind.split()
        match what:
            case "acquire":
                await self.weighted.acquire(int(n))
            case "try":
                return self.weighted.try_acquire(int(n))
            case _:
                self.weighted.release(int(n))
        return None

    def begin(self, kind: str, party: Number) -> Outcome:
        what, number = kind.split()
        n = int(number)
        if what == "release":
            self.held -= n
            self.serve()
            return None
        if n <= 3 - self.held and not self.waiting:
            self.held += n
            return True if what == "try" else None
        if what == "try":
            return False
        self.wanted[party] = n
        (self.waiting if n <= 3 else self.hopeless).append(party)
        return PARKED

    def serve(self) -> None:
        while self.waiting and self.wanted[self.waiting[0]] <= 3 - self.held:
            party = self.waiting.pop(0)
            self.held += self.wanted[party]
            self.given[party] = "units"

    def go_on(self, party: Number) -> Outcome:
        del self.given[party]
        return None

    def raised(self, party: Number) -> Outcome:
        # those that it held up go on
        self.serve()
        return Cancelled

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        return {
            "waiters": (self.waiting, self.weighted._waiters),
            "hopeless": (self.hopeless, self.weighted._hopeless),
        }

    def states(self) -> tuple[Any, Any]:
        return self.held, self.weighted._held


# Once


class OnceSubject(Subject):
    """A Once. The functions give way once, and end well or badly."""

    kinds: ClassVar[tuple[str, ...]] = ("do well", "do well", "do badly", "do plain")

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.once = sync.Once()
        self.over = False
        self.runner: Number | None = None
        self.waiting: list[Number] = []
        self.how: dict[Number, str] = {}
        self.runs = 0

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        fns: dict[str, Any] = {
            "do well": self.well,
            "do badly": self.badly,
            "do plain": self.plain,
        }
        try:
            await self.once.do(fns[kind])
        except Failed:
            return "failed"
        return None

    def plain(self) -> None:
        self.runs += 1

    async def well(self) -> None:
        await self.runtime.yield_now()
        self.runs += 1

    async def badly(self) -> None:
        await self.runtime.yield_now()
        self.runs += 1
        raise Failed

    def begin(self, kind: str, party: Number) -> Outcome:
        self.how[party] = kind
        if self.over:
            return None
        if self.runner is not None:
            self.waiting.append(party)
            return PARKED
        return self.turn(party)

    def turn(self, party: Number) -> Outcome:
        self.runner = party
        return self.end(party) if self.how[party] == "do plain" else INSIDE

    def end(self, party: Number) -> Outcome:
        self.runner = None
        self.over = True
        self.given |= dict.fromkeys(self.waiting, "over")
        self.waiting.clear()
        return "failed" if self.how[party] == "do badly" else None

    def go_on(self, party: Number) -> Outcome:
        match self.given.pop(party, None):
            case None:
                return self.end(party)
            case "over":
                return None
            case _:
                return self.turn(party)

    def raised(self, party: Number) -> Outcome:
        if self.runner == party:
            self.runner = None
            if self.waiting:
                self.runner = self.waiting.pop(0)
                self.given[self.runner] = "turn"
        return Cancelled

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        return {"waiters": (self.waiting, self.once._call._waiters)}

    def states(self) -> tuple[Any, Any]:
        call = self.once._call
        return (
            (self.over, self.runner is not None, int(self.over)),
            (call.over, call._running, self.runs),
        )


# singleflight


class GroupSubject(Subject):
    """A singleflight Group with one key. A call returns who has run its function."""

    kinds: ClassVar[tuple[str, ...]] = ("do", "do", "do", "forget")

    def __init__(self, runtime: FakeBackend) -> None:
        super().__init__(runtime)
        self.group = singleflight.Group()
        self.flights: list[ModelFlight] = []
        # the one for the key
        self.current: ModelFlight | None = None
        self.of: dict[Number, ModelFlight] = {}

    async def coroutine(self, kind: str, party: Number) -> Outcome:
        if kind == "forget":
            self.group.forget("key")
            return None

        async def fn() -> Number:
            await self.runtime.yield_now()
            return party

        return await self.group.do("key", fn)

    def begin(self, kind: str, party: Number) -> Outcome:
        if kind == "forget":
            self.current = None
            return None
        flight = self.current
        if flight is None:
            flight = self.current = ModelFlight()
            self.flights.append(flight)
        self.of[party] = flight
        flight.parties += 1
        if flight.runner is None:
            flight.runner = party
            return INSIDE
        flight.waiting.append(party)
        return PARKED

    def go_on(self, party: Number) -> Outcome:
        flight = self.of[party]
        match self.given.pop(party, None):
            case "over":
                return flight.result
            case "turn":
                return INSIDE
            case _:
                pass
        flight.result = (party, flight.parties > 1)
        flight.runner = None
        self.given |= dict.fromkeys(flight.waiting, "over")
        flight.waiting.clear()
        self.drop(flight)
        return flight.result

    def drop(self, flight: ModelFlight) -> None:
        self.flights.remove(flight)
        if self.current is flight:
            self.current = None

    def raised(self, party: Number) -> Outcome:
        flight = self.of[party]
        flight.parties -= 1
        if flight.runner == party:
            flight.runner = None
            if flight.waiting:
                flight.runner = flight.waiting.pop(0)
                self.given[flight.runner] = "turn"
        if not flight.parties and flight.result is None:
            self.drop(flight)
        return Cancelled

    def queues(self) -> dict[str, tuple[list[Number], WaitQueue]]:
        if self.current is None:
            return {}
        (real,) = self.group._flights.values()
        return {"waiters": (self.current.waiting, real._waiters)}

    def withdraw(self, party: Number) -> bool:
        waiting = self.of[party].waiting
        if party not in waiting:
            return False
        waiting.remove(party)
        return True

    def states(self) -> tuple[Any, Any]:
        current = self.current
        real = self.group._flights.get("key")
        return (
            current and (current.parties, current.runner is not None),
            real and (real.parties, real._running),
        )


class ModelFlight:
    def __init__(self) -> None:
        self.parties = 0
        self.runner: Number | None = None
        self.waiting: list[Number] = []
        self.result: tuple[Number, bool] | None = None


Name: TypeAlias = Literal[
    "Mutex", "RWMutex", "WaitGroup", "Cond", "Once", "Weighted", "Group"
]
SUBJECTS: dict[Name, type[Subject]] = {
    "Mutex": MutexSubject,
    "RWMutex": RWMutexSubject,
    "WaitGroup": WaitGroupSubject,
    "Cond": CondSubject,
    "Once": OnceSubject,
    "Weighted": WeightedSubject,
    "Group": GroupSubject,
}


@contextlib.contextmanager
def playing(runtime: FakeBackend, name: Name) -> Generator[Play]:
    """A play on a new subject, whose clock stands still."""
    subject = SUBJECTS[name](runtime)
    clock = (
        subject.clock() if isinstance(subject, _WithMutex) else contextlib.nullcontext()
    )
    with clock:
        play = Play(runtime, subject)
        try:
            yield play
        except BaseException as error:
            error.add_note(f"{name}: {play.log}")
            for party in play.parties:
                with contextlib.suppress(BaseException):
                    party.close()
            raise
        play.finish()
