"""Exceptions as other processes and threads get them: pickled and copied with everything that they say."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import HvaedslError, SpecError, error_types
from tests.diagnostics.error_arguments import ARGUMENTS

KINDS: list[type[Any]] = [HvaedslError, *error_types()]
BROKEN = "hvae 1\nmodel { widht = 1 }\n"


def _pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol))


def _spec_error() -> SpecError:
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(BROKEN, path="broken.hvae")
    return caught.value


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, _pickled(0), _pickled(pickle.HIGHEST_PROTOCOL)],
    ids=["copy", "deepcopy", "first protocol", "last protocol"],
)
def test_every_error_is_the_same_elsewhere(kind: type[Any], again: Callable[[Any], Any]) -> None:
    if kind is SpecError:
        error: Any = _spec_error()
    else:
        error = kind("what happened", help="the way out", **ARGUMENTS.get(kind, {}))
    error.add_note("a note")

    back = again(error)
    assert type(back) is kind
    assert vars(back) == vars(error)
    assert (str(back), back.args, back.__notes__) == (str(error), error.args, ["a note"])
    assert (back.report, getattr(back, "exit_code", None)) == (error.report, getattr(error, "exit_code", None))
    if kind is not SpecError:
        assert back.details == error.details


def test_a_new_process_reads_the_diagnostics() -> None:
    """The classes of the diagnostics have no objects there yet."""
    code = (
        "import pickle, sys; error = pickle.load(sys.stdin.buffer)\n"
        "found = error.diagnostics[0]; assert found == found and hash(found)\n"
        "print(repr(found.span)); print(error.report)"
    )
    error = _spec_error()
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(error), capture_output=True, check=False)
    assert done.stderr == b""
    assert done.stdout.decode().splitlines()[0] == repr(error.diagnostics[0].span)


def test_a_process_pool_raises_it() -> None:
    """A pool whose result cannot be unpickled waits forever or reports that it is broken."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(SpecError, match="widht"):
        pool.submit(hvaedsl.loads, BROKEN).result(60)
