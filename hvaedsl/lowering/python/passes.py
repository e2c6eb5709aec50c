"""The classes `Encoder` and `Decoder` of an emitted file, with their walks written out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import Normalization
from hvaedsl.ir.fourier import Exponents, with_features
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.lowering.plan import Apply, BlockModule, Plan, Resampling, TopDown
from hvaedsl.lowering.python.walks import Application, Line, Section, Step, counting, numbered_names, statements

# A test holds this against the classes that a module is made of.
CELL_CLASSES: dict[str, str] = {
    "vdvae": "VDVAECell",
    "non_residual": "NonResidualCell",
    "euler_maruyama": "EulerMaruyamaCell",
    "nvae": "NVAECell",
}
METHOD = " " * 8

ENCODER = '''
def encoder_block(channels: int, mid_channels: int, kernel: int) -> Bottleneck:
    """A residual block, one of {applications:,} applied in the encoder: its output starts scaled for so many."""
    block = Bottleneck(channels, mid_channels, channels, kernel, residual=True{features})
    block.scale_last_(math.sqrt(1 / {applications}))
    return block


class Encoder(nn.Module):
    """The bottom-up pass: the stem, then blocks and poolings down to the bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv({image_channels}, {width}, 3)
{pools}        self.blocks = nn.ModuleDict()
{construction}

    def forward(self, x: Tensor) -> dict[int, {kept}]:
        """[B, H, W, C] -> {{R: {what}, [B, channels, R, R]}}."""
        kept: dict[int, {kept}] = {initially}
        x = self.stem(x.permute(0, 3, 1, 2).contiguous())

{walk}
        return kept
'''

DECODER = '''
def decoder_block(channels: int, mid_channels: int, latent: int, kernel: int) -> {cell}:
    """A top-down block, one of {depth:,} applied in the decoder: what it adds starts scaled for so many."""
{features}
    block.scale_for_depth_({depth})
    return block


class Decoder(nn.Module):
    """The top-down pass: latents drawn one after another, from the bottleneck up to the image."""

    def __init__(self) -> None:
        super().__init__()
        self.states = nn.ParameterDict({states})
{embeddings}        self.blocks = nn.ModuleDict()
{construction}
        self.gain = nn.Parameter(torch.ones(1, {width}, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, {width}, 1, 1))

    def block(self, name: str) -> {cell}:
        """A block by its name."""
        return cast({cell}, self.blocks[name])

    def descend(self, batch: int, layer: Callable[[str, Tensor], Tensor]) -> Tensor:
        """The final state, [batch, {width}, {size}, {size}].

        `layer(name, state)` applies a block and gives the next state; x_R is the state at R.
        """
{walk}

        return x_{size} * self.gain + self.bias

    def infer(self, kept: Mapping[int, {kept}], noise: Noise) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """With z from the posterior: the final state, every z, and every KL in nats, [B]."""
        zs: list[Tensor] = []
        kls_nats: list[Tensor] = []
{unread}
        def layer(name: str, state: Tensor) -> Tensor:
            block, (batch, _, resolution, _) = self.block(name), state.shape
            eps = noise(len(zs), (batch, block.latent, resolution, resolution))
{activation}            state, z, kl_nats = block(state, activation, eps)
            zs.append(z)
            kls_nats.append(kl_nats)
            return state

        batch = next(iter(kept.values())){first}.shape[0]
        return self.descend(batch, layer), zs, kls_nats

    def generate(self, batch: int, latents: Sequence[Tensor], temperature: Temperature, noise: Noise) -> Tensor:
        """With the given z as far as they go and the prior's from there: the final state."""
        layers = iter(range({depth}))

        def layer(name: str, state: Tensor) -> Tensor:
            block, index, resolution = self.block(name), next(layers), state.shape[-1]
            if index < len(latents):
                return block.generate_from(state, latents[index])
            eps = noise(index, (batch, block.latent, resolution, resolution))
            state, _ = block.generate(state, eps, _at(temperature, resolution))
            return state

        return self.descend(batch, layer)
