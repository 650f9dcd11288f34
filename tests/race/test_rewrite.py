"""The rewriting of modules: the same program, with its accesses told."""

from __future__ import annotations

import ast
import contextlib
import sys
import sysconfig
import weakref
from pathlib import Path
from typing import Any

import pytest

import gochan
from gochan import race
from gochan.race import _hook, _places, _scopes
from support.races import lines, rewritten

STDLIB = Path(sysconfig.get_path("stdlib"))


def races(
    source: str, tmp_path: Path, backend: dict[str, Any], **names: Any
) -> list[str]:
    """Of the ``main`` of a rewritten module that has ``go`` and ``settle``."""
    namespace = rewritten(
        "from gochan import Chan, go, scope\nfrom support.idle import settle\n"
        + source,
        tmp_path,
        **names,
    )
    with race.detector(report="collect") as detector:
        gochan.run(namespace["main"], **backend)
    return lines(detector.races)


# What is seen

PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "attribute": (
        """
class Box: pass
box = Box()
async def main():
    async def child(): box.x = 1
    go(child)
    await settle()
    box.x
""",
        ["read/write Box.x"],
    ),
    "attribute, augmented": (
        """
class Box: pass
def it(): return box
box = Box()
box.x = 0
async def main():
    async def child(): it().x += 1
    go(child)
    await settle()
    box.x = 2
""",
        ["write/write Box.x"],
    ),
    "attribute, deleted": (
        """
class Box: pass
box = Box()
box.x = 0
async def main():
    async def child(): box.x
    go(child)
    await settle()
    del box.x
""",
        ["write/read Box.x"],
    ),
    "private attribute": (
        """
class Box:
    def set(self): self.__x = 1
    def get(self): return self.__x
box = Box()
async def main():
    async def child(): box.set()
    go(child)
    await settle()
    assert box._Box__x == box.get() == 1
""",
        # from outside by its real name: the same variable
        ["read/write Box._Box__x"],
    ),
    "class attribute": (
        """
class Box: total = 0
async def main():
    async def child(): Box.total += 1
    go(child)
    await settle()
    assert Box().total == 1
""",
        ["read/write Box.total"],
    ),
    "slots": (
        """
class Box: __slots__ = ("x",)
box = Box()
async def main():
    async def child(): box.x = 1
    go(child)
    await settle()
    assert box.x == 1
""",
        ["read/write Box.x"],
    ),
    "property": (
        """
class Box:
    _x = 0
    @property
    def x(self): return 5
    @x.setter
    def x(self, value): pass
box = Box()
async def main():
    async def child(): box.x = 1
    go(child)
    await settle()
    assert box.x == 5
""",
        [],
    ),
    "module attribute": (
        """
import support.races as module
async def main():
    async def child(): module.invented = 1
    go(child)
    await settle()
    assert module.invented == 1
    del module.invented
""",
        ["read/write support.races.invented", "write/write support.races.invented"],
    ),
    "items": (
        """
d, l = {}, [0, 0]
def it(): return d
async def main():
    async def child():
        d["a"] = 1
        l[-1] += 1
        it()["t", 1] = 2
    go(child)
    await settle()
    d["a"], l[0], l[1], d["t", 1]
""",
        [
            "read/write item ['a'] of a dict",
            "read/write item [('t', 1)] of a dict",
            "read/write item [1] of a list",
        ],
    ),
    "items, deleted": (
        """
d = {"a": 1}
async def main():
    async def child(): d["a"]
    go(child)
    await settle()
    del d["a"]
""",
        ["write/read item ['a'] of a dict"],
    ),
    "an object as index": (
        """
class Key:
    def __repr__(self): return "key"
class Equal:
    def __eq__(self, other): return True
    def __hash__(self): return 1
key, other, d = Key(), Key(), {}
async def main():
    async def child():
        d[key] = 1
        d[Equal()] = 1
        d[(key,)] = 1
    go(child)
    await settle()
    d[key], d[Equal()], d[(key,)]
    d[other] = 1
""",
        ["read/write item [key] of a dict"],
    ),
    "slices": (
        """
l = [0, 0]
async def main():
    async def child(): l[:] = [1, 1]
    go(child)
    await settle()
    l[0:1]
""",
        [],
    ),
    "global": (
        """
total = 0
async def main():
    async def child():
        global total
        total += 1
    go(child)
    await settle()
    assert total == 1
""",
        ["read/write program.total"],
    ),
    "global that is assigned in functions alone": (
        """
async def main():
    async def child():
        global total
        total = 1
    go(child)
    await settle()
    total
""",
        ["read/write program.total"],
    ),
    "closure": (
        """
async def main():
    total = 0
    async def child():
        nonlocal total
        total += 1
    go(child)
    await settle()
    assert total == 1
""",
        ["read/write total of main()"],
    ),
    "closure, unpacked, in for, with, except, match, walrus, del": (
        """
from contextlib import nullcontext
async def main():
    a = b = c = d = e = f = g = h = i = 0
    async def child():
        nonlocal a, b, c, d, e, f, g, h, i
        a, [b, *_] = 1, [2]
        for c in (1,): pass
        with nullcontext(1) as d: pass
        try: raise KeyError
        except KeyError as e: pass
        match {"k": 1, "l": 2}:
            case {"k": f, **g} if f: pass
        if (h := 1): pass
        del i
    go(child)
    await settle()
    a; b; c; d; f; g; h
    e = i = 1
""",
        [
            "read/write a of main()",
            "read/write b of main()",
            "read/write c of main()",
            "read/write d of main()",
            "read/write f of main()",
            "read/write g of main()",
            "read/write h of main()",
            "write/write e of main()",
            "write/write i of main()",
        ],
    ),
    "a variable of its own in each call": (
        """
async def main():
    async def counts():
        n = 0
        async def child():
            nonlocal n
            n += 1
        async with scope():
            go(child)
        assert n == 1
    go(counts)
    go(counts)
    await settle()
""",
        [],
    ),
    "what is never assigned": (
        """
import json
def helper(): return 1
CONSTANT: int
async def main():
    def inner(): return helper() + len(json.dumps(parameter))
    parameter = 5
    async def child(): inner()
    go(child)
    await settle()
    inner()
""",
        [],
    ),
    "methods": (
        """
class Box:
    def method(self): return 1
    @classmethod
    def cls(cls): return 2
    @staticmethod
    def static(): return 3
async def main():
    box = Box()
    async def child(): box.method(), box.cls(), Box.static(), "x".upper(), [].append
    go(child)
    go(child)
    await settle()
""",
        [],
    ),
    "ordered": (
        """
total = 0
d = {}
async def main():
    seen = 0
    ch = Chan(1)
    async def child():
        nonlocal seen
        global total
        await ch.send(1)
        seen += 1
        total += 1
        d["a"] = d.get("a", 0) + 1
        await ch.recv()
    async with scope():
        for _ in range(3):
            go(child)
    assert seen == total == d["a"] == 3
""",
        [],
    ),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_programs(tmp_path: Path, backend: dict[str, Any], what: str) -> None:
    source, expected = PROGRAMS[what]
    assert races(source, tmp_path, backend) == expected


