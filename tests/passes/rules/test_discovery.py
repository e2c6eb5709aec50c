"""A rule and its wording are found by lying in their folders."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import hvaedsl
from hvaedsl.catalog import KINDS, advice
from hvaedsl.diagnostic import Severity
from hvaedsl.passes.pipeline import ADVICE_RULES, ERROR_RULES

ROOT = Path(hvaedsl.__file__).parents[1]


def modules(package: str) -> set[str]:
    folder = ROOT.joinpath(*package.split("."))
    return {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}


def test_every_file_brings_rules_and_all_are_asked() -> None:
    found = {}
    for name in modules("hvaedsl.passes.rules"):
        module = import_module(f"hvaedsl.passes.rules.{name}")
        found[name] = (*getattr(module, "ERRORS", ()), *getattr(module, "ADVICE", ()))
    assert all(found.values()), "a file without ERRORS and ADVICE"
    asked = [rule.check for rule in (*ERROR_RULES, *ADVICE_RULES)]
    assert len(asked) == len(set(asked))
    assert set(asked) == {rule.check for of_file in found.values() for rule in of_file}


def test_a_rule_that_advises_has_its_wording_under_its_name() -> None:
    advising = {rule.check.__module__.rpartition(".")[2] for rule in ADVICE_RULES}
    assert modules("hvaedsl.catalog.advice") == advising


def test_every_piece_of_advice_says_what_it_rests_on() -> None:
    kinds = [kind for kind in KINDS.values() if kind.severity is Severity.ADVICE]
    # `hvaedsl lint` itself gives the last two.
    assert {kind.code for kind in kinds} == {kind.code for kind in advice.kinds()} | {"HV590", "HV591"}
    assert all(kind.rests_on for kind in kinds)
    assert all(kind.code.startswith(("HV5", "HV6")) for kind in kinds)


def test_one_more_file_each_is_one_more_rule(tmp_path: Path) -> None:
    """Files beside those of the packages, without touching any of them."""
    (tmp_path / "wording").mkdir()
    (tmp_path / "checks").mkdir()
    (tmp_path / "wording" / "prime_width.py").write_text(
        "from hvaedsl.catalog.advice.normalized_state import NormalizedState\n"
        "class PrimeWidth(NormalizedState):\n    code = 'HV599'\n    title = 'a prime width'\n"
        "KINDS = (PrimeWidth,)\n"
    )
    (tmp_path / "checks" / "prime_width.py").write_text(
        "from hvaedsl.catalog.advice.prime_width import PrimeWidth\n"
        "from hvaedsl.passes.base import Rule\n"
        "def check(unit):\n    yield PrimeWidth(span=unit.origin('model.width'))\n"
        "ADVICE = (Rule(check, ('model.width',)),)\n"
    )
    code = (
        "from hvaedsl.catalog import advice\n"
        "from hvaedsl.passes import rules\n"
        f"advice.__path__.append({str(tmp_path / 'wording')!r})\n"
        f"rules.__path__.append({str(tmp_path / 'checks')!r})\n"
        "assert 'HV599' in [kind.code for kind in advice.kinds()]\n"
        "assert 'prime_width' in [rule.check.__module__.split('.')[-1] for rule in rules.rules('ADVICE')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
