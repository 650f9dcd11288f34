"""What tests have other processes do: functions that are found there by their names."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import anyio

import gochan
from gochan import (
    Cancelled,
    Chan,
    ChanClosed,
    RecvChan,
    SendCase,
    SendChan,
    WouldBlock,
    blocking_select,
    context,
    recv,
    select,
    select_nowait,
    send,
    sync,
    time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Config", "Locked", "NeedsTwo", "OnlyHere", "Unpicklable")


@dataclass
class Config:
    """Something with channels in it."""

    name: str
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    channel: Chan[Any] | None = None


class Locked:
    """Cannot be pickled, like all that has a lock."""

    def __init__(self) -> None:
        self.config = {"lock": threading.Lock()}


class Unpicklable:
    """Can be pickled, but not unpickled."""

    def __reduce__(self) -> Any:
        return _break, ()


def _break() -> NoReturn:
    raise ValueError("this cannot be made again")


class OnlyHere:
    """Can be unpickled in the process that has made it alone."""

    def __init__(self) -> None:
        self.pid = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        if os.getpid() != state["pid"]:
            raise ValueError("this is the wrong process")
        self.__dict__ = state


class NeedsTwo(Exception):
    """An exception that cannot be made from what it hands on."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


# Anything


def pid() -> int:
    return os.getpid()


async def apid() -> int:
    return os.getpid()


async def library() -> str:
    module: Any = gochan._backends.backend()  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType,reportUnknownVariableType]
    name: str = module.__name__  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    return name.rpartition("._")[2]  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]


def double(number: int) -> int:
    return 2 * number


def same(thing: Any) -> Any:
    return thing


def make(name: str) -> Any:
    """What cannot be passed as an argument."""
    made: Any = globals()[name]()
    return made


def call(method: Callable[..., Any], *args: Any) -> Any:
    return method(*args)


def say(text: str) -> None:
    print(text)
    print(text.upper(), file=sys.stderr)


def fail(error: BaseException) -> NoReturn:
    raise error


def fail_deeply() -> NoReturn:
    try:
        raise KeyError("inner")
    except KeyError as error:
        error.add_note("a note from there")
        raise ValueError("outer") from error


def needs_two() -> NoReturn:
    error = NeedsTwo(1, 2)
    error.add_note("and a note")
    raise error


def system_exit(code: int) -> NoReturn:
    sys.exit(code)


def modules() -> list[str]:
    return sorted(sys.modules)


def grandchild(channel: Chan[int]) -> int:
    """A run in a process, that has a process of its own."""

    async def main() -> int:
        return await gochan.go(
            send_one, channel, 7, on=gochan.executors.processes(1, "forkserver")
        )

    return gochan.run(main)


def send_one(channel: SendChan[int], number: int) -> int:
    channel.blocking_send(number)
    return os.getpid()


async def goroutines_of_its_own(channel: Chan[Any]) -> list[Any]:
    inner = Chan[int]()

    async def produce() -> None:
        for number in range(3):
            await inner.send(number)
        inner.close()

    gochan.go(produce)
    found: list[Any] = [number async for number in inner]
    await channel.send(found)
    return found


# Channels


def use_config(config: Config) -> None:
    assert config.channel is not None
    config.channel.blocking_send(1)
    first, second = config.extra["deep"][0]["ch"]
    assert first is second
    first.blocking_send(2)


def compare(ch: Chan[Any], others: Sequence[Any], other: Chan[Any]) -> dict[str, Any]:
    same, sender, receiver = others
    return {
        "same": same is ch,
        "views": ch == sender == receiver and hash(sender) == hash(ch),
        "ends": (isinstance(sender, RecvChan), isinstance(receiver, SendChan)),
        "other": other == ch,
        "kind": isinstance(ch, Chan),
    }


def look_at(ch: Chan[Any]) -> dict[str, Any]:
    return {
        "name": ch.name,
        "cap": ch.cap,
        "closed": ch.closed,
        "length": len(ch),
        "stats": ch.stats(),
        "bool": bool(ch),
        "repr": repr(ch),
    }