# What must stay the same


def same(source: str, tmp_path: Path) -> dict[str, Any]:
    """Execute it as it is and rewritten, with and without a detector: ``result``."""
    plain: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, "program.py", "exec", dont_inherit=True), plain)
    once = rewritten(source, tmp_path)
    with race.detector():
        twice = rewritten(source, tmp_path)
    assert plain["result"] == once["result"] == twice["result"]
    return plain


EVALUATION = '''
"""The docstring."""
from __future__ import annotations
log = []
def note(x, value=None):
    log.append(x)
    return value
class Thing:
    def __getattr__(self, name):
        log.append(f"get {name}")
        return 1
    def __setattr__(self, name, value):
        log.append(f"set {name} {value}")
    def __delattr__(self, name):
        log.append(f"del {name}")
    def __getitem__(self, index):
        log.append(f"get [{index}]")
        return 1
    def __setitem__(self, index, value):
        log.append(f"set [{index}] {value}")
    def __delitem__(self, index):
        log.append(f"del [{index}]")
thing = Thing()
def it(): return note("thing", thing)
it().a = note("value", 2)
it().a += note("value", 2)
it()[note("index", 3)] = note("value", 2)
it()[note("index", 3)] += note("value", 2)
it().b, it()[note("index")] = note("value", (1, 2))
it()[1:note("stop", 2)] = note("value", 2)
it()[1:note("stop", 2)] += note("value", 2)
del it().c, it()[note("index")]
it().d[note("index", 0)] if 0 else it()[note("index", 0), *(1, 2)]
for it().e in (1, 2): pass
with __import__("contextlib").nullcontext(1) as it().f: pass
class Inner:
    x: int = note("class", 5)
    y = x + 1
    z: it().g
    def method(self): return super().__repr__() and super().__class__ is not None
numbers = [1, 2]
numbers[0] += 5
alias = numbers
numbers += [3]
a = b = 0
def outer():
    global a
    n = 1
    a, n = n, 2
    def inner():
        nonlocal n
        n += 1
        return [n + k for k in range(2) if (m := k) >= 0 if m < n], (lambda: n)()
    return inner() + (n,)
def recursive(n): return n if n < 1 else recursive(n - 1)
def generator():
    total = 0
    def add():
        nonlocal total
        total += yield_()
    def yield_(): return 2
    add()
    yield total
    yield from (total for _ in range(1))
def matches(value):
    match value:
        case [x, *rest] if rest: found = (x, rest)
        case {"k": y, **others}: found = (y, others)
        case int() as z: found = z
        case _: found = None
    def again(): return found
    return again()
def handles():
    try:
        raise ValueError(1)
    except* ValueError as error:
        caught = error
    def again(): return caught.exceptions[0].args
    return again()
def keywords(*, x=it().h, **rest): return (lambda y=x: y)()
result = (
    log, Inner.y, Inner().method(), numbers, alias is numbers, outer(), a,
    recursive(3), list(generator()), matches([1, 2]), matches({"k": 1, "l": 2}),
    matches(3), matches("x"), handles(), keywords(), f"{a=} {numbers[0]!r:>4}",
    __doc__, {k: v for k, v in zip(numbers, numbers[1:])},
    [x.real for x in numbers if x.imag == 0],
)
'''


