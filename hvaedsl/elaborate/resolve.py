"""From collected assignments to the resolved spec: typed values, defaults, and checks between keys.

A value that cannot be read is reported and replaced by a placeholder, and its key is *poisoned*: rules that depend on
it are skipped, so that no error is caused by another.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from hvaedsl.diagnostics.additions import after_value, in_section
from hvaedsl.diagnostics.blocks import SwappedStacks
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, item_removals, removal, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.hub import HubKeyElsewhere
from hvaedsl.diagnostics.images import (
    CropBelowImages,
    CropOfKnownImages,
    FileImages,
    FitWithoutFiles,
    MissingShape,
    ShapeMismatch,
    ShownChannels,
)
from hvaedsl.diagnostics.likelihoods import BernoulliChannels, BitsNeedLevels, MixtureBinarized, NotBinarized
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.block_shapes import are_swapped
from hvaedsl.elaborate.by_resolution import Maps
from hvaedsl.elaborate.collect import Collected
from hvaedsl.elaborate.dataset_kinds import read_arrays, read_files
from hvaedsl.elaborate.meant import MIXTURE
from hvaedsl.elaborate.missing import Values, example_shape, missing_key
from hvaedsl.elaborate.readers import Reader
from hvaedsl.elaborate.real_values import check_values, choose_likelihood
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.data_spec import MOST_FILE_CHANNELS
from hvaedsl.ir.datasets import DATASETS, USER_IMAGES
from hvaedsl.ir.hub import HUB_KEYS, is_hub
from hvaedsl.ir.image_size import sides, size_text
from hvaedsl.ir.kinds import BlockStack, Choice, ChoiceOrCustom, Key, LikelihoodCall
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.spec import SECTIONS, Spec
from hvaedsl.syntax import ast

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class Resolved(Record):
    """A spec and the places of its values."""

    spec: Spec
    origins: Mapping[str, Span]  # of every written value, by dotted key; of entries of maps, `key.8` and `key.other`
    poisoned: frozenset[str]  # keys whose value is a placeholder
    diagnostics: tuple[Diagnostic, ...]


def resolve(name: str, source: Source, collected: Collected, *, complete: bool) -> Resolved:
    """Read every value, fill in the defaults, and check that the keys fit each other."""
    resolver = _Resolver(source, collected, complete)
    values = {section: resolver.values(section) for section in SECTIONS}
    resolver.report_missing(values)
    resolver.diagnostics += Maps(values, resolver.poisoned, resolver.origins).complete()
    resolver.data_defaults(values)
    choose_likelihood(values["data"], values["model"])
    spec = Spec.model_construct(name=name, **_construct(values))
    resolver.likelihood(spec)
    resolver.diagnostics += check_values(
        spec, resolver.origins, resolver.poisoned, collected.sections, resolver.removing
    )
    resolver.shown_channels(spec)
    resolver.random_crop(spec)
    found = tuple(resolver.diagnostics)
    return Resolved(spec, resolver.origins, frozenset(resolver.poisoned), found)


def missing_to_train(spec: Spec, source: Source, collected_sections: Mapping[str, Span]) -> list[Diagnostic]:
    """The diagnostic of the keys that training requires and the spec does not have; none if it has them all."""
    missing = [
        f"train.{name}"
        for name, key in SCHEMA["train"].items()
        if key.required == "to train" and getattr(spec.train, name) is None
    ]
    return [missing_key(source, collected_sections, missing, {"data": {}, "model": {}})] if missing else []


@dataclass
class _Resolver:
    source: Source
    collected: Collected
    complete: bool
    origins: dict[str, Span] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)  # required keys, dotted, whose absence no mistake explains
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def values(self, section: str) -> dict[str, Any]:
        """The written values of a section, typed, with placeholders for those that cannot be read."""
        values: dict[str, Any] = {}
        if section == "model":
            self._report_swapped()
        # Most keys have a default and are not written; with a mistake somewhere, each may be the missing one.
        written, broken = self.collected.values, self.collected.broken
        for name, dotted, key in _keys(section):
            if dotted in written or broken or key.required == "always":
                self._read(section, name, key, values)
        return values

    def _report_swapped(self) -> None:
        """Report block lists that each belong to the other stack, and poison both."""
        encoder, decoder = (self.collected.values.get(f"model.{stack}") for stack in ("encoder", "decoder"))
        if encoder is None or decoder is None or not are_swapped(encoder, decoder, self.collected.constants.lists):
            return

        fix = None
        if encoder.span.source is decoder.span.source and "#" not in encoder.span.text + decoder.span.text:
            edits = (Edit(encoder.span, decoder.span.text), Edit(decoder.span, encoder.span.text))
            fix = Fix("swap the two lists", edits)
        label = Label(decoder.span, "pools, as only an encoder does")
        self.diagnostics.append(SwappedStacks(span=encoder.span, secondary=(label,), fix=fix))
        for stack, value in (("encoder", encoder), ("decoder", decoder)):
            self.origins[f"model.{stack}"] = value.span
            del self.collected.values[f"model.{stack}"]
            self.collected.broken.add(f"model.{stack}")

    def _read(self, section: str, name: str, key: Key, values: dict[str, Any]) -> None:
        dotted = f"{section}.{name}"
        value = self.collected.values.get(dotted)
        if value is None:
            explained = self._explained(section, name)
            if key.required == "always":
                values[name] = _placeholder(key)
                self.poisoned.add(dotted)
                if self.complete and not explained:
                    self.missing.append(dotted)
            elif explained:
                self.poisoned.add(dotted)
            return

        # Mistakes inside a readable value are reported too; an unreadable one poisons its key.
        self.origins[dotted] = value.span
        entries: dict[int | str, Span] = {}
        bases, lost = self.collected.bases.get(dotted, ()), not self.complete or self._explained(section, name)
        reader = Reader(dotted, self.collected.constants, self.diagnostics, entries, self.poisoned, bases, lost)
        try:
            values[name] = reader.read(key.kind, value)
        except SpecError as error:
            self.diagnostics.extend(error.diagnostics)
            self.poisoned.add(dotted)
            if key.required == "always":
                values[name] = _placeholder(key)
        if self._is_cut(value):
            self.poisoned.add(dotted)
        self.origins.update({f"{dotted}.{at}": span for at, span in entries.items()})

    def _is_cut(self, value: ast.Value) -> bool:
        """Whether a reported mistake in the syntax directly behind a value may have cut it off."""
        source, end = value.span.source, value.span.end
        cut = self.collected.cut_at.get(id(source), -1)
        return end <= cut and not source.text[end:cut].strip()

    def report_missing(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Report the required keys that are missing, all in one diagnostic."""
        if not self.missing:
            return
        known = {
            section: {name: value for name, value in found.items() if f"{section}.{name}" not in self.poisoned}
            for section, found in values.items()
        }
        self.diagnostics.append(missing_key(self.source, self.collected.sections, self.missing, known))

    def data_defaults(self, sections: Mapping[str, dict[str, Any]]) -> None:
        """Fill in the defaults of `data`: shape and levels from the dataset, `binarize` from the likelihood.

        A written shape must be that of the dataset.
        """
        values, model = sections["data"], sections["model"]
        bernoulli = isinstance(model.get("likelihood"), Likelihood) and model["likelihood"].name == "bernoulli"
        values.setdefault("binarize", "dynamic" if bernoulli else "none")

        # An unreadable dataset has an unknown shape, a named one a fixed shape; your own images need it in the spec.
        name = values.get("dataset")
        dataset = DATASETS.get(str(name))
        known = {"channels": 1, "resolution": 1, "levels": 256, "validation": 0}
        is_real = values.get("values") == "real"
        if is_real:
            known["levels"] = values["levels"] = 0
        if "data.dataset" in self.poisoned:
            self.poisoned.update(f"data.{key}" for key in known if key not in values)
        elif dataset is not None:
            known = {key: getattr(dataset, key) for key in known}
            for key in ("channels", "resolution", *(() if is_real else ("levels",))):
                if values.get(key, known[key]) != known[key]:
                    self.diagnostics.append(
                        ShapeMismatch(
                            span=self.origins[f"data.{key}"],
                            key=key,
                            value=values[key],
                            dataset=str(name),
                            expected=known[key],
                            fix=self.removing(f"data.{key}"),
                        )
                    )
                    values[key] = known[key]
        elif name in USER_IMAGES or is_custom(str(name)) or is_hub(str(name)):
            written = self.collected.values
            required = [key for key in ("channels", "resolution") if f"data.{key}" not in written]
            self._require_shape(str(name), required, sections)

        for key, default in known.items():
            values.setdefault(key, default)
        values.setdefault("fit", "crop_resize" if name == "folder" else "refuse")
        self._file_images(str(name), values["channels"], values["fit"], sections)
        self._hub_keys(str(name), values)

    def _file_images(self, dataset: str, channels: int, fit: str, values: Values) -> None:
        """Report channels that image files cannot have, and a fit of files that the dataset does not have."""
        places = self.origins, self.collected.statements
        if dataset == "folder" and channels > MOST_FILE_CHANNELS and "data.channels" not in self.poisoned:
            span, ways = self.origins["data.channels"], read_arrays(values, *places)
            self.diagnostics.append(FileImages(span=span, channels=channels, suggestions=ways))
            self.poisoned.add("data.channels")
        has_files = dataset == "folder" or is_hub(dataset)
        if not has_files and fit != "refuse" and "data.dataset" not in self.poisoned:
            span, without, ways = self.origins["data.fit"], self.removing("data.fit"), read_files(values, *places)
            self.diagnostics.append(FitWithoutFiles(span=span, fit=fit, dataset=dataset, fix=without, suggestions=ways))

    def _hub_keys(self, dataset: str, values: Mapping[str, Any]) -> None:
        """Report keys that only a dataset of the Hugging Face Hub has."""
        if is_hub(dataset) or "data.dataset" in self.poisoned:
            return
        for key, what in HUB_KEYS.items():
            if values.get(key) is not None:
                span, without = self.origins[f"data.{key}"], self.removing(f"data.{key}")
                self.diagnostics.append(HubKeyElsewhere(span=span, key=key, dataset=dataset, what=what, fix=without))

    def shown_channels(self, spec: Spec) -> None:
        """Check that pictures show one or three channels that the images have."""
        found, channels = spec.sample.channels, spec.data.channels
        if found is None or {"sample.channels", "data.channels"} & self.poisoned:
            return
        missing = [str(channel) for channel in found if channel >= channels]
        if missing or len(found) not in (1, 3):
            problem = f"the images have {channels}" if missing else f"it names {len(found)} channels"
            span, written = self.origins["sample.channels"], ", ".join(map(str, found))
            self.diagnostics.append(ShownChannels(span=span, written=written, problem=problem, last=channels - 1))

    def random_crop(self, spec: Spec) -> None:
        """Check that windows of the model's size fit into the random crop, and that the images can have its size."""
        key, found, data = "train.augment.random_crop", spec.train.augment.random_crop, spec.data
        if found is None or {key, "data.resolution"} & self.poisoned:
            return
        span, without = self.origins[key], self.removing(key)
        crop, size, ways = str(found), size_text(data.height, data.width), () if without is None else (without,)
        height, width = sides(found)
        if height < data.height or width < data.width:
            side, least = ("height", data.height) if height < data.height else ("width", data.width)
            self.diagnostics.append(
                CropBelowImages(
                    span=span,
                    crop=crop,
                    size=size,
                    side=side,
                    least=least,
                    least_crop=str(data.resolution),
                    suggestions=ways,
                )
            )
        elif data.dataset in DATASETS and (height, width) != (data.height, data.width):
            self.diagnostics.append(
                CropOfKnownImages(span=span, crop=crop, dataset=data.dataset, size=size, suggestions=ways)
            )

    def _require_shape(self, dataset: str, missing: list[str], values: Values) -> None:
        """Report the missing shape of your own images: nobody but the spec knows it."""
        unexplained = tuple(key for key in missing if not self._explained("data", key))
        if unexplained and self.complete:
            ways: tuple[Fix, ...] = ()
            span = self.origins["data.dataset"]
            if "data.dataset" in self.collected.statements:  # on the command line, there is no place for it
                example = example_shape(unexplained, values)
                ways = (Fix(f"add `{example}`", (after_value(span, example),)),)
            self.diagnostics.append(MissingShape(span=span, dataset=dataset, missing=unexplained, suggestions=ways))
        self.poisoned.update(f"data.{key}" for key in missing)

    def _explained(self, section: str, name: str) -> bool:
        """Whether a reported mistake explains that a key is missing."""
        broken = self.collected.broken
        return bool(broken) and not broken.isdisjoint(("", f"{section}.*", f"{section}.{name}"))

    def removing(self, key: str) -> Fix | None:
        """The fix that removes a key; None if it is from the command line, or has a comment inside."""
        statement = self.collected.statements.get(key)
        if statement is None or "#" in statement.text:
            return None
        return Fix("remove the key", (removal(statement),))

    def likelihood(self, spec: Spec) -> None:
        """Check that images of levels are what the likelihood models: channels, levels, binarized or not."""
        span = self.origins.get("model.likelihood") or self.origins.get("data.binarize")
        if span is None or {"model.likelihood", "data.channels", "data.levels"} & self.poisoned or spec.data.is_real:
            return

        likelihood, data, found = spec.model.likelihood, spec.data, self.diagnostics
        if likelihood.name == "bernoulli" and data.channels != 1:
            found.append(BernoulliChannels(span=span, channels=data.channels, fix=self._mixture(span)))
        if likelihood.name == "bernoulli" and data.binarize == "none":
            found.append(NotBinarized(span=self.origins["data.binarize"], fix=self.removing("data.binarize")))
        if likelihood.name == "mixture_of_logistics" and data.binarize != "none":
            at, without = self.origins["data.binarize"], self.removing("data.binarize")
            ways = self._bernoulli() if data.channels == 1 else ()
            found.append(MixtureBinarized(span=at, binarize=data.binarize, fix=without, suggestions=ways))
        if likelihood.bits is not None and data.levels != 256:
            found.append(BitsNeedLevels(span=span, levels=data.levels, fix=self._without_bits()))

    def _mixture(self, likelihood: Span) -> Fix:
        """The fix that writes a mixture of logistics, whose images are not binarized."""
        fix, binarize = writing(likelihood, MIXTURE, shown=f"likelihood = {MIXTURE}"), self.removing("data.binarize")
        if binarize is None or binarize.edits[0].span.source is not likelihood.source:
            return fix
        return Fix(f"{fix.title}, and remove `binarize`", (*fix.edits, *binarize.edits))

    def _bernoulli(self) -> tuple[Fix, ...]:
        """The suggestion to write `likelihood = bernoulli`, in the place of another likelihood or in the section."""
        title, written = "write `likelihood = bernoulli`", self.origins.get("model.likelihood")
        if written is not None:
            return (Fix(title, (Edit(written, "bernoulli"),)),)
        section = self.collected.sections.get("model")
        added = in_section(section, "likelihood = bernoulli") if section is not None else None
        return (Fix(title, (added,)),) if added is not None else ()

    def _without_bits(self) -> Fix | None:
        """The fix that removes the argument `bits` of the likelihood."""
        call = self.collected.values["model.likelihood"]
        assert isinstance(call, ast.Call)
        named = {at for at, item in enumerate(call.arguments) if isinstance(item, ast.NamedArgument)}
        edits = item_removals([item.span for item in call.arguments], named)
        return Fix("remove `bits`", edits) if edits else None


