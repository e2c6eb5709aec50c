"""Servers of the language server's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.client import Client

Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, and ends those that a test leaves running."""
    running: list[Client] = []

    def begin(**options: Any) -> Client:
        running.append(Client(tmp_path, **options))
        return running[-1]

    yield begin
    for client in running:
        client.kill()


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """The URI of a spec that need not exist."""
    return (tmp_path / "spec.hvae").as_uri()
