"""Rewrites the source of a module so that the race detector hears of its accesses.

    o.x               read_attribute(o, "x").x
    o.x = v           write_attribute(o, "x").x = v
    o.x += v          read_attribute(o, "x").x += then_write_attribute(v, o, "x")
    o[i]              read_item(o, i)
    o[i] = v          o[write_item(o, i)] = v
    o[i] += v         o[use_item(o, i)] += then_write_item(v, o, i)
    x                 read_name(x, cell)          x a global or closure variable
    x = v             x = v; write_name(cell)
    x += v            use_name(cell); x += v; write_name(cell)
    with m: ...       with enter(m): ...

Everything is evaluated once and in the same order as before. An access is told just
before it is done, or where that cannot be written, just after it. The *cell* of a
variable is another variable beside it, in the same function or module, so that it is
found, captured and dropped by the language's own rules.

Patterns, annotations, type parameters and the targets of comprehensions stay as they
are; so do slices, of which nobody knows which items they are.
"""

from __future__ import annotations

import ast
from typing import Any, TypeVar

from ._places import CELL
from ._scopes import Scope, analyse

__all__ = ("FUNCTIONS", "rewrite")

# what rewritten code calls, and the names it has there
FUNCTIONS = (
    "enter",
    "imported",
    "imports_end",
    "new_cell",
    "read_attribute",
    "read_item",
    "read_name",
    "then_write_attribute",
    "then_write_item",
    "use_item",
    "use_name",
    "write_attribute",
    "write_item",
    "write_name",
    "wrote_name",
)
_PREFIX = "_gochan_do_"

N = TypeVar("N", bound=ast.AST)

# of any type, and nothing for type checkers to infer
_LIST: type[Any] = list


def rewrite(tree: ast.Module) -> ast.Module:
    """Rewrite a module in place, and return it."""
    scopes = analyse(tree)
    module = scopes[tree]
    rewriter = _Rewriter(scopes, module)
    body = rewriter.block(tree.body)
    start = _after_head(tree.body)
    prelude: list[ast.stmt] = [
        ast.ImportFrom(
            module="gochan.race._hooks",
            names=[ast.alias(name, _PREFIX + name) for name in FUNCTIONS],
            level=0,
        )
    ]
    prelude += [
        _assign(
            CELL + name,
            _call(
                "new_cell",
                ast.BinOp(_load("__name__"), ast.Add(), ast.Constant(f".{name}")),
            ),
        )
        for name in sorted(module.watched)
    ]
    end = ast.Expr(_call("imports_end"))
    tree.body = [*body[:start], *prelude, *body[start:], end]
    return ast.fix_missing_locations(tree)


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(function: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_load(_PREFIX + function), list(args), [])


