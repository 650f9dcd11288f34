"""The rows: which shapes, how large, and who takes part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("FULL", "QUICK", "Cell", "Effort", "Row", "rows")


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        rounds: how often everybody takes a turn.
        seconds: how long a turn should be.
    """

    rounds: int
    seconds: float


QUICK: Final = Effort(rounds=5, seconds=0.1)
FULL: Final = Effort(rounds=7, seconds=0.1)


@dataclass(frozen=True)
class Cell:
    """One contestant's part in a row.

    Attributes:
        contestant: who.
        params: what the shape is given.
        at: the point of the curve, in rows that are one.
    """

    contestant: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    at: int | None = None


@dataclass(frozen=True)
class Row:
    """What is measured side by side.

    Attributes:
        name: to ask for it; ``spsc-128`` is the shape spsc at capacity 128.
        title: what one operation is.
        shape: one of ``benchmarks.shapes``.
        cells: who takes part, in the order of the rotation.
        metrics: what the figures are.
        unbuffered: whether all of its channels are, whatever the parameters.
        slices: measurements per turn, of which the best counts.
        start: operations of the first try, when their number is looked for.
        operations: how many a measurement does, once per turn: where setting up
            takes longer than they do, or the shape has its own size (0).
        fresh: a new process for every turn.
    """

    name: str
    title: str
    shape: str
    cells: Sequence[Cell]
    metrics: dict[str, str] = field(default_factory=lambda: {"ns": "ns"})
    unbuffered: bool = False
    slices: int = 8
    start: int = 64
    operations: int | None = None
    fresh: bool = False


OURS = ("gochan/asyncio", "gochan/uvloop", "gochan/trio")
SELECTING = (*OURS, "aiochan", "asyncio-channel")
GO = ("Go/1 core", "Go/2 cores")
LOOPS = (
    *OURS,
    "asyncio.Queue",
    "asyncio.Queue/uvloop",
    "anyio/asyncio",
    "anyio/trio",
    "trio",
    "aiochan",
    "asyncio-channel",
    "janus",
    "culsans",
    "aiologic",
    "gevent",
)
LIMITS = ("asyncio.sleep(0)", "trio checkpoint", "generator switch")
THREADS = (
    "gochan/threads",
    "queue.Queue",
    "queue.SimpleQueue",
    "culsans/threads",
    "aiologic/threads",
    "pygo-routines",
)
NETWORKS = (
    *OURS,
    "asyncio.Queue",
    "asyncio.Queue/uvloop",
    "anyio/asyncio",
    "anyio/trio",
    "trio",
    "gevent",
)
# these start tasks and send nothing
STARTING = (
    *OURS,
    "asyncio tasks",
    "asyncio tasks/uvloop",
    "anyio/asyncio",
    "anyio/trio",
    "trio tasks",
    "gevent",
    "threads",
    "pygo-routines",
)

# these have locks
LOCKS = (
    *OURS,
    "asyncio tasks",
    "asyncio tasks/uvloop",
    "anyio/asyncio",
    "anyio/trio",
    "trio",
    "aiologic",
)

# who is compared in a quick run: those that the floors name, and the best peers
QUICK_LOOPS = (
    "gochan/asyncio",
    "gochan/trio",
    "asyncio.Queue",
    "anyio/asyncio",
    "trio",
    "aiochan",
    "asyncio.sleep(0)",
    "Go/1 core",
)

# Between threads. A thread gives the GIL away every 5 ms, if it does not block before:
# the best of many short measurements would be the one in which it did not.
_SLICES: Final = 2

_WHOLE: Final = {"ms": "ms in all"}
_CAPS: Final[Mapping[str, int | None]] = {"0": 0, "1": 1, "128": 128, "inf": None}
_WORDS: Final = {
    "0": "unbuffered",
    "1": "buffer of 1",
    "128": "buffer of 128",
    "inf": "unbounded",
}

# how far the curves go: aiochan refuses more than 1024 waiters, those of selects that
# have ended included, and starting so many tasks takes the others too long
_MOST: Final = {
    **dict.fromkeys(("gochan/asyncio", "gochan/trio", "Go/1 core"), 100_000),
    "aiochan": 100,
}

_FLOWS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "seq": ("one party sends and receives", (*LOOPS, *GO)),
    "spsc": ("one producer, one consumer", (*LOOPS, *LIMITS, *GO)),
    "mpsc": ("4 producers, one consumer", (*LOOPS, *GO)),
    "mpmc": ("4 producers, 4 consumers", (*LOOPS, *GO)),
    "select_rx": ("4 producers, a select over 4 channels", (*SELECTING, *GO)),
    "select_both": ("4 and 4, all select over 4 channels", (*SELECTING, *GO)),
}