def outcome(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a call returns, or the exception's type, text and ``channel``."""
    try:
        return method(*args, **options)
    except Exception as error:
        return type(error), str(error), getattr(error, "channel", None)


def operate(ch: Chan[Any], operations: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Do these, one after the other: what each brings."""
    done: list[Any] = []
    for name, *args in operations:
        options: dict[str, Any] = args.pop() if args and type(args[-1]) is dict else {}
        done.append(outcome(getattr(ch, name), *args, **options))
    return done


async def aoperate(ch: Chan[Any], operations: Sequence[tuple[Any, ...]]) -> list[Any]:
    done: list[Any] = []
    for name, *args in operations:
        try:
            done.append(await getattr(ch, name)(*args))
        except Exception as error:
            done.append((type(error), str(error), getattr(error, "channel", None)))
    return done


def forward(source: RecvChan[Any], sink: SendChan[Any]) -> int:
    """All that comes from one channel to another, which is closed then."""
    count = 0
    for value in source:
        sink.blocking_send(value)
        count += 1
    sink.close()
    return count


async def aforward(source: RecvChan[Any], sink: SendChan[Any]) -> int:
    count = 0
    async for value in source:
        await sink.send(value)
        count += 1
    sink.close()
    return count


def receive(source: RecvChan[Any], number: int) -> list[Any]:
    return [source.blocking_recv() for _ in range(number)]


async def areceive(source: RecvChan[Any], number: int) -> list[Any]:
    return [await source.recv() for _ in range(number)]


def send_all(sink: SendChan[Any], values: Sequence[Any]) -> None:
    for value in values:
        sink.blocking_send(value)


async def asend_all(sink: SendChan[Any], values: Sequence[Any]) -> None:
    for value in values:
        await sink.send(value)


def send_and_close(sink: SendChan[Any], values: Sequence[Any]) -> None:
    send_all(sink, values)
    sink.close()


async def asend_and_close(sink: SendChan[Any], values: Sequence[Any]) -> None:
    await asend_all(sink, values)
    sink.close()


async def adrain(source: RecvChan[Any]) -> None:
    async for _ in source:
        pass


def receive_all(channels: Sequence[Chan[Any]]) -> list[tuple[int, Any]]:
    """From all of them, until they are closed; each with the number of its channel."""
    got: list[tuple[int, Any]] = []
    cases = [recv(channel) for channel in channels]
    while cases:
        chosen = blocking_select(*cases)
        try:
            value = chosen.value
        except ChanClosed:
            cases.remove(chosen)
        else:
            got.append((channels.index(chosen.channel), value))
    return got


def ask(requests: SendChan[Any], number: int) -> Any:
    """Send a request with a channel for the answer, which is made here."""
    answer = Chan[Any]()
    requests.blocking_send((number, answer))
    return answer.blocking_recv()


def serve(requests: RecvChan[Any]) -> None:
    for number, answer in requests:
        answer.blocking_send(number * number)


async def make_channel(number: int) -> Chan[int]:
    ch = Chan[int](number)
    for value in range(number):
        await ch.send(value)
    return ch


kept: list[Any] = []


def keep_channel(number: int) -> Chan[int]:
    """A channel that is kept here, and its values."""
    ch = Chan[int](number)
    for value in range(number):
        ch.blocking_send(value)
    kept.append(ch)
    return ch


def home_of(ch: Chan[int], told: SendChan[Chan[int]], until: RecvChan[None]) -> None:
    """Be home to a channel for as long as it is wanted."""
    made = Chan[int](ch.cap or 0)
    told.blocking_send(made)
    until.blocking_recv_ok()


# Select


def describe(chosen: Any, cases: Sequence[Any]) -> Any:
    if chosen is None:
        return None
    assert chosen is cases[chosen.index]
    ok = chosen.ok
    return chosen.index, ok, chosen.value if ok else None


def select_there(form: str, cases: Sequence[tuple[Any, ...]], biased: bool) -> Any:
    """A select whose cases are channels to receive from, or pairs to send."""
    table: list[Any] = [
        recv(case[0]) if len(case) == 1 else send(case[0], case[1]) for case in cases
    ]
    match form:
        case "nowait":
            chosen = select_nowait(*table, biased=biased)
        case "blocking":
            chosen = blocking_select(*table, biased=biased)
        case _:
            chosen = blocking_select(*table, biased=biased, timeout=float(form))
    return describe(chosen, table)


async def aselect(cases: Sequence[tuple[Any, ...]], biased: bool) -> Any:
    table: list[Any] = [
        recv(case[0]) if len(case) == 1 else send(case[0], case[1]) for case in cases
    ]
    return describe(await select(*table, biased=biased), table)


async def aselect_with_own(
    form: str, channel: Chan[Any], own: Sequence[Any], told: SendChan[Any]
) -> Any:
    """Selects over a channel of elsewhere and ``len(own)`` channels of this process.

    Each of those has a value in it if it is not None.
    """
    channels = [Chan[Any](1) for _ in own]
    for ch, value in zip(channels, own, strict=True):
        if value is not None:
            ch.send_nowait(value)
    cases: list[Any] = [recv(channel), *map(recv, channels)]
    async with gochan.scope():
        if form == "later":
            # no value yet: it comes while we wait

            async def later() -> None:
                await told.send("waiting")
                await channels[-1].send("later")

            gochan.go(later)
        chosen = (
            select_nowait(*cases, biased=True)
            if form == "nowait"
            else await select(*cases, biased=form == "biased")
        )
    assert all(len(ch) <= 1 for ch in channels)
    return describe(chosen, cases), [len(ch) for ch in channels]


def select_with_own(channel: Chan[Any], timeout: float | None) -> Any:
    own = Chan[int]()
    cases = [recv(channel), recv(own), send(own, 1)]
    return describe(blocking_select(*cases, timeout=timeout), cases)


def select_two_homes(one: Chan[int], two: Chan[int]) -> Any:
    return outcome(select_nowait, recv(one), recv(two))


async def meet(far: Chan[int], number: int) -> list[int]:
    """Two selects that meet here, while both wait for a channel elsewhere as well."""
    own = Chan[int]()
    met: list[int] = []

    async def give() -> None:
        for value in range(number):
            await select(send(own, value), recv(far))

    async def take() -> None:
        for _ in range(number):
            chosen = await select(recv(own), recv(far))
            met.append(chosen.value)

    async with gochan.scope():
        gochan.go(give)
        gochan.go(take)
    return met


# Cancellation


def note_cancellation(started: SendChan[Any], channel: Chan[Any]) -> None:
    """Wait for what does not come; tell what comes instead."""
    started.blocking_send(os.getpid())
    try:
        channel.blocking_recv()
    except Cancelled as error:
        # none works any more
        try:
            started.blocking_send("too late")
        except Cancelled:
            kept.append(str(error))
        raise


async def anote_cancellation(started: SendChan[Any], channel: Chan[Any]) -> None:
    await started.send(os.getpid())
    try:
        await channel.recv()
    finally:
        with anyio.CancelScope(shield=True):
            await started.send("cleared up")


def take_kept() -> list[Any]:
    taken = list(kept)
    kept.clear()
    return taken


def clear_up_slowly(started: SendChan[Any], channel: Chan[Any], path: str) -> None:
    """What is cancelled may take its time once it has noticed."""
    started.blocking_send(os.getpid())
    try:
        channel.blocking_recv()
    finally:
        threading.Event().wait(1.5)
        with open(path, "w") as file:
            file.write("cleared up")


async def aclear_up_slowly(
    started: SendChan[Any], channel: Chan[Any], path: str
) -> None:
    """The same on a loop, which turns meanwhile."""
    await started.send(os.getpid())
    try:
        await channel.recv()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2.2)
        with open(path, "w") as file:
            file.write("cleared up")


def ignore_cancellation(started: SendChan[Any], channel: Chan[Any]) -> str:
    started.blocking_send(os.getpid())
    try:
        channel.blocking_recv()
    except Cancelled:
        pass
    return "went on"


def compute_forever(started: SendChan[Any]) -> NoReturn:
    started.blocking_send(os.getpid())
    while True:
        pass


def send_and_wait_for_a_deadline(
    started: SendChan[int], channel: SendChan[bytes], size: int
) -> str:
    started.blocking_send(0)
    channel.blocking_send(bytes(size))
    with context.with_timeout(context.background(), 0.01) as (ctx, _):
        ctx.done().blocking_recv_ok()
        return str(ctx.err())


def compute_until(started: SendChan[Any], path: str) -> str:
    started.blocking_send(os.getpid())
    while not os.path.exists(path):
        pass
    return "done"


async def acompute_forever(started: SendChan[Any]) -> NoReturn:
    await started.send(os.getpid())
    while True:
        pass


def send_forever(channel: SendChan[int]) -> NoReturn:
    number = 0
    while True:
        channel.blocking_send(number)
        number += 1


# Faults


def then(channel: SendChan[Any], function: Callable[..., Any], *args: Any) -> Any:
    """Tell who we are, and do it."""
    channel.blocking_send(os.getpid())
    return function(*args)


def exit_at_once(code: int) -> NoReturn:
    os._exit(code)


def kill_myself(number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait()


def segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def no_more_files(sink: SendChan[Any], values: Sequence[Any]) -> int:
    """Use up all file descriptors, and go on."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken: list[int] = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        send_all(sink, values)
    finally:
        for descriptor in taken:
            os.close(descriptor)
    return len(taken)


def select_forever(started: SendChan[Any], *channels: Chan[Any]) -> Any:
    started.blocking_send(os.getpid())
    cases = [case for ch in channels for case in (recv(ch), send(ch, "from a select"))]
    return describe(blocking_select(*cases), cases)


def closed_there(channel: Chan[int]) -> str:
    try:
        channel.blocking_recv()
    except ChanClosed as error:
        assert error.channel is channel
        return "closed"
    return "a value"


def send_made(sink: SendChan[Any], name: str) -> Any:
    return outcome(sink.blocking_send, globals()[name]())


async def receive_at_once(
    started: SendChan[int], source: RecvChan[Any], number: int
) -> list[Any]:
    """Several goroutines that wait for one value each."""
    async with gochan.scope():
        receiving = [gochan.go(source.recv) for _ in range(number)]
        await started.send(os.getpid())
    return [await each for each in receiving]


def wait_after(started: SendChan[int], source: RecvChan[int]) -> int:
    started.blocking_send(os.getpid())
    return source.blocking_recv()


def say_and(started: SendChan[int], function: Callable[..., Any], *args: Any) -> Any:
    started.blocking_send(os.getpid())
    return function(*args)


def wait_on(source: RecvChan[int]) -> int:
    return source.blocking_recv()


def compute_on(source: RecvChan[int]) -> NoReturn:
    while True:
        pass


def send_to_all(channels: Sequence[Chan[int]]) -> None:
    for ch in channels:
        ch.blocking_send(1)


def collect() -> None:
    import gc

    gc.collect()


def call_method(ch: Any, method: str) -> Any:
    return outcome(ch._call, method)


def count_requests(ch: Any, number: int) -> int:
    """Send so many values, and count how often an answer is waited for."""
    asked = 0
    ask = ch._link.ask

    def count(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return ask(*args)

    ch._link.ask = count
    for value in range(number):
        ch.blocking_send(value)
    del ch._link.ask
    return asked


def send_and_wait(
    ch: SendChan[int], number: int, told: SendChan[int], until: RecvChan[None]
) -> None:
    for value in range(number):
        ch.blocking_send(value)
    told.blocking_send(number)
    until.blocking_recv_ok()


def send_broken_after(ch: SendChan[Any], number: int) -> NoReturn:
    for value in range(number):
        ch.blocking_send(value)
    while True:
        ch.blocking_send(Unpicklable())


# Chaos


def storm(
    party: str, seed: int, channels: Sequence[Chan[str]], stop: RecvChan[None], log: str
) -> int:
    """Random operations until ``stop`` is closed, each written down at once."""
    rng = random.Random(seed)
    count = 0
    # what has been written is there even if this process is killed
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str, value: str) -> None:
        os.write(file, f"{what} {party} {value}\n".encode())

    while True:
        count += 1
        value = f"{party}-{count}"
        channel = rng.choice(channels)
        kind = rng.randrange(8)
        if kind in (1, 6, 7):
            # most of them to and from the largest buffer
            channel = rng.choice([channel, channels[-1]])
        try:
            if kind == 0:
                note("sending", value)
                channel.blocking_send(value, timeout=0.02)
                note("sent", value)
            elif kind in (1, 7):
                # several in a row
                for number in range(rng.randrange(20)):
                    note("sending", f"{value}-{number}")
                    channel.blocking_send(f"{value}-{number}", timeout=0.02)
                    note("sent", f"{value}-{number}")
            elif kind == 2:
                note("got", channel.blocking_recv(timeout=0.02))
            elif kind == 6:
                for _ in range(rng.randrange(40)):
                    note("got", channel.blocking_recv(timeout=0.02))
            elif kind == 3:
                note("got", channel.recv_nowait())
            elif kind == 4:
                note("sending", value)
                channel.send_nowait(value)
                note("sent", value)
            else:
                cases: list[Any] = [recv(stop)]
                for number, other in enumerate(channels):
                    if rng.random() < 0.5:
                        cases.append(recv(other))
                    else:
                        note("sending", f"{value}-{number}")
                        cases.append(send(other, f"{value}-{number}"))
                chosen = blocking_select(*cases)
                if chosen is cases[0]:
                    return count
                if isinstance(chosen, SendCase):
                    note("sent", chosen.value)  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
                else:
                    note("got", chosen.value)
        except (TimeoutError, WouldBlock):
            pass
        if count % 8 == 0 and stop.closed:
            return count


# Contexts and wait groups

USER: context.Key[str] = context.Key("user")


def look_at_context(ctx: context.Context, timeout: float) -> dict[str, Any]:
    deadline = ctx.deadline()
    return {
        "left": None if deadline is None else deadline - time.now(),
        "err": ctx.err(),
        "user": ctx.value(USER),
        "text": ctx.value("text"),
        "missing": ctx.value("missing"),
        "closed": outcome(ctx.done().blocking_recv_ok, timeout=timeout),
        "cause": context.cause(ctx),
    }


def until_done(ctx: context.Context, told: SendChan[Any]) -> Any:
    """Wait for its end, and see what one that is derived from it says."""
    derived, _ = context.with_cancel(ctx)
    told.blocking_send("ready")
    ctx.done().blocking_recv_ok()
    return ctx.err(), context.cause(ctx), derived.err(), context.cause(derived)


async def auntil_done(ctx: context.Context, told: SendChan[Any]) -> Any:
    with ctx.scope():
        await told.send("ready")
        await Chan[None]().recv()
    own = Chan[int]()
    chosen = await select(ctx, recv(own))
    return ctx.err(), chosen.ok


def pass_on(ctx: context.Context, sink: SendChan[Any]) -> None:
    sink.blocking_send(ctx)


async def await_group(wg: sync.WaitGroup, told: SendChan[Any]) -> str:
    await told.send(repr(wg))
    await wg.wait()
    chosen = await select(wg, Chan[int]())
    return "waited" if not chosen.ok else "?"


def be_done(wg: sync.WaitGroup, number: int) -> Any:
    wg.add(1)
    for _ in range(number + 1):
        wg.done()
    return outcome(wg.blocking_wait, timeout=0.01), outcome(wg.done)


async def go_in_group(wg: sync.WaitGroup, ch: SendChan[int]) -> None:
    async with gochan.scope():
        wg.go(ch.send, 1)
        wg.go(ch.send, 2)


async def make_context(sink: SendChan[Any]) -> None:
    ctx, _ = context.with_cancel(context.background())
    kept.append(ctx)
    await sink.send(context.with_value(ctx, "pid", os.getpid()))