def test_everything_is_evaluated_once_and_in_order(tmp_path: Path) -> None:
    same(EVALUATION, tmp_path)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is new in 3.12")
def test_type_parameters(tmp_path: Path) -> None:
    same(
        """
type Pair[T] = tuple[T, T]
def first[T](pair: Pair[T]) -> T:
    kept = pair
    def inner() -> T:
        return kept[0]
    return inner()
class Box[T]:
    value: T
    def __init__(self, value: T) -> None:
        self.value = value
result = first((1, 2)), Box(3).value, f"{', '.join(['a'])}"
""",
        tmp_path,
    )


def test_temporary_values_are_let_go(tmp_path: Path) -> None:
    class Thing(dict[Any, Any]):
        pass

    kept: list[weakref.ref[Thing]] = []

    def it() -> Thing:
        thing = Thing(a=1)
        kept.append(weakref.ref(thing))
        return thing

    rewritten(
        """
        def f():
            it().x = 1
            it()["a"] += 1
            it()["b"] = 1
            assert [one() for one in kept] == [None] * 3
        f()
        """,
        tmp_path,
        it=it,
        kept=kept,
    )


def test_line_numbers(tmp_path: Path) -> None:
    namespace = rewritten(
        """
        def f(d):
            d["a"] = 1
            x = (
                d["missing"]
            )
        """,
        tmp_path,
    )
    with pytest.raises(KeyError) as raised:
        namespace["f"]({})
    assert raised.traceback[1].lineno + 1 == 5


SAMPLE = ("ast", "dataclasses", "typing", "inspect", "asyncio/tasks", "json/decoder")


@pytest.mark.parametrize("module", SAMPLE)
def test_modules_of_the_standard_library(module: str) -> None:
    path = STDLIB / f"{module}.py"
    _hook.compile_source(path.read_bytes(), str(path))


@pytest.mark.slow
def test_much_of_the_standard_library() -> None:
    """Whatever can be compiled can be compiled when it is rewritten."""
    number = 0
    for path in sorted(STDLIB.glob("*.py")) + sorted(
        STDLIB.glob("test/test_[a-c]*.py")
    ):
        source = path.read_bytes()
        with contextlib.suppress(SyntaxError):
            compile(source, str(path), "exec", dont_inherit=True)
            number += 1
            _hook.compile_source(source, str(path))
    assert number > 100


