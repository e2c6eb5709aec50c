"""The Python source specific to one model: the steps of its two passes, and a class with its constructor.

The names in it mean what they mean in `hvaedsl.nn`. Text of a spec reaches it as checked identifiers and as literals
alone.
"""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.fourier import Exponents, with_features
from hvaedsl.ir.likelihood import PUBLISHED_LEVELS
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK, block_kind, given_heads
from hvaedsl.lowering.plan import BlockModule, Plan, Resampling
from hvaedsl.lowering.python.loops import WIDTH, Section, Statement, call, lines_of, quoted
from hvaedsl.nn.steps import Apply, Downsample, InitialState, TopDown

LONGEST_NAME = 48
INDENT = "    "
METHOD = INDENT * 2
# What custom parts are called in the source; their classes are handed in. A second cell is `CustomCell2`.
CUSTOM_BLOCK = "CustomBlock"
CUSTOM_CELL = "CustomCell"
CUSTOM_LIKELIHOOD = "CustomLikelihood"
# The attribute of a custom cell with the class that takes its place where `latent` is 0.
DETERMINISTIC = "deterministic"

PATHS = '''
def encoder_path() -> Iterator[Apply | Downsample]:
    """The steps of the bottom-up pass, in order."""
{encoder}


def decoder_path() -> Iterator[TopDown]:
    """The steps of the top-down pass, in order.{draws}"""
{decoder}
'''

MODEL = '''
class {name}(HierarchicalVAE):
    """{summary}

    {about}
    """

    def __init__(self) -> None:
{constructor}{depth}
'''

DEPTH = '''

    @property
    def stochastic_depth(self) -> int:
        """How many latents are drawn one after another; not every step draws one."""
        return sum(not isinstance(step, DeterministicStep) for step in self.decoder.steps)
'''


@dataclass(frozen=True)
class About:
    """What a model's source says of it beside the plan."""

    name: str  # of the spec
    parameters: int | None  # None if a custom part is not counted
    unpublished: str | None  # why its parameters have no names in the published code; None if they have

    def summary(self, plan: Plan) -> str:
        """One line for a docstring: name, size, depth."""
        size = f"{self.parameters:,} parameters, " if self.parameters is not None else ""
        return f"{_printable(self.name)}: {size}stochastic depth {len(plan.layers):,}."


def paths_text(plan: Plan) -> str:
    """The functions that give the steps of both passes."""
    return PATHS.strip().format(
        encoder="\n".join(lines_of(list(_encoder_items(plan)), INDENT)).strip("\n"),
        decoder="\n".join(lines_of(list(_decoder_items(plan)), INDENT)).strip("\n"),
        draws="" if _is_mixed(plan) else " Each draws a latent.",
    )


def constructor_text(plan: Plan, about: About) -> str:
    """The body of the constructor of the model's class."""
    return "\n".join(_constructor(plan, about))


def model_text(plan: Plan, about: About, name: str, constructor: str) -> str:
    """The model's class."""
    depth = DEPTH.rstrip() if _is_mixed(plan) else ""
    return MODEL.strip().format(
        name=name, summary=about.summary(plan), about=_about(plan), constructor=constructor, depth=depth
    )


def custom_cells(plan: Plan) -> dict[str, str]:
    """What each custom cell is called in the source, by its reference."""
    cells = (block.cell for block in plan.decoder_blocks if block.cell and cell_kind(block.cell) is None)
    return _numbered(CUSTOM_CELL, cells)


def custom_blocks(plan: Plan) -> dict[str, str]:
    """What each custom residual block is called in the source, by its reference."""
    blocks = (block.block for block in (*plan.encoder_blocks, *plan.decoder_blocks) if block_kind(block.block) is None)
    return _numbered(CUSTOM_BLOCK, blocks)


def _numbered(name: str, references: Iterable[str]) -> dict[str, str]:
    """A name for each of the references, which may repeat: `CustomCell`, `CustomCell2`."""
    found = dict.fromkeys(references)
    return {reference: f"{name}{number if number > 1 else ''}" for number, reference in enumerate(found, 1)}


def _is_mixed(plan: Plan) -> bool:
    """Whether some steps draw no latent."""
    return len(plan.layers) < len(plan.decoder_steps)