def _placeholder(key: Key) -> object:
    match key.kind:
        case BlockStack():
            return BlockList(())
        case Choice() | ChoiceOrCustom():
            return key.kind.symbols[0]
        case LikelihoodCall():
            return Likelihood(name="bernoulli")
        case _:
            return 1


def _construct(values: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The top-level sections. Nested ones are built first, and are values of the outer ones."""
    top: dict[str, Any] = {}
    for path in reversed(list(SECTIONS)):
        built = SECTIONS[path].model_construct(**{**_defaults(path), **values[path]})
        parent, _, name = path.rpartition(".")
        (values[parent] if parent else top)[name] = built
    return top


def _defaults(section: str) -> dict[str, object]:
    shared, made = _default_fields(section)
    return shared | {name: found.get_default(call_default_factory=True) for name, found in made.items()}


@cache
def _keys(section: str) -> tuple[tuple[str, str, Key], ...]:
    """The keys of a section, each also with its section."""
    return tuple((name, f"{section}.{name}", key) for name, key in SCHEMA[section].items())


@cache
def _default_fields(section: str) -> tuple[dict[str, object], dict[str, FieldInfo]]:
    """The defaults of a section that all specs can share, and the fields whose default each spec has for itself."""
    shared: dict[str, object] = {}
    made: dict[str, FieldInfo] = {}
    for name, found in SECTIONS[section].model_fields.items():
        if found.is_required():
            continue
        if found.default_factory is None and isinstance(found.default, Hashable):
            shared[name] = found.default
        else:
            made[name] = found
    return shared, made
