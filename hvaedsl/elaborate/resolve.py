"""From collected assignments to the resolved spec: typed values, defaults, and the checks between keys of one section.

A value that cannot be read is reported, stands in as a placeholder and makes its key *poisoned*: rules that depend on
it are not asked, so that no error is caused by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, listing, taking_out
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.names import DataShape, LikelihoodMismatch, MissingKey
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.collect import SCHEMA, Collected
from hvaedsl.elaborate.readers import Reader
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.datasets import DATASETS, OWN
from hvaedsl.ir.kinds import BlockStack, Choice, ChoiceOrOwn, Key, LikelihoodCall
from hvaedsl.ir.spec import SECTIONS, Likelihood, Spec


class Resolved(Record):
    """A spec with where its values come from."""

    spec: Spec
    origins: Mapping[str, Span]  # of every value that was written, by dotted key; of map entries by `key.resolution`
    poisoned: frozenset[str]  # keys whose value is a placeholder
    diagnostics: tuple[Diagnostic, ...]


def resolve(name: str, source: Source, collected: Collected, *, complete: bool) -> Resolved:
    """Read every value, fill in the defaults, and check what keys say of each other."""
    resolver = _Resolver(source, collected, complete)
    values = {section: resolver.values(section) for section in SECTIONS}
    resolver.data_defaults(values["data"], values["model"])
    spec = Spec.model_construct(name=name, **_construct(values))
    resolver.likelihood(spec)
    found = tuple(resolver.diagnostics)
    return Resolved(spec, resolver.origins, frozenset(resolver.poisoned), found)


def missing_to_train(spec: Spec, source: Source, collected_sections: Mapping[str, Span]) -> list[Diagnostic]:
    """What a training run needs and the spec does not say."""
    return [
        _missing(source, collected_sections, "train", name, key)
        for name, key in SCHEMA["train"].items()
        if key.required == "to train" and getattr(spec.train, name) is None
    ]


@dataclass
class _Resolver:
    source: Source
    collected: Collected
    complete: bool
    origins: dict[str, Span] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def values(self, section: str) -> dict[str, Any]:
        """The written values of a section, typed; placeholders where they cannot be read."""
        values: dict[str, Any] = {}
        for name, key in SCHEMA[section].items():
            self._read(section, name, key, values)
        return values

    def _read(self, section: str, name: str, key: Key, values: dict[str, Any]) -> None:
        dotted = f"{section}.{name}"
        written = self.collected.values.get(dotted)
        if written is None:
            explained = self._explained(section, name)
            if key.required == "always":
                values[name] = _placeholder(key)
                self.poisoned.add(dotted)
                if self.complete and not explained:
                    self.diagnostics.append(_missing(self.source, self.collected.sections, section, name, key))
            elif explained:
                self.poisoned.add(dotted)
            return
        self.origins[dotted] = written.span
        entries: dict[int, Span] = {}
        reader = Reader(dotted, self.collected.lets, self.diagnostics, entries, self.poisoned)
        try:
            values[name] = reader.read(key.kind, written)
        except SpecError as error:
            self.diagnostics.extend(error.diagnostics)
            self.poisoned.add(dotted)
            if key.required == "always":
                values[name] = _placeholder(key)
        self.origins.update({f"{dotted}.{resolution}": span for resolution, span in entries.items()})

    def data_defaults(self, values: dict[str, Any], model: Mapping[str, Any]) -> None:
        """Fill in what the data set knows, hold against it what is written, and binarise where the likelihood asks."""
        bernoulli = isinstance(model.get("likelihood"), Likelihood) and model["likelihood"].name == "bernoulli"
        values.setdefault("binarize", "dynamic" if bernoulli else "none")
        name = values.get("dataset")
        dataset = DATASETS.get(str(name))
        known = {"channels": 1, "resolution": 1, "levels": 256, "validation": 0}
        if "data.dataset" in self.poisoned:
            self.poisoned.update(f"data.{key}" for key in known if key not in values)
        elif dataset is not None:
            known = {key: getattr(dataset, key) for key in known}
            for key in ("channels", "resolution", "levels"):
                if values.get(key, known[key]) != known[key]:
                    problem, reason = f"`{name}` has {key} {known[key]}", "not what the data set has"
                    self._shape(key, problem, reason, "take it out", self._without(f"data.{key}"))
                    values[key] = known[key]
        elif name in OWN or is_custom(str(name)):
            self._own_shape(str(name), [key for key in ("channels", "resolution") if key not in values])
        for key, default in known.items():
            values.setdefault(key, default)
        if values["channels"] == 2:
            self._shape("channels", "images have 1 channel or 3", "2 channels", "grey images have 1, colour images 3")
            self.poisoned.add("data.channels")

    def _own_shape(self, dataset: str, missing: list[str]) -> None:
        """Say what the spec must say of one's own images and does not."""
        unexplained = [key for key in missing if not self._explained("data", key)]
        if unexplained and self.complete:
            problem = f"`{dataset}` needs {listing((f'`data.{key}`' for key in unexplained), 'and')}"
            example = "  ".join(f"{key} = {SCHEMA['data'][key].example}" for key in unexplained)
            reason = "compiling opens no file, so the spec says it"
            self._shape("dataset", problem, reason, f"write for example `{example}`")
        self.poisoned.update(f"data.{key}" for key in missing)

    def _explained(self, section: str, name: str) -> bool:
        """Whether a mistake that has been reported explains that a key is missing."""
        return not self.collected.broken.isdisjoint(("", f"{section}.*", f"{section}.{name}"))

    def _shape(self, key: str, problem: str, reason: str, hint: str, fix: Fix | None = None) -> None:
        span = self.origins[f"data.{key}"]
        self.diagnostics.append(DataShape(span=span, problem=problem, reason=reason, hint=hint, fix=fix))

    def _without(self, key: str) -> Fix | None:
        """Take a key out; None where it stands on the command line, or has a comment inside."""
        statement = self.collected.statements.get(key)
        if statement is None or "#" in statement.text:
            return None
        return Fix("take the key out", (taking_out(statement),))

    def likelihood(self, spec: Spec) -> None:
        """What the likelihood asks of the images."""
        span = self.origins.get("model.likelihood") or self.origins.get("data.binarize")
        if span is None or {"model.likelihood", "data.channels", "data.levels"} & self.poisoned:
            return
        likelihood, data = spec.model.likelihood, spec.data
        if likelihood.name == "bernoulli" and data.channels != 1:
            problem = f"a Bernoulli likelihood has one channel, the images have {data.channels}"
            self._mismatch(span, problem, "one channel", "use mixture_of_logistics(10)")
        if likelihood.name == "bernoulli" and data.binarize == "none":
            at = self.origins["data.binarize"]
            self._mismatch(at, "a Bernoulli likelihood needs binarised images", "not binarised", "take the key out")
        if likelihood.name == "mixture_of_logistics" and data.binarize != "none":
            at = self.origins["data.binarize"]
            problem = "a mixture of logistics reads levels, not binarised images"
            self._mismatch(at, problem, "binarised", "use `likelihood = bernoulli`, or take the key out")
        if likelihood.bits is not None and data.levels != 256:
            problem = f"targets of {likelihood.bits} bits are made from 256 levels, the images have {data.levels}"
            self._mismatch(span, problem, f"{data.levels} levels", "take `bits` out")

    def _mismatch(self, span: Span, problem: str, reason: str, hint: str) -> None:
        fix = self._without("data.binarize") if span == self.origins.get("data.binarize") else None
        self.diagnostics.append(LikelihoodMismatch(span=span, problem=problem, reason=reason, hint=hint, fix=fix))