def test_decimal_computes_as_before(tmp_path: Path) -> None:
    """A large module of the standard library, rewritten and used."""
    source = (STDLIB / "_pydecimal.py").read_text()
    own = rewritten(source, tmp_path)
    plain: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, "_pydecimal.py", "exec"), plain)
    with race.detector():
        for a, b in [("1.1", "2.25"), ("-7", "3"), ("1e50", "3e-20")]:
            for method in ("__add__", "__mul__", "__truediv__", "__pow__", "compare"):
                ours = getattr(own["Decimal"](a), method)(own["Decimal"](b[0]))
                theirs = getattr(plain["Decimal"](a), method)(plain["Decimal"](b[0]))
                assert str(ours) == str(theirs)


def test_what_has_no_attributes(tmp_path: Path) -> None:
    namespace = rewritten(
        """
        def f(thing):
            thing.x = 1
        """,
        tmp_path,
    )
    with race.detector():
        for thing in ("text", 5, (1,)):
            with pytest.raises(AttributeError):
                namespace["f"](thing)


# The analysis of names


def watched(source: str) -> dict[str, set[str]]:
    scopes = _scopes.analyse(ast.parse(source))
    return {
        getattr(node, "name", type(node).__name__): scope.watched
        for node, scope in scopes.items()
        if scope.watched
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ndef f(): return x", {"Module": {"x"}}),
        ("x = 1\nprint(x)", {}),
        ("def x(): pass\ndef f(): return x", {}),
        ("import x\ndef f(): return x", {}),
        ("from a import x as y\ndef f(): return y", {}),
        ("def f(x):\n def g(): return x", {}),
        ("def f(x):\n x = 1\n def g(): return x", {"f": {"x"}}),
        ("def f():\n x = 1\n def g():\n  x = 2\n  return x", {}),
        ("def f():\n x = 1\n def g():\n  nonlocal x\n  x = 2", {"f": {"x"}}),
        ("x = 1\ndef f():\n x = 2\n def g():\n  global x\n  x = 3", {"Module": {"x"}}),
        ("def f():\n global x\n x = 1\n def g(): return x", {"Module": {"x"}}),
        ("class A:\n x = 1\n def f(self): return x", {}),
        ("def f():\n class A:\n  x = 1\n  y = x\n return A", {}),
        ("def f():\n x = 1\n class A:\n  y = x", {"f": {"x"}}),
        ("def f():\n x = 1\n return lambda: x", {"f": {"x"}}),
        ("def f():\n return lambda x: lambda: x", {}),
        ("def f():\n return [x for x in range(3) if (lambda: x)()]", {}),
        ("def f():\n [y := x for x in [1]]\n def g(): return y", {"f": {"y"}}),
        ("def f():\n return lambda: (y := 1)", {}),
        ("def f():\n x: int\n def g(): return x", {}),
        ("def f():\n x: int = 1\n def g(): return x", {"f": {"x"}}),
        ("def f():\n o.x: int = 1", {}),
        ("__x = 1\ndef f(): return __x, __name__", {}),
        ("def f(a=1, *b, c=2, **d): return lambda: (a, b, c, d)", {}),
    ],
)
def test_which_variables_are_watched(
    source: str, expected: dict[str, set[str]]
) -> None:
    assert watched(source) == expected


# The shadows of places


def test_objects_without_weak_references_are_let_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_places, "KEPT", 8)
    namespace = rewritten(
        """
        def f(keep):
            for _ in range(100):
                item = [0]
                item[0] = 1
                if keep is not None:
                    keep.append(item)
        """,
        tmp_path,
    )
    with race.detector() as detector:
        namespace["f"](None)
        assert len(detector._places._kept) <= 8
        kept: list[Any] = []
        namespace["f"](kept)
        # those that are in use are given up, too, if there are too many
        assert len(detector._places._kept) <= 8
    assert not detector._places._kept


def test_items_of_one_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_places, "ITEMS", 8)
    namespace = rewritten("def f(d):\n    for i in range(100): d[i] = 1\n", tmp_path)
    with race.detector() as detector:
        d: dict[int, int] = {}
        namespace["f"](d)
        assert len(detector._places._kept[id(d)][1]) <= 8


def test_shadows_die_with_their_objects(tmp_path: Path) -> None:
    namespace = rewritten(
        """
        class Box: pass
        def f():
            for _ in range(10):
                box = Box()
                box.x = 1
        """,
        tmp_path,
    )
    with race.detector() as detector:
        namespace["f"]()
        boxes = [entry for entry in detector._places._weak.values() if "x" in entry[1]]
        assert boxes == []