'''


def encoder_text(plan: Plan) -> str:
    """The encoder: its blocks, and a walk that keeps what the decoder reads."""
    several = keeps_several(plan)
    features = _same({block.block_features for block in plan.encoder_blocks})
    blocks = [
        (block.name, f"encoder_block({block.channels}, {block.mid}, {block.kernel})") for block in plan.encoder_blocks
    ]
    return ENCODER.strip().format(
        applications=plan.encoder_applications,
        image_channels=with_features(plan.image_channels, plan.image_features),
        width=plan.width,
        features=", features=EXPONENTS" if features else "",
        pools=_resamplings("pools", "WaveletPool", plan.pools),
        construction=_construction(blocks),
        kept="list[Tensor]" if several else "Tensor",
        what="the activations at R in the order of the blocks"
        if several
        else "the activation at R that the decoder reads",
        initially="{}",
        walk=_indented(statements(list(_encoder_steps(plan, several=several)))),
    )


def decoder_text(plan: Plan) -> str:
    """The decoder: its blocks, one walk, and the two ways of drawing along it."""
    several = keeps_several(plan)
    cells = {CELL_CLASSES[block.cell]: None for block in plan.decoder_blocks if block.cell is not None}
    if len(cells) != 1:
        raise CompilerBug(f"an emitted model has one kind of cell, not {', '.join(cells)}")
    return DECODER.strip().format(
        cell=next(iter(cells)),
        depth=len(plan.decoder_steps),
        width=plan.width,
        size=plan.image_resolution,
        features=_made_block(plan, next(iter(cells))),
        states=_states(plan),
        embeddings=_resamplings("embeddings", "WaveletEmbedding", plan.embeddings),
        construction=_construction([(block.name, _decoder_block(block)) for block in plan.decoder_blocks]),
        walk=_indented(statements(list(_decoder_steps(plan)))),
        kept="Sequence[Tensor]" if several else "Tensor",
        first="[0]" if several else "",
        unread=f"{METHOD}unread = {{resolution: list(activations) for resolution, activations in kept.items()}}\n"
        if several
        else "",
        activation=_activation(plan, several=several),
    )


def exponents(plan: Plan) -> Exponents:
    """Those of all Fourier features inside the model; none where it has none."""
    blocks = (*plan.encoder_blocks, *plan.decoder_blocks)
    found = {item for block in blocks for item in (block.block_features, block.branch_features, block.z_features)}
    return _same(found - {()})


def wavelets(plan: Plan) -> tuple[str, ...]:
    """The wavelets between resolutions."""
    found = (wavelet_of(resampling.method) for resampling in (*plan.pools, *plan.embeddings))
    return tuple(dict.fromkeys(name for name in found if name is not None))


def keeps_several(plan: Plan) -> bool:
    """Whether the decoder reads several activations of one resolution, the last first (synchronous processing)."""
    several = False
    for slots in _slots(plan).values():
        if len(set(slots)) > 1:
            several = True
            if slots != sorted(set(slots), reverse=True):
                raise CompilerBug("the decoder reads activations in an order that emitted source cannot write")
    return several


def _slots(plan: Plan) -> dict[int, list[int]]:
    """The slots that the decoder reads, by resolution and in order; none of one at which it reads zeros."""
    reads: dict[int, list[int | None]] = {}
    for step in plan.decoder_steps:
        reads.setdefault(step.resolution, []).append(step.slot)
    found: dict[int, list[int]] = {}
    for resolution, slots in reads.items():
        given = [slot for slot in slots if slot is not None]
        if given and len(given) < len(slots):
            raise CompilerBug(f"some blocks at {resolution} read the encoder and some do not")
        if given:
            found[resolution] = given
    return found


def _activation(plan: Plan, *, several: bool) -> str:
    """The statement that finds what a posterior reads beside the state."""
    read = "unread[resolution].pop()" if several else "kept[resolution]"
    if any(step.slot is None for step in plan.decoder_steps):
        read = f"{read} if resolution in kept else torch.zeros_like(state)"
    return f"{METHOD}    activation = {read}\n"


def _same(found: set[Exponents]) -> Exponents:
    if len(found) > 1:
        raise CompilerBug(f"an emitted model has one list of exponents, not {found}")
    return next(iter(found), ())


def _made_block(plan: Plan, cell: str) -> str:
    """The statements that make a cell; one that reads Fourier features is told the places at which it does."""
    places = {
        "branches": _same({block.branch_features for block in plan.decoder_blocks}),
        "sample": _same({block.z_features for block in plan.decoder_blocks}),
        "block": _same({block.block_features for block in plan.decoder_blocks}),
    }
    given = ", ".join(f"{place}=EXPONENTS" for place, found in places.items() if found)
    if not given:
        return f"    block = {cell}(channels, mid_channels, latent, kernel)"
    return f"    features = CellFeatures({given})\n    block = {cell}(channels, mid_channels, latent, kernel, features)"


def _resamplings(attribute: str, made: str, found: Sequence[Resampling]) -> str:
    """The modules of wavelets; other changes of resolution are functions."""
    lines = [
        f'{METHOD}self.{attribute}["{item.name}"] = {made}("{wavelet}", {item.fine}, {item.factor})\n'
        for item in found
        if (wavelet := wavelet_of(item.method)) is not None
    ]
    return "".join([f"{METHOD}self.{attribute} = nn.ModuleDict()\n", *lines]) if lines else ""


def _encoder_steps(plan: Plan, *, several: bool) -> Iterator[Step]:
    resolution = plan.image_resolution
    keep = "kept.setdefault({0}, []).append(x)" if several else "kept[{0}] = x"
    channels = plan.width
    pools = {pool.name: pool for pool in plan.pools}
    yield Section(f"{resolution} x {resolution}")
    if plan.stem_slot is not None:
        yield Line(keep.format(resolution))
    for step in plan.encoder_steps:
        if isinstance(step, Apply):
            kept = keep.format(resolution) if step.slot is not None else ""
            applied = _normalized("self.blocks[{}](x)", step.normalize)
            yield Application(step.block, f"x = {applied}", kept if several else "")
            if kept and not several:
                yield Line(kept)
            continue
        pool = pools[step.pool]
        resolution = pool.coarse
        yield Section(f"{resolution} x {resolution}")
        pooled = _pooled(pool)
        # Of strided values it makes a copy of its own, on which the order of sums in the backward pass depends.
        if step.channels != channels or pool.method == "strided":
            pooled = f"pad_channels({pooled}, {step.channels})"
        yield Line(f"x = {_normalized(pooled, step.normalize)}")
        channels = step.channels
        if step.slot is not None:
            yield Line(keep.format(resolution))


def _pooled(pool: Resampling) -> str:
    if wavelet_of(pool.method) is not None:
        return f'self.pools["{pool.name}"](x)'
    return f"{'average_pool' if pool.method == 'average' else 'strided_pool'}(x, {pool.factor})"


def _normalized(state: str, normalization: Normalization | None) -> str:
    if normalization is None:
        return state
    over, _, norm = normalization.partition("_")
    return f'normalize_state({state}, "{over}", "{norm}")'


def _decoder_steps(plan: Plan) -> Iterator[Step]:
    begun: dict[int, int] = {}
    states = {state.resolution: state for state in plan.states}
    embeddings = {embedding.name: embedding for embedding in plan.embeddings}
    at = 0
    for layer, step in enumerate(plan.decoder_steps):
        assert step.layer == layer
        resolution = step.resolution
        if resolution != at:
            yield Section(f"{resolution} x {resolution}")
        at = resolution
        if resolution not in begun:
            state = states[resolution]
            begun[resolution] = state.channels
            yield Line(
                f'x_{resolution}: Tensor = self.states["{state.name}"].expand(batch, -1, -1, -1)'
                if state.name is not None
                else f"x_{resolution} = self.gain.new_zeros(batch, {state.channels}, {resolution}, {resolution})"
            )
        if step.embedding is not None:
            yield Line(_mix_in(step, embeddings[step.embedding], begun))
        state_text = _normalized(f"x_{resolution}", step.normalize)
        yield Application(step.block, f"x_{resolution} = layer({{}}, {state_text})")


def _mix_in(step: TopDown, embedding: Resampling, channels: dict[int, int]) -> str:
    assert step.source is not None
    source, state = f"x_{step.source}", f"x_{step.resolution}"
    if channels[step.source] > channels[step.resolution]:
        source += f"[:, :{channels[step.resolution]}]"
    if wavelet_of(embedding.method) is not None:
        return f'{state} = {state} + self.embeddings["{embedding.name}"]({source})'
    return f"{state} = {state} + upsample_nearest({source}, {step.resolution // step.source})"


def _states(plan: Plan) -> str:
    """The learned states as a dictionary, one a line."""
    lines = [
        f'"{state.name}": nn.Parameter(torch.zeros(1, {state.channels}, {state.resolution}, {state.resolution})),'
        for state in plan.states
        if state.name is not None
    ]
    if not lines:
        return ""
    return "\n".join(["", f"{METHOD}    {{", *(f"{METHOD}        {line}" for line in lines), f"{METHOD}    }}", METHOD])


def _decoder_block(block: BlockModule) -> str:
    return f"decoder_block({block.channels}, {block.mid}, {block.latent}, {block.kernel})"


def _construction(blocks: Sequence[tuple[str, str]]) -> str:
    """One assignment a block, or a loop over those that are alike and count up."""
    lines: list[str] = []
    start = 0
    while start < len(blocks):
        end = start
        while end < len(blocks) and blocks[end][1] == blocks[start][1]:
            end += 1
        for name, numbers in numbered_names([name for name, _ in blocks[start:end]]):
            if numbers is None:
                lines.append(f'self.blocks["{name}"] = {blocks[start][1]}')
            else:
                lines.append(f"for index in {counting(numbers)}:")
                lines.append(f'    self.blocks[f"{name}{{index}}"] = {blocks[start][1]}')
        start = end
    return _indented(lines)


def _indented(lines: Sequence[str] | Iterator[str]) -> str:
    return textwrap.indent("\n".join(lines).strip("\n"), METHOD)