def _missing(source: Source, sections: Mapping[str, Span], section: str, name: str, key: Key) -> Diagnostic:
    end = len(source.text.rstrip())
    written = sections.get(section)
    span = written if written is not None else source.span(end, end)
    dotted = f"{section}.{name}"
    where = f"not in this section: it is needed {'to train' if key.required == 'to train' else 'to compile'}"
    if written is None:
        where = f"the spec has no `{section}` section"
    return MissingKey(span=span, key=dotted, where=where, example=key.example, meaning=key.meaning)


def _placeholder(key: Key) -> object:
    match key.kind:
        case BlockStack():
            return BlockList(())
        case Choice() | ChoiceOrOwn():
            return key.kind.symbols[0]
        case LikelihoodCall():
            return Likelihood(name="bernoulli")
        case _:
            return 1


def _construct(values: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The top-level sections; those inside another are built first, and then are values of it."""
    top: dict[str, Any] = {}
    for path in reversed(list(SECTIONS)):
        built = SECTIONS[path].model_construct(**{**_defaults(path), **values[path]})
        parent, _, name = path.rpartition(".")
        (values[parent] if parent else top)[name] = built
    return top


def _defaults(section: str) -> dict[str, object]:
    fields = SECTIONS[section].model_fields
    return {
        name: found.get_default(call_default_factory=True) for name, found in fields.items() if not found.is_required()
    }