def _cells(names: Sequence[str], **params: Any) -> list[Cell]:
    return [Cell(name, params) for name in names]


def _flow(shape: str, cap: str, names: Sequence[str] | None = None) -> Row:
    title, everybody = _FLOWS[shape]
    cells = _cells(names or everybody, cap=_CAPS[cap])
    if not names and _CAPS[cap] is None:
        # these have no unbounded channel
        bounded = ("aiochan", "asyncio-channel", *GO, *LIMITS)
        cells = [cell for cell in cells if cell.contestant not in bounded]
    return Row(f"{shape}-{cap}", f"{title}, {_WORDS[cap]}: per item", shape, cells)


def _threads(cap: str, names: Sequence[str]) -> Row:
    names = [
        name
        for name in names
        if (name == "queue.SimpleQueue") == (cap == "inf")
        or (cap == "inf" and name in ("gochan/threads", "queue.Queue"))
    ]
    return Row(
        f"thread_thread-{cap}",
        f"from one thread to another, on one core, {_WORDS[cap]}: per item",
        "spsc",
        # The GIL lets one of them run at a time. Where the system has put the other
        # decides what it costs to wake it, by a factor of 3, and it does not move it.
        _cells(names, cap=_CAPS[cap], one_core=True),
        slices=_SLICES,
    )


def _thread_loop(cap: str, names: Sequence[str]) -> Row:
    return Row(
        f"thread_loop-{cap}",
        f"from a thread to a loop, {_WORDS[cap]}: per item",
        "thread_loop",
        _cells(names, cap=_CAPS[cap]),
        slices=_SLICES,
    )


def _ping_pong(names: Sequence[str]) -> Row:
    return Row(
        "ping_pong",
        "a value there and back, unbuffered: per round trip",
        "ping_pong",
        _cells(names),
        unbuffered=True,
    )


def _select_ready(names: Sequence[str]) -> Row:
    return Row(
        "select_ready",
        "select of two that are ready, and refill: per select",
        "select_ready",
        _cells(names),
    )


def _skynet(leaves: int, names: Sequence[str]) -> Row:
    size = {10_000: "10k", 100_000: "100k", 1_000_000: "1m"}[leaves]
    return Row(
        f"skynet_{size}",
        f"a tree with {leaves:,} leaves, ten under each node",
        "skynet",
        _cells(names, leaves=leaves),
        metrics=_WHOLE,
        unbuffered=True,
        operations=0,
    )


def _spawn_join(names: Sequence[str]) -> Row:
    return Row(
        "spawn_join",
        "start one that does nothing, and wait for it: each",
        "spawn_join",
        _cells(names),
    )


def _parked(count: int, names: Sequence[str]) -> Row:
    return Row(
        f"parked_{count // 1000}k",
        f"{count:,} parked, all woken, all cancelled: each",
        "parked",
        _cells(names, count=count),
        metrics={
            "bytes": "bytes",
            "spawn": "ns to spawn and park",
            "wake": "ns to wake and end",
            "cancel": "ns to cancel and end",
        },
        operations=0,
        fresh=True,
    )


def _timers(count: int, names: Sequence[str]) -> Row:
    return Row(
        f"timers_{count // 1000}k",
        f"{count:,} timers, stopped before their time; and as many that fire: each",
        "timers",
        _cells(names, count=count),
        metrics={"set": "ns to set", "stop": "ns to stop", "fire": "ns to fire"},
        operations=0,
    )


def _curve(name: str, title: str, counts: Sequence[int], names: Sequence[str]) -> Row:
    return Row(
        name,
        f"{title}: per operation",
        name,
        [
            Cell(contestant, {"count": count}, count)
            for contestant in names
            for count in counts
            if count <= _MOST.get(contestant, 10_000)
        ],
        operations=5_000,
    )


def _process(shape: str, cap: int, size: int) -> Row:
    """Two processes; one is started before anything is measured, and kept."""
    titles = {
        "process_parent": "from a process to this one",
        "process_worker": "from this process to another one",
        "process_array": "memory of an array, from a process to this one",
    }
    amount = f"{size // 1000:,} kB" if size < 1_000_000 else f"{size // 1_000_000} MB"
    return Row(
        f"{shape}-{cap}",
        f"{titles[shape]}, {amount}, buffer of {cap}: per value",
        shape,
        _cells(
            ("gochan/processes", "gochan/processes/trio", "multiprocessing.Queue"),
            cap=cap,
            size=size,
        ),
        slices=_SLICES,
    )


def _select_done(counts: Sequence[int], names: Sequence[str]) -> Row:
    title = "n select over one done channel, and their own"
    return _curve("select_done", title, counts, names)


