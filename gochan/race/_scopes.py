"""Which variables of a module are shared: its globals, and what closures capture.

A name is resolved as the compiler does it: a function's own names, else those of the
functions around it (not of classes), else the module's. A variable is watched if it is

- *global*: the module's, or
- *captured*: a function's, that was made by ``def``, and another one inside uses it,

and if it is ever assigned: what is only bound by ``def``, ``class``, ``import``, or as
a parameter is a constant. The variables of lambdas and comprehensions are not watched:
there is no place to keep what would be known of them.
"""

from __future__ import annotations

import ast
from typing import Any, Literal

__all__ = ("Scope", "analyse")

Kind = Literal["module", "class", "function", "lambda", "comprehension"]


class Scope:
    """The names of one module, class, function, lambda or comprehension."""

    def __init__(self, kind: Kind, outer: Scope | None) -> None:
        self.kind = kind
        self.outer = outer
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.used: set[str] = set()
        # bound by an assignment, here
        self.assigned: set[str] = set()
        # its own variables that are to be watched
        self.watched: set[str] = set()

    @property
    def module(self) -> Scope:
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope

    def owner(self, name: str) -> Scope:
        """The scope whose variable ``name`` is here."""
        if name in self.globals:
            return self.module
        if name in self.bound and name not in self.nonlocals:
            return self
        scope = self.outer
        while scope is not None and scope.outer is not None:
            if (
                scope.kind != "class"
                and name in scope.bound
                and name not in scope.nonlocals
            ):
                return self.module if name in scope.globals else scope
            scope = scope.outer
        return self.module

    def watches(self, name: str) -> bool:
        """Whether an access to ``name`` here is to be watched."""
        return name in self.owner(name).watched


def analyse(tree: ast.Module) -> dict[ast.AST, Scope]:
    """The scope of every node that has one of its own."""
    finder = _Finder()
    module = Scope("module", None)
    finder.scopes[tree] = finder.scope = module
    for statement in tree.body:
        finder.visit(statement)
    scopes = list(finder.scopes.values())
    # what is assigned, by whom it belongs to
    assigned = {(id(scope.owner(n)), n) for scope in scopes for n in scope.assigned}
    for scope in scopes:
        for name in scope.used | scope.assigned:
            owner = scope.owner(name)
            if (
                owner is not scope
                and owner.kind in ("module", "function")
                and (id(owner), name) in assigned
                and not name.startswith("__")
            ):
                owner.watched.add(name)
    return finder.scopes


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.scopes: dict[ast.AST, Scope] = {}
        self.scope: Scope = Scope("module", None)

    def _bind(self, name: str | None, scope: Scope | None = None) -> None:
        if name is not None:
            scope = scope or self.scope
            scope.bound.add(name)
            scope.assigned.add(name)

    def _within(self, node: ast.AST, kind: Kind, parts: list[Any]) -> Scope:
        before = self.scope
        self.scope = self.scopes[node] = inner = Scope(kind, before)
        for part in parts:
            self.visit(part)
        self.scope = before
        return inner

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.scope.used.add(node.id)
        else:
            self._bind(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocals.update(node.names)

    def _function(self, node: Any) -> None:
        self.scope.bound.add(node.name)
        for part in (
            *node.decorator_list,
            *node.args.defaults,
            *filter(None, node.args.kw_defaults),
        ):
            self.visit(part)
        inner = self._within(node, "function", node.body)
        self._parameters(inner, node)

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        self._parameters(self._within(node, "lambda", [node.body]), node)

    @staticmethod
    def _parameters(scope: Scope, node: Any) -> None:
        args: ast.arguments = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        for arg in (*every, args.vararg, args.kwarg):
            if arg is not None:
                scope.bound.add(arg.arg)
        # 3.12 and later
        scope.bound.update(one.name for one in getattr(node, "type_params", ()))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.scope.bound.add(node.name)
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        self._within(node, "class", node.body)

    def _comprehension(self, node: Any) -> None:
        # the first iterable is evaluated outside
        first, *others = node.generators
        self.visit(first.iter)
        parts = [first.target, *first.ifs, *others]
        values = (
            [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        )
        self._within(node, "comprehension", [*parts, *values])

    visit_ListComp = _comprehension
    visit_SetComp = _comprehension
    visit_DictComp = _comprehension
    visit_GeneratorExp = _comprehension

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        scope = self.scope
        while scope.kind == "comprehension" and scope.outer is not None:
            scope = scope.outer
        self._bind(node.target.id, scope)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None and isinstance(node.target, ast.Name):
            # a declaration: makes it local, and does nothing
            self.scope.bound.add(node.target.id)
            return
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            self.scope.bound.add(alias.asname or alias.name.partition(".")[0])

    visit_Import = _import
    visit_ImportFrom = _import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._bind(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._bind(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind(node.rest)
        self.generic_visit(node)