def class_name(name: str, taken: Collection[str]) -> str:
    """A class's name for a spec's: `cifar_ws` becomes CifarWs; one that is no name, or taken, gets `Model` added."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).replace("_", " "))
    made = "".join(word[:1].upper() + word[1:] for word in words)
    made = unicodedata.normalize("NFKC", made)
    if not made.isidentifier():
        made = f"Model{made}" if f"Model{made}".isidentifier() else "Model"
    while made in taken or keyword.iskeyword(made) or hasattr(builtins, made):
        made += "Model"
    return made


def _size(plan: Plan, resolution: int) -> str:
    """Height and width of the states at a resolution."""
    height, width = plan.size_at(resolution)
    return f"{height} x {width}"


def _encoder_items(plan: Plan) -> Iterator[Statement | Section]:
    pools = {pool.name: pool for pool in plan.pools}
    yield Section(_size(plan, plan.image_resolution))
    for step in plan.encoder_steps:
        if isinstance(step, Apply):
            yield _step("yield Apply", ["{}"], [step.block], step)
        else:
            resolution = pools[step.pool].coarse
            yield Section(_size(plan, resolution))
            yield _step("yield Downsample", ["{}", f"channels={step.channels}"], [step.pool], step)


def _decoder_items(plan: Plan) -> Iterator[Statement | Section]:
    at = None
    for step in plan.decoder_steps:
        if step.resolution != at:
            yield Section(_size(plan, step.resolution))
        at = step.resolution
        arguments = ["{}", f"resolution={step.resolution}", f"latent={step.latent}"]
        names = [step.block]
        if step.embedding is not None:
            arguments += [f"source={step.source}", "embedding={}"]
            names.append(step.embedding)
        yield _step(f"yield {type(step).__name__}", arguments, names, step)


def _step(head: str, arguments: list[str], names: list[str], step: Apply | Downsample | TopDown) -> Statement:
    """A step with what all kinds of steps have."""
    for field, value in (("normalize", step.normalize), ("slot", step.slot)):
        if value is not None:
            arguments.append(f"{field}={{}}")
            names.append(value)
    return Statement(head, tuple(arguments), tuple(names))


def _constructor(plan: Plan, about: About) -> Iterator[str]:
    exponents = _exponents(plan)
    if exponents:
        yield f"{METHOD}# Of the Fourier features sin(2^n pi x) and cos(2^n pi x)."
        yield f"{METHOD}exponents = {_tuple(exponents)}"

    stem = f"conv({with_features(plan.image_channels, plan.image_features)}, {plan.width}, 3)"
    slot = [f"stem_slot={quoted(plan.stem_slot)}"] if plan.stem_slot is not None else []
    yield from call("encoder = Encoder", [stem, "encoder_path()", *slot], METHOD)
    yield from lines_of([_resampling("encoder.pools", pool) for pool in plan.pools], METHOD)
    yield from lines_of([_encoder_block(block, plan) for block in plan.encoder_blocks], METHOD)
    yield ""

    yield f"{METHOD}states = ["
    yield from (f"{METHOD}{INDENT}{_initial_state(state)}," for state in plan.states)
    yield f"{METHOD}]"
    formed = [block for block in plan.decoder_blocks if block.form]
    kind = f"{'Formed' if formed else ''}{'Mixed' if _is_mixed(plan) else ''}Decoder"
    yield from call(
        f"decoder = {kind}", [str(plan.width), str(plan.image_resolution), "states", "decoder_path()"], METHOD
    )
    yield from lines_of([_resampling("decoder.embeddings", embedding) for embedding in plan.embeddings], METHOD)
    yield from lines_of([_decoder_block(block, plan) for block in plan.decoder_blocks], METHOD)
    yield from lines_of([_form(block) for block in formed], METHOD)
    yield ""

    yield from call(f"likelihood = {_likelihood_class(plan)}", _likelihood_arguments(plan), METHOD)
    if about.unpublished is not None:
        yield from _text("unpublished", about.unpublished)
    more = [f"image_channels={plan.image_channels}"]
    more += ["image_features=exponents"] if plan.image_features else []
    more += [f"image_width={plan.image_columns}"] if plan.image_columns is not None else []
    more += ["unpublished=unpublished"] if about.unpublished is not None else []
    yield from call("super().__init__", ["encoder", "decoder", "likelihood", *more], METHOD)


def _encoder_block(block: BlockModule, plan: Plan) -> Statement:
    inside = [str(block.channels), str(block.mid), str(block.kernel), *(["exponents"] if block.block_features else [])]
    inside += _heads(block)
    arguments = (f"{_residual_class(block, plan)}({', '.join(inside)})", f"applications={plan.encoder_applications}")
    return Statement("encoder.blocks[{}] = scaled_for_depth", arguments, (block.name,))


def _decoder_block(block: BlockModule, plan: Plan) -> Statement:
    places = {"branches": block.branch_features, "sample": block.z_features, "block": block.block_features}
    given = ", ".join(f"{place}=exponents" for place, found in places.items() if found)
    inside = [str(block.channels), str(block.mid), *([str(block.latent)] if block.draws else []), str(block.kernel)]
    inside += [f"CellFeatures({given})"] if given else []
    if block.block != DEFAULT_BLOCK:
        residual, heads = _residual_class(block, plan), _heads(block)
        inside += [f"block=partial({', '.join([residual, *heads])})" if heads else f"block={residual}"]
    arguments = (f"{_cell_class(block, plan)}({', '.join(inside)})", f"applications={len(plan.decoder_steps)}")
    return Statement("decoder.blocks[{}] = scaled_for_depth", arguments, (block.name,))


def _form(block: BlockModule) -> Statement:
    """How a top-down block computes."""
    return Statement("decoder.forms[{}] = Form", tuple(f"{name}=True" for name in block.form), (block.name,))


def _residual_class(block: BlockModule, plan: Plan) -> str:
    """The class of a residual block."""
    kind = block_kind(block.block)
    return custom_blocks(plan)[block.block] if kind is None else kind.module.partition(":")[2]


def _heads(block: BlockModule) -> list[str]:
    """The argument of a residual block that is called with a number of heads."""
    heads = given_heads(block.block)
    return [] if heads is None else [f"heads={heads}"]


def _cell_class(block: BlockModule, plan: Plan) -> str:
    """The class of a top-down block: its cell, or what the cell is without a latent."""
    assert block.cell is not None
    kind = cell_kind(block.cell)
    if kind is None:
        name = custom_cells(plan)[block.cell]
        return name if block.draws else f"{name}.{DETERMINISTIC}"
    if block.draws:
        return kind.module.partition(":")[2]
    assert kind.without_latent is not None
    return kind.without_latent.module.partition(":")[2]


def _resampling(target: str, found: Resampling) -> Statement:
    wavelet, pools = wavelet_of(found.method), target.endswith("pools")
    if wavelet is not None:
        kind = "WaveletPool" if pools else "WaveletEmbedding"
        sizes = [str(size) for size in (found.fine, found.factor, found.fine_columns) if size is not None]
        return Statement(f"{target}[{{}}] = {kind}", ("{}", *sizes), (found.name, wavelet))
    kind = {"average": "AveragePool", "strided": "StridedPool", "nearest": "NearestEmbedding"}[found.method]
    return Statement(f"{target}[{{}}] = {kind}", (str(found.factor),), (found.name,))


def _initial_state(state: InitialState) -> str:
    name = f", name={quoted(state.name)}" if state.name is not None else ""
    columns = f", columns={state.columns}" if state.columns is not None else ""
    return f"InitialState({state.resolution}, {state.channels}{name}{columns})"


def _likelihood_class(plan: Plan) -> str:
    if plan.likelihood.name == "mixture_of_logistics":
        return "MixtureOfLogistics" if plan.levels <= PUBLISHED_LEVELS else "HighBitDepthMixtureOfLogistics"
    return {"bernoulli": "Bernoulli", "gaussian": "GaussianDensity", "custom": CUSTOM_LIKELIHOOD}[plan.likelihood.name]


def _likelihood_arguments(plan: Plan) -> list[str]:
    likelihood, width = plan.likelihood, str(plan.width)
    if likelihood.name == "bernoulli":
        return [width]
    if likelihood.name == "custom":
        return [width, str(plan.image_channels), str(plan.levels)]
    independent = ["independent=True"] if likelihood.independent and plan.image_channels == 3 else []
    if likelihood.name == "gaussian":
        return [width, f"channels={plan.image_channels}", *independent]
    bits = [f"bits={likelihood.bits}"] if likelihood.bits is not None else []
    mixtures = [f"channels={plan.image_channels}", f"mixtures={likelihood.mixtures}", f"levels={plan.levels}"]
    return [width, *mixtures, *bits, *independent]


def _exponents(plan: Plan) -> Exponents:
    """Those of all Fourier features; none if the model has none."""
    blocks = (*plan.encoder_blocks, *plan.decoder_blocks)
    found = {item for block in blocks for item in (block.block_features, block.branch_features, block.z_features)}
    found = (found | {plan.image_features}) - {()}
    if len(found) > 1:
        raise CompilerBug(f"a model has one list of exponents, not {found}")
    return next(iter(found), ())


def _about(plan: Plan) -> str:
    """What the model takes, as lines of a docstring."""
    size, channels = ", ".join(map(str, plan.size_at(plan.image_resolution))), plan.image_channels
    where = {"bernoulli": " in {0, 1}", "mixture_of_logistics": " in [-1, 1]"}.get(plan.likelihood.name, "")
    text = f"Images x are [B, {size}, {with_features(channels, plan.image_features)}], "
    if plan.image_features:
        text += f"with their Fourier features, n = {', '.join(map(str, plan.image_features))}, after their channels, "
    text += f"and targets [B, {size}, {channels}]{where}"
    text += ": the same standardized values." if plan.likelihood.name == "gaussian" else "."
    return f"\n{INDENT}".join(textwrap.wrap(text, WIDTH - len(INDENT)))


def _text(name: str, value: str) -> Iterator[str]:
    """An assignment of a long text, cut where words begin."""
    yield f"{METHOD}{name} = ("
    for piece in re.findall(r".{1,90}(?:(?<= )|\Z)|.{1,90}", value, re.DOTALL) or [""]:
        yield f"{METHOD}{INDENT}{quoted(piece)}"
    yield f"{METHOD})"


def _tuple(values: Sequence[int]) -> str:
    return f"({', '.join(map(str, values))}{',' if len(values) == 1 else ''})"


def _printable(name: str) -> str:
    """A name made safe for one line of a docstring."""
    plain = "".join(letter if letter.isprintable() and letter not in '"\\' else "_" for letter in name)
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 3] + "..."
