"""The result of `hvaedsl.load`: a compiled program with its spec, bridge and cost, and on request its torch module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hvaedsl.custom.importing import CustomPartError
from hvaedsl.custom.importing import CustomParts as CustomParts  # part of the public API
from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.list_uses import at_uses
from hvaedsl.diagnostics.notation import outside_conflicts, without_explained_quotes
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.repeated_names import once_a_name
from hvaedsl.diagnostics.respelled import with_respelling
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.bases import Bases, Read
from hvaedsl.elaborate.build import build_bridge
from hvaedsl.elaborate.collect import collect
from hvaedsl.elaborate.inheritance import load_chain
from hvaedsl.elaborate.overrides import Overrides as Overrides
from hvaedsl.elaborate.overrides import override_sources, override_texts
from hvaedsl.elaborate.resolve import missing_to_train, resolve
from hvaedsl.elaborate.temperatures import temperature_of
from hvaedsl.elaborate.via import Via
from hvaedsl.ir.bridge import Bridge
from hvaedsl.ir.named_weights import ChosenWeights, named_weights
from hvaedsl.ir.pass_names import Pass
from hvaedsl.ir.spec import DataSpec, Spec, custom_model_parts
from hvaedsl.ir.spec_text import spec_text
from hvaedsl.ir.training import TrainingSpec
from hvaedsl.lowering.names import unpublished
from hvaedsl.measuring import measured, part_fails
from hvaedsl.passes.base import Unit
from hvaedsl.passes.checkpointing import Checkpointing, checkpointing
from hvaedsl.passes.cost import Cost, cost, inference_bytes
from hvaedsl.passes.gradient import without_gradient
from hvaedsl.passes.sharing import WeightGroup, weight_groups
from hvaedsl.passes.verify import verify
from hvaedsl.pipeline import Analyses, check, check_weight_names, optimize, transform, verify_both
from hvaedsl.syntax import ast
from hvaedsl.syntax.suppression import suppressed
from hvaedsl.syntax.text import RUN_SPEC as RUN_SPEC  # for the runtime, which writes run folders
from hvaedsl.syntax.text import read_source
from hvaedsl.syntax.text import source_of as source_of
from hvaedsl.version import __version__

if TYPE_CHECKING:
    from hvaedsl.lowering.module import HierarchicalVAE
    from hvaedsl.lowering.plan import Plan
    from hvaedsl.lowering.python.model_text import About


class Program(Record):
    """A compiled spec. Everything except `module()` works without torch."""

    unit: Unit  # the spec, its bridge and the results of the analyses
    advice: tuple[Diagnostic, ...]
    folders: tuple[Path, ...] = ()  # searched first for modules of custom parts

    @property
    def name(self) -> str:
        """The stem of the spec's file."""
        return self.spec.name

    @property
    def document(self) -> ast.Document:
        """The AST of the spec itself, without its bases."""
        return self.unit.documents[-1]

    @property
    def spec(self) -> Spec:
        """The resolved spec, with every default filled in."""
        return self.unit.spec

    @property
    def origins(self) -> Mapping[str, Span]:
        """The place of each written value, by dotted key."""
        return self.unit.origins

    def via(self, key: str) -> tuple[tuple[str, Span], ...]:
        """The constants and lists that the value of a dotted key went through, with their places, the nearest first."""
        return self.unit.via(key)

    @property
    def bridge(self) -> Bridge:
        """The operations of the encoder and the decoder, in order."""
        return self.unit.bridge

    def computed(self, last: Pass | None = None) -> Bridge:
        """The bridge after the passes of `train.passes`, up to `last`: how the model is computed.

        Raises `CompilerBug` if a pass leaves an invalid bridge.
        """
        found = optimize(self.bridge, self.spec.train.passes or (), last=last)
        verify(found, after=last or "the optimizing passes")
        return found

    @property
    def inference_bytes(self) -> int:
        """Bytes of activations for one image without gradients: an upper estimate, in float32."""
        return inference_bytes(self.bridge)

    @property
    def cost(self) -> Cost:
        """Parameters, FLOPs and activation memory of the model."""
        return self.unit.analysis(cost)

    @property
    def checkpointing(self) -> Checkpointing:
        """The activation memory with `recompute_every`."""
        return self.unit.analysis(checkpointing)

    @property
    def weight_groups(self) -> tuple[WeightGroup, ...]:
        """The sets of weights, each with the applications that share it."""
        return self.unit.analysis(weight_groups)

    @property
    def without_gradient(self) -> tuple[str, ...]:
        """The parameters of `module()` that receive no gradient."""
        return self.unit.analysis(without_gradient)

    def __repr__(self) -> str:
        """Name, parameters and stochastic depth."""
        return f"<hvaedsl.Program {self.name}: {self.cost.parameters:,} parameters, depth {self.cost.stochastic_depth}>"

    def named(self, name: str, data: DataSpec | None = None) -> Program:
        """The same program with another name and, if given, another `data` section."""
        changes: dict[str, object] = {"name": name} if data is None else {"name": name, "data": data}
        return self._with(changes)

    def with_batch_size(self, batch_size: int) -> Program:
        """The same program with another `train.batch_size`."""
        train = self.spec.train.model_copy(update={"batch_size": batch_size})
        return self._with({"train": train})

    def _with(self, changes: Mapping[str, object]) -> Program:
        """The same program with other fields of the spec."""
        return replace(self, unit=replace(self.unit, spec=self.spec.model_copy(update=changes)))

    def training(self) -> TrainingSpec:
        """The complete `train` section. Raises `SpecError` if steps, batch size or learning rate are missing."""
        missing = missing_to_train(self.spec, self.document.source, _sections(self.document))
        if missing:
            raise SpecError(missing)
        return TrainingSpec.model_construct(**dict(self.spec.train))

    def chosen_weights(self, parameters: Collection[str]) -> ChosenWeights:
        """The parameters that are frozen or have a rate, given the names of all parameters of `module()`.

        Raises `SpecError` if a name of `train.freeze` or `train.rates` does not fit them: only here are the parameters
        of custom parts known.
        """
        weights = named_weights(self.bridge, parameters)
        if found := check_weight_names(self.unit, weights):
            raise SpecError(found)
        return weights.chosen(self.spec.train)

    def temperature(self, text: str, option: str) -> float | Mapping[int, float]:
        """The temperature that an option of a command gives, as `sample.temperature` takes it.

        Raises `SpecError` for a text that is none, and `UsageError` for a resolution that draws no latent.
        """
        return temperature_of(Source(option, text), self.spec)

    def module(self) -> HierarchicalVAE:
        """The model as a torch module in float32, initialized from torch's global generator.

        It preprocesses nothing. If `data.values` is `real`, x is the image with each channel standardized (less its
        mean, by its standard deviation), and the target is x.
        Custom blocks, cells and likelihoods are imported here. Raises `UsageError` if torch is not installed, and
        `SpecError` if a custom part cannot be used.
        """
        try:
            from hvaedsl.lowering.custom import check_density, custom_class, needing_a_latent
            from hvaedsl.lowering.module import make_module
        except ModuleNotFoundError as error:
            raise UsageError(f"a module needs {error.name}: pip install 'hvaedsl[train]'") from None

        custom = {}
        for key, reference in custom_model_parts(self.spec).items():
            try:
                custom[reference] = custom_class(reference, self.folders)
                if key == "model.likelihood":
                    check_density(custom[reference], self.spec.data.levels)
            except CustomPartError as error:
                raise SpecError([part_fails(self.unit.place(key), reference, error)]) from error

        for resolution, cell, refused in needing_a_latent(self.bridge, custom):
            raise SpecError([part_fails(self.unit.origin_at("model.cell", resolution), cell, refused)]) from refused
        return make_module(self.plan(), self._about(), custom)

    def python_source(self) -> str:
        """The model as one Python file that needs only torch; its class computes the same as `module()`.

        Raises `UsageError` for a custom block, cell or likelihood, whose source may need other packages.
        """
        from hvaedsl.lowering.python.source import python_source  # not imported by commands that write no Python

        for key, reference in custom_model_parts(self.spec).items():
            raise UsageError(
                f"{key} is {reference}, which may need more than torch; Python is written only for models "
                "without custom blocks, cells and likelihoods"
            )
        return python_source(self.plan(), self._about(), spec_text=self.resolved_text(), version=__version__)

    def plan(self) -> Plan:
        """What lowering to torch needs: the blocks, steps and states of the model."""
        from hvaedsl.lowering.plan import make_plan

        return make_plan(self.computed(), self.spec.model.likelihood, self.spec.data.levels)

    def _about(self) -> About:
        """What the written source says of the model."""
        from hvaedsl.lowering.python.model_text import About

        parameters = None if custom_model_parts(self.spec) else self.cost.parameters
        return About(self.name, parameters, unpublished(self.bridge, self.spec.model.likelihood))

    def resolved_text(self) -> str:
        """The resolved spec, as a text without bases that compiles to the same program."""
        return spec_text(self.spec)

    def dot(self) -> str:
        """The DOT source of the picture of the bridge."""
        from hvaedsl.render.dot import dot_source  # drawing is not loaded by commands that do not draw

        depth = self.cost.stochastic_depth
        return dot_source(
            self.bridge, name=self.name, caption=f"{self.cost.parameters:,} parameters, stochastic depth {depth:,}"
        )

    def _repr_svg_(self) -> str:
        """The picture as SVG, for notebooks."""
        from hvaedsl.render.output import render

        return render(self.dot(), "svg").decode()