def _assign(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _after_head(body: list[ast.stmt]) -> int:
    """The index after the docstring and the imports from ``__future__``."""
    index = 0
    if (
        body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        index = 1
    while index < len(body):
        statement = body[index]
        if not isinstance(statement, ast.ImportFrom) or (
            statement.module != "__future__"
        ):
            break
        index += 1
    return index


class _Rewriter(ast.NodeTransformer):
    def __init__(self, scopes: dict[ast.AST, Scope], module: Scope) -> None:
        self.scopes = scopes
        self.scope = module
        # of the innermost class, for names such as self.__x
        self.class_name = ""
        # the watched names that the running statement has assigned
        self.stored: list[str] = []
        self.temporaries: list[str] = []
        self.count = 0

    # Statements

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Rewrite a list of statements; also add what follows each of them."""
        result: list[ast.stmt] = []
        for statement in body:
            before: list[ast.stmt] = []
            if (
                isinstance(statement, ast.AugAssign)
                and isinstance(statement.target, ast.Name)
                and self.scope.watches(name := statement.target.id)
            ):
                before = [ast.Expr(_call("use_name", _load(CELL + name)))]
            rewritten: ast.stmt = self.visit(statement)
            after = self._after()
            if isinstance(statement, (ast.Import, ast.ImportFrom)) and (
                self.scope.outer is not None
            ):
                after.append(ast.Expr(_call("imported")))
            for new in (*before, *after):
                ast.copy_location(new, statement)
                ast.fix_missing_locations(new)
            result += [*before, rewritten, *after]
        return result

    def _after(self) -> list[ast.stmt]:
        """What has to follow the assignments that have been seen."""
        stored, self.stored = self.stored, []
        temporaries, self.temporaries = self.temporaries, []
        after: list[ast.stmt] = [
            ast.Expr(_call("write_name", _load(CELL + name))) for name in stored
        ]
        # they must keep nothing alive
        after += [_assign(name, ast.Constant(None)) for name in temporaries]
        return after

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A block that begins with what its head has assigned."""
        first = self._after()
        for new in first:
            ast.copy_location(new, body[0])
            ast.fix_missing_locations(new)
        return first + self.block(body)

    def _parts(self, node: ast.AST, *names: str) -> None:
        """Rewrite these fields."""
        for name in names:
            value = getattr(node, name)
            if isinstance(value, _LIST):
                setattr(node, name, [part and self.visit(part) for part in value])
            elif value is not None:
                setattr(node, name, self.visit(value))

    def _if(self, node: Any) -> Any:
        self._parts(node, "test")
        node.body = self.block(node.body)
        node.orelse = self.block(node.orelse)
        return node

    visit_If = _if
    visit_While = _if

    def _for(self, node: Any) -> Any:
        self._parts(node, "iter", "target")
        node.body = self._body(node.body)
        node.orelse = self.block(node.orelse)
        return node

    visit_For = _for
    visit_AsyncFor = _for

    def _with(self, node: Any) -> Any:
        self._parts(node, "items")
        if isinstance(node, ast.With):
            for item in node.items:
                manager = item.context_expr
                item.context_expr = _at(_call("enter", manager), manager)
        node.body = self._body(node.body)
        return node

    visit_With = _with
    visit_AsyncWith = _with

    def _try(self, node: Any) -> Any:
        node.body = self.block(node.body)
        self._parts(node, "handlers")
        node.orelse = self.block(node.orelse)
        node.finalbody = self.block(node.finalbody)
        return node

    visit_Try = _try
    visit_TryStar = _try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self._parts(node, "type")
        if node.name is not None:
            self._store(node.name)
        node.body = self._body(node.body)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        self._parts(node, "subject")
        for case in node.cases:
            for part in ast.walk(case.pattern):
                name = getattr(part, "rest", None) or getattr(part, "name", None)
                if isinstance(name, str):
                    self._store(name)
            stored = self.stored
            self.stored = []
            self._parts(case, "guard")
            self.stored = stored
            case.body = self._body(case.body)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        target = node.target
        if isinstance(target, ast.Attribute) and self._is_watched(target.attr):
            thing, again = self._twice(self.visit(target.value))
            name = ast.Constant(self._mangled(target.attr))
            target.value = _at(_call("read_attribute", thing, name), target)
            value = self.visit(node.value)
            node.value = _at(
                _call("then_write_attribute", value, again, name), node.value
            )
        elif isinstance(target, ast.Subscript) and not _has_slice(target.slice):
            thing, again = self._twice(self.visit(target.value))
            index, index_again = self._twice(self.visit(target.slice))
            target.value = thing
            target.slice = _at(_call("use_item", again, index), target)
            value = self.visit(node.value)
            node.value = _at(
                _call("then_write_item", value, again, index_again), node.value
            )
        else:
            self._parts(node, "target", "value")
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            self._parts(node, "value", "target")
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names += [CELL + name for name in node.names]
        return node

    def visit_TypeAlias(  # pragma: no cover  # 3.12 and later
        self, node: ast.AST
    ) -> ast.AST:
        return node

    # Scopes

    def _function(self, node: Any) -> Any:
        self._parts(node, "decorator_list")
        self._parts(node.args, "defaults", "kw_defaults")
        before, self.scope = self.scope, self.scopes[node]
        stored, self.stored = self.stored, []
        temporaries, self.temporaries = self.temporaries, []
        start = _after_head(node.body)
        body = self.block(node.body)
        cells = [
            _assign(
                CELL + name, _call("new_cell", ast.Constant(f"{name} of {node.name}()"))
            )
            for name in sorted(self.scope.watched)
        ]
        for cell in cells:
            ast.copy_location(cell, node.body[0])
            ast.fix_missing_locations(cell)
        node.body = [*body[:start], *cells, *body[start:]]
        self.scope, self.stored, self.temporaries = before, stored, temporaries
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._parts(node, "decorator_list", "bases", "keywords")
        before, self.scope = self.scope, self.scopes[node]
        class_name, self.class_name = self.class_name, node.name
        node.body = self.block(node.body)
        self.scope, self.class_name = before, class_name
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._parts(node.args, "defaults", "kw_defaults")
        before, self.scope = self.scope, self.scopes[node]
        self._parts(node, "body")
        self.scope = before
        return node

    def _comprehension(self, node: Any) -> Any:
        before, inner = self.scope, self.scopes[node]
        for number, generator in enumerate(node.generators):
            # the first iterable is evaluated outside
            self.scope = inner if number else before
            self._parts(generator, "iter")
            self.scope = inner
            self._parts(generator, "ifs")
        if isinstance(node, ast.DictComp):
            self._parts(node, "key", "value")
        else:
            self._parts(node, "elt")
        self.scope = before
        return node

    visit_ListComp = _comprehension
    visit_SetComp = _comprehension
    visit_DictComp = _comprehension
    visit_GeneratorExp = _comprehension

    # Accesses

    def _store(self, name: str) -> None:
        if self.scope.watches(name):
            self.stored.append(name)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            self._store(node.id)
            return node
        if not self.scope.watches(node.id):
            return node
        return _at(_call("read_name", node, _load(CELL + node.id)), node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        node.value = self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.outer is not None:
            scope = scope.outer
        name = node.target.id
        if not scope.watches(name):
            return node
        return _at(_call("wrote_name", node, _load(CELL + name)), node)

    @staticmethod
    def _is_watched(name: str) -> bool:
        return not (name.startswith("__") and name.endswith("__"))

    def _mangled(self, name: str) -> str:
        if name.startswith("__") and self.class_name.strip("_"):
            return f"_{self.class_name.lstrip('_')}{name}"
        return name

    def _twice(self, node: ast.expr) -> tuple[ast.expr, ast.expr]:
        """The same value a second time, evaluated once."""
        if isinstance(node, (ast.Name, ast.Constant)):
            again = _load(node.id) if isinstance(node, ast.Name) else node
            return node, _at(again, node)
        self.count += 1
        name = f"_gochan_tmp_{self.count}"
        self.temporaries.append(name)
        first = ast.NamedExpr(ast.Name(name, ast.Store()), node)
        return _at(first, node), _at(_load(name), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.value = self.visit(node.value)
        if self._is_watched(node.attr):
            load = isinstance(node.ctx, ast.Load)
            function = "read_attribute" if load else "write_attribute"
            name = ast.Constant(self._mangled(node.attr))
            node.value = _at(_call(function, node.value, name), node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self._parts(node, "value", "slice")
        if _has_slice(node.slice):
            return node
        if isinstance(node.ctx, ast.Load):
            return _at(_call("read_item", node.value, node.slice), node)
        node.value, again = self._twice(node.value)
        node.slice = _at(_call("write_item", again, node.slice), node.slice)
        return node


def _at(new: N, node: ast.AST) -> N:
    ast.copy_location(new, node)
    return ast.fix_missing_locations(new)


def _has_slice(index: ast.expr) -> bool:
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return any(isinstance(part, (ast.Slice, ast.Starred)) for part in parts)
