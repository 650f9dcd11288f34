"""The rules of gochan's memory model, by number: the first column of the table.

The numbers are those of the documentation. ``N`` is normative, ``I`` holds and is
tested but is not promised, ``X`` says that there is *no* edge.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("RULES", "SECTIONS", "Rule")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        number: such as ``C1``.
        status: ``N``, ``I`` or ``X``.
        text: what it says, in Markdown.
    """

    number: str
    status: str
    text: str


SECTIONS = {
    "A": "The model itself",
    "B": "Start and end",
    "C": "Channels and select",
    "D": "sync",
    "E": "atomic",
    "G": "time",
    "H": "context",
    "I": "errgroup, semaphore, singleflight",
    "J": "testing.bubble",
    "K": "What does not work",
    "P": "Python's own",
}

RULES = [
    Rule(
        "A4",
        "N",
        "*Happens before* is transitive: what comes before something comes before all "
        "that this comes before.",
    ),
    Rule("B1", "N", "What a module does when it is imported comes before its use."),
    Rule("B2", "N", "What precedes `run(main)` comes before `main` begins."),
    Rule(
        "B3",
        "N",
        "`go(f)` comes before `f` begins; its arguments are evaluated before.",
    ),
    Rule(
        "B4",
        "X",
        "The end of a goroutine comes before nothing, unless somebody waits for it "
        "(P1, P2). Nor do sleeping and `yield_()` order anything.",
    ),
    Rule("C1", "N", "A send comes before the receive that gets its value."),
    Rule(
        "C2",
        "N",
        "`close` comes before a receive that reports that the channel is closed. A "
        "receive that gets a value from before the close is not such a one.",
    ),
    Rule("C3", "N", "Without a buffer, a receive comes before its send has returned."),
    Rule(
        "C4",
        "N",
        "With a buffer of C, the k-th receive comes before the (k+C)-th send has "
        "returned. So a channel of one is a mutex, and a channel of two is none.",
    ),
    Rule(
        "C5",
        "N",
        "Those edges are between matching operations. A receive is not ordered with "
        "other sends on the same channel.",
    ),
    Rule(
        "C6",
        "X",
        "A send that finds the channel closed acquires nothing. One that was parked "
        "when the close came is ordered after it (I).",
    ),
    Rule(
        "C7",
        "X",
        "A `close` that fails acquires nothing. A send and a `close` that nothing "
        "orders are a race by themselves; other operations on a channel never are.",
    ),
    Rule("C8", "X", "`len(ch)`, `ch.cap`, `ch.closed` and `ch.stats()` order nothing."),
    Rule(
        "C9",
        "N",
        "`select`: the chosen case has the edges of its plain operation; the others, "
        "and `select_nowait` that finds none, have no edge.",
    ),
    Rule(
        "C10",
        "N",
        "An operation that never waits has its edge if it succeeds, and none if it "
        "raises `WouldBlock`.",
    ),
    Rule("C11", "N", "A sender that waited for room has the edge of C1 all the same."),
    Rule("C12", "N", "Operations on `nil` never complete, and so order nothing."),
    Rule("C13", "N", "So a value that is sent may be used by who receives it."),
    Rule("C14", "N", "A variable that holds a channel is a variable like any other."),
    Rule(
        "P1",
        "N",
        "The end of a goroutine comes before `await g` or `g.blocking_join()` "
        "returns, and before a select that chooses `g`.",
    ),
    Rule(
        "P2",
        "N",
        "The end of every goroutine of a scope comes before the scope has been "
        "left; the end of a run comes before `run` returns.",
    ),
    Rule(
        "P3",
        "N",
        "`cancel` comes before whatever the cancellation makes the cancelled do.",
    ),
    Rule(
        "P4",
        "N",
        "`Thread.start` comes before the thread begins, and its end before "
        "`Thread.join` returns.",
    ),
    Rule(
        "P5",
        "N",
        "What fails comes before what its scope makes the others do: a "
        "goroutine's error cancels them (P3).",
    ),
    Rule("D1", "N", "`unlock` of a mutex comes before every later `lock` returns."),
    Rule(
        "D2",
        "N",
        "`RWMutex`: as D1; `unlock` comes before a later `rlock` returns, and every "
        "`runlock` before a later `lock` returns.",
    ),
    Rule("D3", "X", "Those who hold a read lock are not ordered with each other."),
    Rule(
        "D4",
        "N",
        "`try_lock` and `try_rlock` that succeed are as `lock` and `rlock`; one that "
        "fails orders nothing.",
    ),
    Rule(
        "D5",
        "N",
        "The return of the function comes before the return of every `do`, also if it "
        "raised; what a cancelled attempt did, before the next one (I). The same holds "
        "for `once_func`, `once_value` and `once_values`.",
    ),
    Rule(
        "D6",
        "N",
        "`done` comes before the return of every `wait` that it lets go on, and what "
        "`wg.go` runs comes before that, too.",
    ),
    Rule(
        "D7",
        "N",
        "An `add` from zero has to come before the `wait` that is to see it. If they "
        "are not ordered they are a race by themselves.",
    ),
    Rule("D8", "X", "`done` is not ordered with `done`, nor `wait` with `wait`."),
    Rule(
        "D9",
        "N",
        "`signal` and `broadcast` come before the `wait` that they wake returns, with "
        "or without the lock. (Go's documentation says so; its race detector does not "
        "know of it.)",
    ),
    Rule("D10", "N", "`put(x)` comes before the `get` that returns this `x`."),
    Rule(
        "D11",
        "N",
        "What changes a key of a `Map` comes before what sees the change, be it that "
        "the key is gone (I). Other keys are not ordered.",
    ),
    Rule("E1", "N", "An atomic operation comes before one that sees its effect."),
    Rule("E2", "N", "All atomic operations happen in one order that all agree on."),
    Rule(
        "E3", "X", "A store that does not look orders nothing, nor does another atomic."
    ),
    Rule("E4", "N", "It is the effect that has to be seen: another value is no edge."),
    Rule("G1", "N", "`after_func(s, f)` comes before `f` begins."),
    Rule("G2", "I", "`reset` comes before the tick, or the call, that it has set."),
    Rule("G3", "N", "Starting a timer comes before its tick is received."),
    Rule(
        "G4",
        "X",
        "What two timers call is not ordered, however far apart. Nor does sleeping "
        "order anything.",
    ),
    Rule("G5", "X", "A `stop()` that returns false is not ordered after the call."),
    Rule(
        "H1",
        "N",
        "`cancel()` comes before a receive from `ctx.done()` that returns, and before "
        "what `ctx.scope()` cancels, for the context and all that derive from it.",
    ),
    Rule(
        "H2",
        "I",
        "`cancel()` comes before `err()` or `cause()` that return an error. A `None` "
        "orders nothing.",
    ),
    Rule(
        "H3",
        "N",
        "`after_func(ctx, f)`, and the cancellation that starts `f`, come before `f`.",
    ),
    Rule("H4", "X", "A `stop()` that returns false is not ordered after the call."),
    Rule("I1", "N", "What a group runs comes before `wait` returns."),
    Rule(
        "I2", "N", "With a limit of one, what a group runs is in order; with two not."
    ),
    Rule("I3", "N", "What returned the first error comes before the context is done."),
    Rule("I4", "I", "`release` comes before the `acquire` that it lets in."),
    Rule(
        "I5", "I", "The return of the function comes before every `do` that shares it."
    ),
    Rule(
        "J1",
        "I",
        "What the goroutines of a bubble did before they waited or ended comes before "
        "`wait()` returns. Virtual sleep orders nothing.",
    ),
    Rule("K1", "X", "Message passing without synchronisation."),
    Rule("K2", "X", "Looking at a plain flag to save a call of `once.do`."),
    Rule("K3", "X", "Waiting for a plain flag."),
    Rule("K4", "X", "Publishing an object through a plain variable."),
    Rule("K5", "X", "Taking the end of a goroutine for synchronisation, as B4."),
    Rule("K6", "X", "Using a buffered channel as if it had no buffer, as C3."),
    Rule("K7", "X", "A total that several goroutines add to."),
]
