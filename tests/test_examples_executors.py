"""The examples that run goroutines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from test_examples import Program

if TYPE_CHECKING:
    from pathlib import Path


def runtime(anyio_backend: tuple[str, dict[str, Any]]) -> str:
    name, options = anyio_backend
    if options:
        pytest.skip(f"the examples have no option for {options}")
    return name


def test_files_of_the_same_content_are_found(
    tmp_path: Path, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    (tmp_path / "b").mkdir()
    for name, content in {"a": b"same", "b/d": b"other", "c": b"same"}.items():
        (tmp_path / name).write_bytes(content)
    duplicates = Program("duplicates", runtime(anyio_backend))
    done = duplicates(tmp_path, "--workers", 2)
    (line,) = done.stdout.decode().splitlines()
    assert "a = " in line
    assert line.endswith("c (4 bytes)")


def test_a_synchronous_client_asks_from_many_fibers(
    anyio_backend: tuple[str, dict[str, Any]],
) -> None:
    pytest.importorskip("greenback")
    client = Program("legacy_client", runtime(anyio_backend))
    done = client("--clients", 4, "--requests", 2)
    assert sorted(done.stdout.decode().splitlines()) == [
        f"200 /{client}/{number}" for client in range(4) for number in range(2)
    ]
