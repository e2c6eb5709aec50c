"""Specs with constants, alone or in a chain of three files, and what is found in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Source
from hvaedsl.program import compile_source


def found(text: str, **options: Any) -> list[Diagnostic]:
    return list(compile_source(Source("a.hvae", text), **options).diagnostics)


def codes(text: str, **options: Any) -> list[str]:
    return [item.code for item in found(text, **options)]


def errors(text: str, **options: Any) -> list[tuple[str, str]]:
    """Each finding's code and the text that it points at."""
    return [(item.code, item.span.text) for item in found(text, **options)]


def with_lets(*lets: str, **parts: str) -> str:
    return spec(top="\n".join(["hvae 1", *(f"let {item}" for item in lets)]), **parts)


def child(chain: Path, text: str, **options: Any) -> hvaedsl.Program:
    path = chain / "child.hvae"
    path.write_text(f'hvae 1\nextends "middle.hvae"\n{text}\n')
    return hvaedsl.load(path, **options)


def child_errors(chain: Path, text: str, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(hvaedsl.SpecError) as caught:
        child(chain, text, **options)
    return [(item.code, item.span.text) for item in caught.value.diagnostics]