def _quick() -> list[Row]:
    threads = ("gochan/threads", "queue.Queue", "pygo-routines")
    crossing = ("gochan/asyncio", "janus", "culsans")
    return [
        _flow("spsc", "0", QUICK_LOOPS),
        _flow("spsc", "128", [name for name in QUICK_LOOPS if "sleep" not in name]),
        _ping_pong(("gochan/asyncio", "asyncio.Queue", "anyio/asyncio")),
        _select_ready(("gochan/asyncio", "aiochan", "Go/1 core")),
        _spawn_join(("gochan/asyncio", "gochan/trio", "asyncio tasks", "trio tasks")),
        _threads("0", threads),
        _threads("128", threads),
        _thread_loop("128", crossing),
        _process("process_parent", 128, 1_000),
        _parked(20_000, ("gochan/asyncio", "asyncio tasks")),
        _select_done((10, 10_000), ("gochan/asyncio", "gochan/trio")),
    ]


def _full(big: bool) -> list[Row]:
    primes = 500 if big else 100
    counts = (10, 100, 1_000, 10_000, 100_000)
    curves = ("gochan/asyncio", "gochan/trio", "asyncio.Queue", "trio", "Go/1 core")
    crossing = ("gochan/asyncio", "gochan/trio", "janus", "culsans", "aiologic")
    return [
        *(
            _flow(shape, cap)
            for shape in _FLOWS
            for cap in _CAPS
            if (shape, cap) != ("seq", "0")
        ),
        _ping_pong((*LOOPS, *LIMITS, *GO)),
        Row(
            "fan_in_100",
            "100 producers, one consumer, unbuffered: per item",
            "fan_in",
            # asyncio-channel takes milliseconds per item
            _cells((*(x for x in LOOPS if x != "asyncio-channel"), *GO), cap=0),
            start=500,
        ),
        Row(
            "threadring_503",
            "a token around a ring of 503, unbuffered: per hop",
            "threadring",
            _cells((*NETWORKS, *GO)),
            unbuffered=True,
            start=503,
        ),
        Row(
            f"sieve_{primes}",
            f"the first {primes} primes by a chain of filters, unbuffered",
            "sieve",
            _cells((*NETWORKS, *GO), primes=primes),
            metrics=_WHOLE,
            unbuffered=True,
            operations=0,
        ),
        _skynet(10_000, (*NETWORKS, *GO)),
        # the others would take minutes
        _skynet(
            1_000_000 if big else 100_000, ("gochan/asyncio", "asyncio.Queue", *GO)
        ),
        _select_ready((*SELECTING, "gochan/threads", "pygo-routines", "Go/1 core")),
        _spawn_join((*STARTING, *GO)),
        _parked(
            10_000,
            (
                *("gochan/asyncio", "gochan/trio", "asyncio tasks"),
                *("anyio/asyncio", "anyio/trio", "trio tasks", "gevent"),
                "Go/1 core",
            ),
        ),
        _parked(100_000, ("gochan/asyncio", "asyncio tasks", "Go/1 core")),
        _timers(
            100_000,
            (*OURS, "asyncio tasks", "Go/1 core"),
        ),
        Row(
            "mutex_contended",
            "4 take a lock in turn, and let others run while they have it: each time",
            "mutex_contended",
            _cells((*LOCKS, *GO)),
        ),
        Row(
            "mutex_threads",
            "4 threads take a lock again and again: each time",
            "mutex_contended",
            _cells(("gochan/threads", "threads", "aiologic/threads")),
            slices=_SLICES,
        ),
        *(_threads(cap, THREADS) for cap in _CAPS),
        *(_thread_loop(cap, crossing) for cap in ("1", "128")),
        Row(
            "loop_loop-128",
            "from a loop to another in another thread, buffer of 128: per item",
            "loop_loop",
            _cells(("gochan/asyncio", "gochan/trio", "culsans", "aiologic"), cap=128),
            slices=_SLICES,
        ),
        Row(
            "computing",
            "4 workers compute for half a millisecond, on some executor: each item",
            "computing",
            _cells(
                ("on the loop", "on loops(2)", "on threads", "on processes"),
                steps=10_000,
            ),
            slices=_SLICES,
        ),
        _process("process_parent", 128, 1_000),
        _process("process_worker", 128, 1_000),
        _process("process_array", 8, 8_000_000),
        _select_done(counts, (*OURS[::2], "aiochan", "Go/1 core")),
        _curve("among_waiters", "n wait on one channel", counts, curves),
        _curve("among_channels", "n channels in turn, buffer of 1", counts, curves),
        _curve("among_goroutines", "one pair while n others wait", counts, curves),
    ]


def rows(*, quick: bool, big: bool = False) -> list[Row]:
    """The rows of a quick run, or of a whole one; ``big`` for the large sizes."""
    return _quick() if quick else _full(big)