class Compilation(Record):
    """The result of compiling a text: the diagnostics, and the program if there are no errors."""

    program: Program | None
    documents: tuple[ast.Document, ...]  # the root base first, the spec itself last
    diagnostics: tuple[Diagnostic, ...]
    suppressed: tuple[Diagnostic, ...] = ()  # advice that a comment on its line suppresses
    unit: Unit | None = None  # the input of the rules; None if a document could not be read to its end
    poisoned: frozenset[str] = frozenset()  # keys whose value in `unit` is a placeholder


def load(
    path: str | Path,
    *,
    lets: Overrides | None = None,
    sets: Overrides | None = None,
    custom: CustomParts | None = None,
) -> Program:
    """Compile a spec file, or a shipped spec by its name.

    `lets` and `sets` are the overrides of `--let` and `--set`; a string in `sets` is the text of a value. Custom parts
    are imported and counted only if `custom` is given. Raises `SpecError` with every diagnostic, or `UsageError` if
    there is no such file or an argument has another type.
    """
    return program_of(source_of(path), lets=lets, sets=sets, custom=custom)


def program_of(
    source: Source,
    *,
    lets: Overrides | None = None,
    sets: Overrides | None = None,
    custom: CustomParts | None = None,
) -> Program:
    """Compile a source, with the arguments of `load`. Raises as `load` does."""
    compilation = compile_source(source, lets=lets, sets=sets, custom=custom)
    if compilation.program is None:
        raise SpecError(compilation.diagnostics)
    return compilation.program


