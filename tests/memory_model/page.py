"""Writes the table of rules into the documentation.

PYTHONPATH=tests python -m memory_model.page
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from memory_model import chans, goroutines, groups, locks, times
from memory_model.rules import RULES, SECTIONS, Rule
from support.litmus import OK, RACE, TABLE

__all__ = ("PAGE", "with_table")

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "memory-model.md"

# whose programs have registered themselves
MODULES = (chans, goroutines, groups, locks, times)

BEGIN: Final = "<!-- rules: written by tests/memory_model/page.py -->\n"
END: Final = "<!-- rules: end -->\n"


def _programs(rule: Rule, expect: str) -> str:
    names = [
        row.name for row in TABLE if (row.rule, row.expect) == (rule.number, expect)
    ]
    return ", ".join(name.replace("_", " ") for name in names)


def table() -> str:
    """All rules, section by section, each with its programs."""
    lines: list[str] = []
    for letter, title in SECTIONS.items():
        lines += [
            f"\n### {letter}. {title}\n",
            "| | | rule | ordered | a race |",
            "|---|---|---|---|---|",
        ]
        for rule in RULES:
            if rule.number[0] == letter:
                ordered, racy = _programs(rule, OK), _programs(rule, RACE)
                cells = (rule.number, rule.status, rule.text, ordered, racy)
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def with_table(page: str) -> str:
    """The page with the table as it has to be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + table() + END + tail


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
