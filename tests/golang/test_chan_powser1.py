"""Go's test/chan/powser1.go, after "Squinting at Power Series" by Doug McIlroy.

A power series is a pair of channels: a request on one brings the next coefficient
on the other. Series are added, multiplied, integrated and substituted by networks
of goroutines that may feed back into themselves, so everything has to be driven by
demand, through selects whose cases are switched off and on. (powser2.go is the same
program over another element type.)

The splitter is a single select here; Go's makes a goroutine for each coefficient.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

import gochan
from gochan import Chan, go, recv, select, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# None is the end of a finite series
Item = Fraction | None

ZERO, ONE = Fraction(0), Fraction(1)


class Series:
    """A series: whoever holds it may draw its coefficients, once."""

    def __init__(self) -> None:
        self.req = Chan[None]()
        self.dat = Chan[Item]()

    async def get(self) -> Item:
        await self.req.send(None)
        return await self.dat.recv()

    async def put(self, item: Item) -> None:
        await self.req.recv()
        await self.dat.send(item)


def made_by(make: Callable[[Series], Awaitable[None]]) -> Series:
    """The series that ``make`` puts into what it is given."""
    out = Series()

    async def run() -> None:
        await make(out)

    go(run)
    return out


async def copy(source: Series, out: Series) -> None:
    """All of one series into another, and its end again and again."""
    while True:
        await out.req.recv()
        await out.dat.send(await source.get())


async def finish(out: Series) -> None:
    while True:
        await out.put(None)


async def get_both(u: Series, v: Series) -> tuple[Item, Item]:
    """One coefficient of each, in whatever order they want to come."""
    pair = (u, v)
    got: list[Item] = [None, None]
    req: list[Chan[None] | None] = [u.req, v.req]
    dat: list[Chan[Item] | None] = [None, None]
    for _ in range(4):
        ask0, ask1 = send(req[0], None), send(req[1], None)
        take0, take1 = recv(dat[0]), recv(dat[1])
        chosen = await select(ask0, ask1, take0, take1)
        if chosen is ask0 or chosen is ask1:
            k = chosen.index
            req[k], dat[k] = None, pair[k].dat
        elif chosen is take0 or chosen is take1:
            k = chosen.index - 2
            got[k], dat[k] = chosen.value, None
    return got[0], got[1]


def split(u: Series) -> tuple[Series, Series]:
    outs = Series(), Series()
    go(split_into, u, outs)
    return outs


async def split_into(u: Series, outs: tuple[Series, Series]) -> None:
    """Copy ``u`` to two series that are drawn at different rates.

    While a coefficient is on its way, what the other one has ahead must still be
    served: ``u`` may depend on it.
    """
    first, second = outs
    ahead: tuple[deque[Item], deque[Item]] = deque(), deque()
    wanted = [False, False]
    asked = False
    while True:
        ready = [wanted[k] and bool(ahead[k]) for k in (0, 1)]
        lacking = any(wanted[k] and not ahead[k] for k in (0, 1))
        want0 = recv(None if wanted[0] else first.req)
        want1 = recv(None if wanted[1] else second.req)
        give0 = send(first.dat, ahead[0][0]) if ready[0] else None
        give1 = send(second.dat, ahead[1][0]) if ready[1] else None
        ask = send(u.req if lacking and not asked else None, None)
        take = recv(u.dat if asked else None)
        chosen = await select(want0, want1, give0, give1, ask, take)
        if chosen is want0 or chosen is want1:
            wanted[chosen.index] = True
        elif chosen is give0 or chosen is give1:
            k = chosen.index - 2
            ahead[k].popleft()
            wanted[k] = False
        elif chosen is ask:
            asked = True
        else:
            assert chosen is take
            item = take.value
            asked = False
            ahead[0].append(item)
            ahead[1].append(item)


# Series


def repeat(c: Fraction) -> Series:
    async def make(out: Series) -> None:
        while True:
            await out.put(c)

    return made_by(make)


def poly(*coefficients: Fraction | int) -> Series:
    async def make(out: Series) -> None:
        for c in coefficients:
            await out.put(Fraction(c))
        await finish(out)

    return made_by(make)


def monomial(c: Fraction, n: int) -> Series:
    return poly(*[0] * n, c)


def binomial(c: Fraction) -> Series:
    """(1+x)**c"""

    async def make(out: Series) -> None:
        left, term, n = c, ONE, 1
        while left:
            await out.put(term)
            term = term * left / n
            left -= 1
            n += 1
        await out.put(term)
        await finish(out)

    return made_by(make)


def add(u: Series, v: Series) -> Series:
    async def make(out: Series) -> None:
        while True:
            await out.req.recv()
            a, b = await get_both(u, v)
            if a is not None and b is not None:
                await out.dat.send(a + b)
                continue
            await out.dat.send(b if a is None else a)
            if a is None and b is None:
                await finish(out)
            await copy(v if a is None else u, out)

    return made_by(make)


def scale(c: Fraction, u: Series) -> Series:
    async def make(out: Series) -> None:
        while True:
            await out.req.recv()
            item = await u.get()
            await out.dat.send(None if item is None else c * item)

    return made_by(make)


def sub(u: Series, v: Series) -> Series:
    return add(u, scale(-ONE, v))


def shift(c: Fraction, u: Series) -> Series:
    """c + x*U"""

    async def make(out: Series) -> None:
        await out.put(c)
        await copy(u, out)

    return made_by(make)


def multiply(u: Series, v: Series) -> Series:
    """(a + x*U) (b + x*V) = a*b + x*(a*V + b*U) + x*x*U*V"""

    async def make(out: Series) -> None:
        await out.req.recv()
        a, b = await get_both(u, v)
        if a is None or b is None:
            await out.dat.send(None)
            await finish(out)
            return
        await out.dat.send(a * b)
        us, vs = split(u), split(v)
        w = add(scale(a, vs[0]), scale(b, us[0]))
        await out.put(await w.get())
        await copy(add(w, multiply(us[1], vs[1])), out)

    return made_by(make)


def differentiate(u: Series) -> Series:
    async def make(out: Series) -> None:
        await out.req.recv()
        item = await u.get()
        n = 1
        while item is not None:
            item = await u.get()
            await out.dat.send(None if item is None else n * item)
            await out.req.recv()
            n += 1
        await out.dat.send(None)
        await finish(out)

    return made_by(make)


def integrate(c: Fraction, u: Series) -> Series:
    async def make(out: Series) -> None:
        await out.put(c)
        n = 1
        while True:
            await out.req.recv()
            item = await u.get()
            await out.dat.send(None if item is None else item / n)
            n += 1

    return made_by(make)


def reciprocal(u: Series) -> Series:
    """Z = z + x*Z' with z = 1/a and Z' = -z * U * Z, where the last Z is Z itself."""

    async def make(out: Series) -> None:
        await out.req.recv()
        a = await u.get()
        assert a is not None
        z = 1 / a
        await out.dat.send(z)
        loop = Series(), Series()
        go(split_into, multiply(scale(-z, u), shift(z, loop[0])), loop)
        await copy(loop[1], out)

    return made_by(make)


def exponential(u: Series) -> Series:
    """exp(U) for a U without a constant term: Z' = Z*U', fed back into itself."""
    loop = Series(), Series()
    go(split_into, integrate(ONE, multiply(loop[0], differentiate(u))), loop)
    return loop[1]


def substitute(u: Series, v: Series) -> Series:
    """U(V) for a V without a constant term."""

    async def make(out: Series) -> None:
        vs = split(v)
        await out.req.recv()
        item = await u.get()
        await out.dat.send(item)
        if item is None:
            await finish(out)
        if await vs[0].get() is None:
            await finish(out)
        await copy(multiply(vs[0], substitute(u, vs[1])), out)

    return made_by(make)


def substitute_monomial(u: Series, c: Fraction, n: int) -> Series:
    """U(c * x**n)"""

    async def make(out: Series) -> None:
        factor = ONE
        while True:
            await out.req.recv()
            item = await u.get()
            if item is None:
                await out.dat.send(None)
                await finish(out)
                return
            await out.dat.send(item * factor)
            factor *= c
            for _ in range(n - 1):
                await out.put(ZERO)

    return made_by(make)


def ones() -> Series:
    return repeat(ONE)


def twos() -> Series:
    return repeat(Fraction(2))


def arc_tangent() -> Series:
    return integrate(ZERO, substitute_monomial(ones(), -ONE, 2))


EXP_OF_POLE = "1 1 3/2 13/6 73/24 167/40 4051/720 37633/5040 43817/4480 4596553/362880"

CASES: dict[str, tuple[Callable[[], Series], str]] = {
    "ones": (ones, "1 1 1 1 1 1 1 1 1 1"),
    "ones + ones": (lambda: add(ones(), ones()), "2 2 2 2 2 2 2 2 2 2"),
    "ones + twos": (lambda: add(ones(), twos()), "3 3 3 3 3 3 3 3 3 3"),
    "longer + shorter": (lambda: add(poly(1, 2, 3), poly(1)), "2 2 3 end end"),
    "shorter + longer": (lambda: add(poly(), poly(1, 2)), "1 2 end end"),
    "-twos": (lambda: scale(-ONE, twos()), "-2 -2 -2 -2 -2 -2 -2 -2 -2 -2"),
    "ones - twos": (lambda: sub(ones(), twos()), "-1 -1 -1 -1 -1 -1 -1 -1 -1 -1"),
    "x**2/2": (lambda: monomial(Fraction(1, 2), 2), "0 0 1/2 end end"),
    "3 + x*ones": (lambda: shift(Fraction(3), ones()), "3 1 1 1 1 1 1 1 1 1"),
    "D ones": (lambda: differentiate(ones()), "1 2 3 4 5 6 7 8 9 10"),
    "D (1+2x+3x**2)": (lambda: differentiate(poly(1, 2, 3)), "2 6 end end"),
    "integral of ones": (
        lambda: integrate(ZERO, ones()),
        "0 1 1/2 1/3 1/4 1/5 1/6 1/7 1/8 1/9",
    ),
    "ones**2": (lambda: multiply(ones(), ones()), "1 2 3 4 5 6 7 8 9 10"),
    "(1+x)**3": (lambda: binomial(Fraction(3)), "1 3 3 1 end end"),
    "(1+x)**2 as a product": (
        lambda: multiply(poly(1, 1), poly(1, 1)),
        "1 2 1 end end",
    ),
    "1/(1-x)": (lambda: reciprocal(poly(1, -1)), "1 1 1 1 1 1 1 1 1 1"),
    "1/ones": (lambda: reciprocal(ones()), "1 -1 0 0 0 0 0 0 0 0"),
    "exp(ones), no constant": (lambda: exponential(ones()), EXP_OF_POLE),
    "exp(x)": (
        lambda: exponential(poly(0, 1)),
        "1 1 1/2 1/6 1/24 1/120 1/720 1/5040 1/40320 1/362880",
    ),
    "ones(-x**2)": (
        lambda: substitute_monomial(ones(), -ONE, 2),
        "1 0 -1 0 1 0 -1 0 1 0",
    ),
    "ones(x/(1-x))": (
        lambda: substitute(ones(), shift(ZERO, ones())),
        "1 1 2 4 8 16 32 64",
    ),
    "arc tangent": (arc_tangent, "0 1 0 -1/3 0 1/5 0 -1/7 0 1/9"),
    "ones, split": (lambda: add(*split(ones())), "2 2 2 2 2 2 2 2 2 2"),
}


@pytest.mark.parametrize("name", CASES)
async def test_coefficients(name: str) -> None:
    make, text = CASES[name]
    want = [None if term == "end" else Fraction(term) for term in text.split()]
    async with gochan.scope() as scope:
        series = make()
        assert [await series.get() for _ in want] == want
        scope.cancel()


async def test_split_at_different_rates() -> None:
    async with gochan.scope() as scope:
        fast, slow = split(integrate(ZERO, ones()))
        assert [await fast.get() for _ in range(6)][-1] == Fraction(1, 5)
        assert await slow.get() == ZERO
        assert await fast.get() == Fraction(1, 6)
        assert [await slow.get() for _ in range(6)][-1] == Fraction(1, 6)
        scope.cancel()