def loads(
    text: str,
    *,
    path: str | Path | None = None,
    lets: Overrides | None = None,
    sets: Overrides | None = None,
    custom: CustomParts | None = None,
) -> Program:
    """Compile a text as that of the file `path`: `extends` is relative to it, and its stem is the name of the model."""
    source = Source(str(path) if path is not None else "<text>", text, Path(path) if path is not None else None)
    return program_of(source, lets=lets, sets=sets, custom=custom)


def compile_source(
    source: Source,
    *,
    lets: Overrides | None = None,
    sets: Overrides | None = None,
    custom: CustomParts | None = None,
    read: Read = read_source,
    bases: Bases | None = None,
    between: Callable[[], None] = lambda: None,
) -> Compilation:
    """Compile a source and return everything that was found; raises nothing for any text.

    `read` returns the text of a base, for callers with newer texts than those on disk; `bases` finds and reads them in
    place of it, for callers that compile many specs. `between` is called between the stages and before each rule; an
    exception that it raises ends the compilation. Raises `UsageError` for an argument of another type.
    """
    if not isinstance(custom, CustomParts | None):
        raise UsageError(f"`custom` is {custom!r}; it must be hvaedsl.CustomParts()")

    # Parse the spec and its bases, and merge them with the overrides.
    chain = load_chain(source, read, bases)
    between()
    collected = collect(
        chain.documents,
        override_sources(override_texts(sets, "sets", "train.steps"), "--set"),
        override_sources(override_texts(lets, "lets", "n"), "--let"),
        complete=chain.complete,
    )
    found = [*chain.diagnostics, *with_respelling(collected.diagnostics, chain.diagnostics)]
    if not chain.complete:
        return Compilation(None, chain.documents, tuple(once_a_name(_sorted(outside_conflicts(found), source))))

    # Resolve the values, build the bridge, and run the rules on it.
    resolved = resolve(_stem(source), source, collected, complete=chain.complete)
    found += with_respelling(at_uses(resolved.diagnostics), chain.diagnostics)
    between()
    built = build_bridge(resolved.spec)
    bridge = transform(built, resolved.spec)
    via = Via(collected.values, collected.bases, collected.lets)
    unit = Unit(
        chain.documents,
        resolved.spec,
        resolved.origins,
        bridge,
        Analyses(bridge, resolved.spec.train.passes or ()),
        via,
    )
    found += with_respelling(at_uses(check(unit, resolved.poisoned, between)), chain.diagnostics)

    # Custom parts are imported only for a spec without errors.
    folders = (*_folders(chain.documents), *(custom.folders if custom is not None else ()))
    if custom is not None and not any(item.severity is Severity.ERROR for item in found):
        try:
            unit = measured(unit, folders)
        except SpecError as error:
            found += error.diagnostics

    if any(item.severity is Severity.ERROR for item in found):
        errors = without_explained_quotes([item for item in found if item.severity is Severity.ERROR])
        told = tuple(once_a_name(_sorted(errors, source)))
        return Compilation(None, chain.documents, told, unit=unit, poisoned=resolved.poisoned)

    hidden = tuple(item for item in found if suppressed(item))
    found = [item for item in found if not suppressed(item)]
    verify_both(built, bridge)
    program = Program(unit, tuple(found), folders)
    return Compilation(program, chain.documents, _sorted(found, source), hidden, unit)


def bridge_of(spec: Spec) -> Bridge:
    """The bridge of a resolved spec, without the rules and without measured custom parts."""
    return transform(build_bridge(spec), spec)


def _folders(documents: Iterable[ast.Document]) -> tuple[Path, ...]:
    """The folders of a spec and its bases, that of the spec first."""
    paths = [document.source.path for document in documents if document.source.path is not None]
    return tuple(dict.fromkeys(path.absolute().parent for path in reversed(paths)))


def _full_text(diagnostics: Sequence[Diagnostic]) -> str:
    from hvaedsl.report.full import full_text  # loads rich, only to show errors

    return full_text(diagnostics)


SpecError.full_text = staticmethod(_full_text)


def _stem(source: Source) -> str:
    return source.path.stem if source.path is not None else "model"


def _sections(document: ast.Document) -> dict[str, Span]:
    return {item.name.text: item.name.span for item in document.statements if isinstance(item, ast.Section)}


def _sorted(found: list[Diagnostic], source: Source) -> tuple[Diagnostic, ...]:
    """The diagnostics of the spec first, then those of bases and overrides, each sorted by place."""
    return tuple(
        sorted(found, key=lambda item: (item.span.source is not source, item.span.source.name, item.span.start))
    )
