"""A rule and its wording are discovered: a file in `hvaedsl/rules` is all that a rule is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Severity
from hvaedsl.pipeline import ADVICE_RULES, ERROR_RULES
from hvaedsl.rules import KINDS, kinds_of, modules

ROOT = Path(hvaedsl.__file__).parents[1]
FILES = {module.__name__.rpartition(".")[2]: module for module in modules()}


def test_every_file_brings_rules_and_all_are_asked() -> None:
    assert set(FILES) == {path.stem for path in (ROOT / "hvaedsl" / "rules").glob("*.py")} - {"__init__"}
    found = {name: (*getattr(file, "ERRORS", ()), *getattr(file, "ADVICE", ())) for name, file in FILES.items()}
    assert all(found.values()), "a file without ERRORS and ADVICE"
    asked = [rule.check for rule in (*ERROR_RULES, *ADVICE_RULES)]
    assert len(asked) == len(set(asked))
    assert set(asked) == {rule.check for of_file in found.values() for rule in of_file}


def test_a_file_words_what_it_yields() -> None:
    advising = {rule.check.__module__.rpartition(".")[2] for rule in ADVICE_RULES}
    for name, file in FILES.items():
        severities = {kind.severity for kind in kinds_of(file)}
        # The range of a key is worded where keys are read; the rule compares it with the model.
        assert severities or name == "sampled_layers"
        assert severities <= {Severity.ADVICE if name in advising else Severity.ERROR}


def test_every_piece_of_advice_says_what_it_rests_on() -> None:
    kinds = [kind for kind in KINDS.values() if kind.severity is Severity.ADVICE]
    of_rules = {kind.code for file in FILES.values() for kind in kinds_of(file) if kind.severity is Severity.ADVICE}
    # `hvaedsl lint` itself gives the last two.
    assert {kind.code for kind in kinds} == of_rules | {"HV590", "HV591"}
    assert all(kind.rests_on for kind in kinds)
    assert all(kind.code.startswith(("HV5", "HV6")) for kind in kinds)


def test_codes_are_unique() -> None:
    codes = [kind.code for file in FILES.values() for kind in kinds_of(file)]
    assert len(codes) == len(set(codes))
    assert list(KINDS) == sorted(KINDS)


def test_one_more_file_is_one_more_rule(tmp_path: Path) -> None:
    """A file beside those of the package, without touching any of them."""
    (tmp_path / "prime_width.py").write_text(
        "from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity\n"
        "from hvaedsl.passes.base import Rule\n"
        "class PrimeWidth(Diagnostic):\n"
        "    code, severity, title = 'HV599', Severity.ADVICE, 'a prime width'\n"
        "    why = rests_on = bad = good = ''\n"
        "def check(unit):\n    yield PrimeWidth(span=unit.origin('model.width'))\n"
        "ADVICE = (Rule(check, ('model.width',)),)\n"
    )
    code = (
        "from hvaedsl import rules\n"
        f"rules.__path__.append({str(tmp_path)!r})\n"
        "assert 'HV599' in rules.kinds()\n"
        "import hvaedsl\n"
        "assert 'HV599' in [item.code for item in hvaedsl.load('digits').advice]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
