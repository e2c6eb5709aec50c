"""A grammar as Lark compiles it: terminals, rules and LALR tables as plain data, which `lalr.py` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hvaedsl.diagnostics.errors import CompilerBug


def compiled(path: Path, starts: Sequence[str]) -> dict[str, Any]:
    """Compile a grammar for several start rules; the result is made of lists, strings and numbers, for JSON."""
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import BasicLexer, PatternStr, TerminalDef

    with _without_checks():
        lark = Lark.open(str(path), parser="lalr", lexer="basic", start=list(starts))
    data, memo = lark.memo_serialize([TerminalDef, Rule])
    table, lexer = data["parser"]["parser"], data["parser"]["lexer_conf"]
    if lexer["g_regex_flags"]:
        raise CompilerBug(f"{path.name} has flags for all terminals, which the lexer does not apply")

    # Words that are terminals, and also match a regular expression, are recognized after the match.
    scanner = lark.parser.lexer
    assert isinstance(scanner, BasicLexer)
    words = {item.pattern.value: item.name for item in lark.terminals if isinstance(item.pattern, PatternStr)}
    in_order = [(str(item.name), item.pattern.to_regexp()) for item in scanner.scanner.terminals]
    listed = {name for name, _ in in_order}
    keywords = {
        str(kind): {word: str(name) for word, name in words.items() if name not in listed}
        for kind in scanner.callback
        if kind in listed
    }

    number = {ref: at for at, ref in enumerate(item["@"] for item in data["parser"]["parser_conf"]["rules"])}
    for state in table["states"].values():  # the start rules, which Lark adds
        for kind, target in state.values():
            if kind == 1:
                number.setdefault(target["@"], len(number))
    actions, gotos = _tables(table, number)
    return {
        "terminals": in_order,
        "keywords": keywords,
        "ignored": [str(name) for name in lexer["ignore"]],
        "rules": [_rule(memo[ref]) for ref in number],
        "actions": actions,
        "gotos": gotos,
        "starts": table["start_states"],
        "ends": table["end_states"],
    }


@contextmanager
def _without_checks() -> Iterator[None]:
    """Without Lark's search for overlapping terminals, also of its own grammar: two thirds of the time.

    Lark searches only if interegular is installed, which tests use for the same search in strict mode.
    """
    from lark import lexer

    installed = getattr(lexer, "has_interegular", False)
    lexer.has_interegular = False
    try:
        yield
    finally:
        lexer.has_interegular = installed


def _tables(table: Mapping[str, Any], number: Mapping[int, int]) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """The actions and the next states of each state. Lark numbers its states from 0."""
    names = {at: str(name) for at, name in table["tokens"].items()}
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    for state in range(len(table["states"])):
        row = {names[at]: entry for at, entry in table["states"][state].items()}
        shifts = {name: target for name, (kind, target) in row.items() if kind == 0}
        actions.append({name: target for name, target in shifts.items() if name.isupper()})
        actions[-1] |= {name: ~number[target["@"]] for name, (kind, target) in row.items() if kind == 1}
        gotos.append({name: target for name, target in shifts.items() if not name.isupper()})
    return actions, gotos


def _rule(rule: Mapping[str, Any]) -> list[Any]:
    """A rule as `lalr.Rule` has it: tokens that the grammar writes as text are left out of the node."""
    options = rule["options"]
    if options["keep_all_tokens"] or any(options["empty_indices"]):
        raise CompilerBug(f"rule {rule['origin']['name']} has options that the parser does not apply")
    kept = [
        [at, symbol["name"].startswith("_")]
        for at, symbol in enumerate(rule["expansion"])
        if not symbol.get("filter_out")
    ]
    origin = str(rule["origin"]["name"])
    passes = bool(options["expand1"]) and not rule["alias"]
    return [origin, len(rule["expansion"]), str(rule["alias"] or origin), kept, passes]
