"""All places of a name: a constant in the specs that share it, a label in the stacks that share its weights.

A constant belongs to a chain of `extends`, and so to every spec whose chain shares a file that writes it. A label
belongs to a stack: to the list of the key, to the lists that it uses by name, and to that of the base at `$base`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.constants import BASE
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.occurrences import Name, Occurrence, occurrences
from hvaedsl.lsp.placed_tokens import LET, PlacedToken, placed_tokens

# Other texts with a name, or all if it is empty: each as the chain of its sources, its own last.
Chains = Callable[[str], Iterable[tuple[Source, ...]]]
Places = Sequence[tuple[Source, Sequence[Occurrence]]]
_Node = tuple[str, str]  # a text, and the key or `let` of a list in it


def no_chains(_: str) -> tuple[()]:
    """No other texts."""
    return ()


def places(analyzed: AnalyzedText, name: Name, chains: Chains = no_chains) -> Places:
    """The occurrences of a name in each source that has it, this text first."""
    mine = _chain_texts(analyzed)
    if name.kind == "constant":
        texts = _family(mine, name, chains)
        found = [(text.source, [item for item in text.occurrences if item.name == name]) for text in texts]
    else:
        found = _Labels(mine, chains).places(name)
    return [(source, items) for source, items in found if items]


def names_beside(analyzed: AnalyzedText, name: Name, new: str, chains: Chains = no_chains) -> Source | None:
    """A source in which another name of the same kind would meet this one; None if there is none."""
    if name.kind == "label":
        return _Labels(_chain_texts(analyzed), chains).met(name, new)

    # A spec that has only the new name meets this one if its chain has a file that writes it.
    writing = {_identity(source) for source, _ in places(analyzed, name, chains)}
    for sources in (_own_chain(analyzed), *chains(new)):
        if not writing.isdisjoint(map(_identity, sources)):
            for source in sources:
                if _writes(source, Name("constant", new)):
                    return source
    return None


def is_used_with(analyzed: AnalyzedText, name: str, chains: Chains) -> bool:
    """Whether a spec whose chain has this text defines or uses a constant with a name."""
    own = _identity(analyzed.source)
    return any(
        own in map(_identity, sources) and any(_writes(source, Name("constant", name)) for source in sources)
        for sources in chains(name)
    )


def is_overridden(analyzed: AnalyzedText, name: str, chains: Chains) -> bool:
    """Whether a spec that extends this text defines a constant again."""
    own = _identity(analyzed.source)
    for sources in chains(name):
        found = [_identity(source) for source in sources]
        above = sources[found.index(own) + 1 :] if own in found else ()
        if any(item.defines and item.name.text == name for source in above for item in _Text(source).occurrences):
            return True
    return False


def lists_with_labels_of(analyzed: AnalyzedText, scope: str) -> set[str]:
    """The lists of this text that share their labels with a list, itself among them, by key or `let NAME`."""
    own = _Text(analyzed.source, analyzed.tokens)
    together = (reached for reached in _reached([own]) if (own.place, scope) in reached)
    return {scope, *(other for reached in together for _, other in reached)}


def _writes(source: Source, name: Name) -> bool:
    return any(item.name == name for item in _Text(source).occurrences)


def _chain_texts(analyzed: AnalyzedText) -> tuple[_Text, ...]:
    """The texts of the chain, the root base first and this text last."""
    bases = (_Text(document.source) for document in analyzed.documents[:-1])
    return (*bases, _Text(analyzed.source, analyzed.tokens))


def _own_chain(analyzed: AnalyzedText) -> tuple[Source, ...]:
    return (*(document.source for document in analyzed.documents[:-1]), analyzed.source)


class _Text:
    """A source with its names, which are read once."""

    def __init__(self, source: Source, tokens: Sequence[PlacedToken] | None = None) -> None:
        self.source = source
        self.place = _identity(source)
        self._tokens = tokens

    @cached_property
    def tokens(self) -> Sequence[PlacedToken]:
        return placed_tokens(self.source.text) if self._tokens is None else self._tokens

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        return tuple(occurrences(self.tokens))

    @cached_property
    def uses(self) -> Mapping[str, Sequence[str]]:
        """The names in each value, by its key or `let`; also values without a name."""
        found: dict[str, list[str]] = {}
        for token in self.tokens:
            if token.role == "let":
                found.setdefault(f"{LET}{token.text}", [])
            elif token.key:
                names = (item.name.text for item in occurrences([token]) if item.name.kind == "constant")
                found.setdefault(token.dotted, []).extend(names)
        return found


def _identity(source: Source) -> str:
    return str(source.path.resolve()) if source.path is not None else source.name


def _family(mine: Sequence[_Text], name: Name, chains: Chains) -> list[_Text]:
    """The texts that share a constant: chains are joined if they share a text that contains it."""
    known = {text.place: text for text in reversed(mine)}
    waiting = [tuple(map(_Text, sources)) for sources in chains(name.text)]
    while True:
        writing = {text.place for text in known.values() if any(item.name == name for item in text.occurrences)}
        joined = [texts for texts in waiting if not writing.isdisjoint(text.place for text in texts)]
        if not joined:
            return list(known.values())
        waiting = [texts for texts in waiting if texts not in joined]
        for text in chain.from_iterable(joined):
            known.setdefault(text.place, text)


class _Labels:
    """The labels of the texts that may share a stack."""

    def __init__(self, mine: Sequence[_Text], chains: Chains) -> None:
        self._own = mine[-1]
        self._texts = {text.place: text for text in reversed(mine)}
        all_chains: list[Sequence[_Text]] = [mine]
        for sources in chains(""):  # a spec without the label may use two lists that have it
            all_chains.append([self._texts.setdefault(_identity(source), _Text(source)) for source in sources])
        self._together = [reached for texts in all_chains for reached in _reached(texts)]

    def places(self, name: Name) -> list[tuple[Source, list[Occurrence]]]:
        """The occurrences of a label in each text."""
        labeled, shared = self._labeled(name.text), self._shared(name)
        found: dict[str, list[Occurrence]] = {place: [] for place in self._texts}
        for node in shared.intersection(labeled):
            found[node[0]] += labeled[node]
        return [(self._texts[place].source, sorted(items, key=_start)) for place, items in found.items()]

    def met(self, name: Name, new: str) -> Source | None:
        """A source with another label that is in one stack with a place of this one; None if there is none."""
        shared, others = self._shared(name), self._labeled(new)
        met = (node for nodes in self._together if not shared.isdisjoint(nodes) for node in nodes if node in others)
        return next((self._texts[place].source for place, _ in met), None)

    def _labeled(self, label: str) -> dict[_Node, list[Occurrence]]:
        """The occurrences of a label in each list that has it, in any stack."""
        found: dict[_Node, list[Occurrence]] = {}
        for text in self._texts.values():
            for item in text.occurrences:
                if (item.name.kind, item.name.text) == ("label", label):
                    found.setdefault((text.place, item.name.scope), []).append(item)
        return found

    def _shared(self, name: Name) -> set[_Node]:
        """The lists that have a label and share it with its list of this text.

        Lists that one list uses, directly or not, share their labels, and so do all that share a list with them.
        """
        labeled = self._labeled(name.text)
        shared = {(self._own.place, name.scope)}
        grows = True
        while grows:
            met = [nodes for nodes in self._together if not shared.isdisjoint(nodes)]
            more = {node for nodes in met for node in nodes if node in labeled} - shared
            shared |= more
            grows = bool(more)
        return shared


def _start(item: Occurrence) -> int:
    return item.start


def _reached(texts: Sequence[_Text]) -> Iterator[set[_Node]]:
    """For each list in a chain, the root base first, the list itself and all that it uses."""
    definitions: dict[str, list[_Node]] = {}
    for text in texts:
        for scope in text.uses:
            definitions.setdefault(scope, []).append((text.place, scope))

    edges: dict[_Node, list[_Node]] = {}
    for at, text in enumerate(texts):
        for scope, names in text.uses.items():
            below = [lower.place for lower in texts[:at] if scope in lower.uses]
            targets = edges.setdefault((text.place, scope), [])
            for name in dict.fromkeys(names):
                if name != BASE:
                    targets += definitions.get(f"{LET}{name}", ())
                elif below:
                    targets.append((below[-1], scope))

    for node in edges:
        found, waiting = {node}, [node]
        while waiting:
            new = [target for target in edges.get(waiting.pop(), ()) if target not in found]
            found.update(new)
            waiting += new
        yield found
