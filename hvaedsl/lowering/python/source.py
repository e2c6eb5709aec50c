"""A plan as one Python file that needs torch alone: the layers that it takes, its two passes, and the model.

The layers' source is that of `hvaedsl.nn`, read as text: there is one source of every formula.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.fourier import with_features
from hvaedsl.lowering.plan import Plan
from hvaedsl.lowering.python.flattening import definition_text
from hvaedsl.lowering.python.library import Definition, Import, Library, Module, defined_and_read, imports, names_in
from hvaedsl.lowering.python.passes import decoder_text, encoder_text, exponents, keeps_several, wavelets
from hvaedsl.lowering.python.specialisation import without_features
from hvaedsl.lowering.python.wavelets import with_own_wavelets

WIDTH = 120
LONGEST_NAME = 48
MODULE = "hvaedsl.lowering.module"  # what stands around the layers: Output, the types of noise and temperature
NN = ("blocks", "fourier", "normalization", "resolution", "cells", "likelihoods")
WHERE = (MODULE, *(f"hvaedsl.nn.{name}" for name in NN))
RESOLUTION = "hvaedsl.nn.resolution"
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
# Of torch and the standard library; only what is used is written.
OWN_IMPORTS = """
import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast
import torch
from torch import Tensor, nn
"""

MODEL = '''
class {name}(nn.Module):
    """{summary}

    {about}

    `noise(layer, shape)` gives the standard normals of a stochastic layer, torch's generator where it is None.
    `temperature` multiplies the prior's standard deviations: a number, or one for some resolutions (others 1).
    """

    stochastic_depth = {depth}

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.likelihood = {likelihood}

    def forward(self, x: Tensor, target: Tensor, noise: Noise | None = None) -> Output:
        """The loss of images x [B, H, W, C] with targets [B, H, W, C]."""
        state, _, kls_nats = self.decoder.infer(self._kept(x), noise or self._noise)
        distortion = self.likelihood.nll_nats_per_dim(state, target)
        kl_nats = torch.stack(kls_nats)
        rate = kl_nats.sum(dim=0) / math.prod(target.shape[1:])
        return Output((distortion + rate).mean(), distortion, rate, kl_nats)

    def encode(self, x: Tensor) -> dict[int, Tensor]:
        """{{R: the activation at R that the decoder reads{last}, [B, channels, R, R]}} of images x [B, H, W, C]."""
        return {encoded}

    def latents(self, x: Tensor, noise: Noise | None = None) -> list[Tensor]:
        """Every z of images x [B, H, W, C] from the posterior; each [B, latent, R, R], in the decoder's order."""
        return self.decoder.infer(self._kept(x), noise or self._noise)[1]

    def decode(
        self, latents: Sequence[Tensor], *, temperature: Temperature = 1.0, noise: Noise | None = None
    ) -> Tensor:
        """The state that the likelihood reads, [B, {width}, H, W], of the first layers' z; the prior draws the rest."""
        if not 0 < len(latents) <= self.stochastic_depth:
            raise ValueError(f"decode takes 1 to {{self.stochastic_depth}} latents, not {{len(latents)}}")
        return self.decoder.generate(latents[0].shape[0], latents, temperature, noise or self._noise)

    def decode_prior(self, count: int, *, temperature: Temperature = 1.0, noise: Noise | None = None) -> Tensor:
        """The state that the likelihood reads, [count, {width}, H, W], with every z from the prior."""
        return self.decoder.generate(count, (), temperature, noise or self._noise)

    @torch.no_grad()
    def sample(
        self,
        count: int,
        *,
        temperature: Temperature = 1.0,
        noise: Noise | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images from the prior, uint8 [count, H, W, C]; `generator` draws from the likelihood."""
        if count < 1:
            raise ValueError(f"sample takes a count of at least 1, not {{count}}")
        return self.likelihood.sample(self.decode_prior(count, temperature=temperature, noise=noise), generator)

    def _kept(self, x: Tensor) -> dict[int, {kept}]:
        if tuple(x.shape[1:]) != ({size}, {size}, {read}):
            raise ValueError(f"images are [B, {size}, {size}, {read}], not {{list(x.shape)}}")
        return cast(dict[int, {kept}], self.encoder(x))

    def _noise(self, _: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, dtype=self.decoder.gain.dtype, device=self.decoder.gain.device)
'''

HEADER = '''
"""{summary}

Written by hvaedsl {version} from the spec that stands at the end of the file; it needs torch alone. Weights of a run:

    checkpoint = torch.load("RUN/checkpoints/last.pt", map_location="cpu", weights_only=True)
    model = {name}()
    model.load_state_dict(checkpoint["ema"])  # the averaged weights; those of the last step are checkpoint["model"]
    checkpoint["preparation"]                 # how images become x and target

Shapes: B batch, H, W, C height, width, channels of an image, R a resolution of the hierarchy. Images are [B, H, W, C]
outside and [B, channels, R, R] inside. Nats everywhere.
"""
'''


def python_source(plan: Plan, *, name: str, spec_text: str, version: str, parameters: int) -> str:
    """A file with a class named after the spec, whose parameters and outputs are those of the lowered module.

    Names and order of the parameters, their initial values from a seed, and every output are the same. Activation
    checkpointing is not in it, nor are the published code's names.
    """
    summary = f"{_printable(name)}: {parameters:,} parameters, stochastic depth {len(plan.decoder_steps):,}."
    passes = [encoder_text(plan), decoder_text(plan)]
    if exponents(plan):
        passes.insert(
            0, _constant("EXPONENTS", "Of the Fourier features sin(2^n pi x) and cos(2^n pi x).", exponents(plan))
        )
    library = Library(_rewriting(plan))
    taken_over, imported = _taken_over(library, "\n\n\n".join([*passes, _model_text(plan, "_", summary)]))
    taken = {word for text in (*passes, *(text for _, text in taken_over)) for word in defined_and_read(text)}
    model = class_name(name, taken | {item.bound for item in imported})
    body = [*passes, _model_text(plan, model, summary)]
    header = HEADER.strip().format(summary=summary, version=version, name=model)
    spec = "\n".join(_as_comment(spec_text))
    texts = [f"{header}\n\n{_imports_text(imported)}", *_spaced(taken_over), *body, f"# The spec:\n#\n{spec}"]
    return "\n\n\n".join(text.strip("\n") for text in texts) + "\n"


def class_name(name: str, taken: set[str]) -> str:
    """A class's name for a spec's: `cifar_ws` becomes CifarWs; one that is no name, or taken, gets `Model` added."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).replace("_", " "))
    made = "".join(word[:1].upper() + word[1:] for word in words)
    if not made.isidentifier():
        made = f"Model{made}" if f"Model{made}".isidentifier() else "Model"
    while made in taken or keyword.iskeyword(made) or hasattr(builtins, made):
        made += "Model"
    return made


def _model_text(plan: Plan, name: str, summary: str) -> str:
    several = keeps_several(plan)
    return MODEL.strip().format(
        name=name,
        summary=summary,
        size=plan.image_resolution,
        channels=plan.image_channels,
        read=with_features(plan.image_channels, plan.image_features),
        about=_about(plan),
        width=plan.width,
        depth=len(plan.decoder_steps),
        likelihood=_likelihood(plan),
        kept="list[Tensor]" if several else "Tensor",
        last=" last" if several else "",
        encoded="{resolution: activations[0] for resolution, activations in self._kept(x).items()}"
        if several
        else "self._kept(x)",
    )


def _about(plan: Plan) -> str:
    """What the model takes, as lines of a docstring."""
    size, channels = plan.image_resolution, plan.image_channels
    read = with_features(channels, plan.image_features)
    targets = "{0, 1}" if plan.likelihood.name == "bernoulli" else "[-1, 1]"
    text = (
        f"It preprocesses nothing: images x are shifted and scaled, [B, {size}, {size}, {read}], targets are in "
        f"{targets} already, [B, {size}, {size}, {channels}]."
    )
    if plan.image_features:
        text += f" Behind its channels x has their Fourier features, n = {', '.join(map(str, plan.image_features))}."
    return "\n    ".join(textwrap.wrap(text, WIDTH - 4))


def _likelihood(plan: Plan) -> str:
    if plan.likelihood.name == "bernoulli":
        return f"Bernoulli({plan.width})"
    bits = f", bits={plan.likelihood.bits}" if plan.likelihood.bits is not None else ""
    mixtures, channels = plan.likelihood.mixtures, plan.image_channels
    return f"MixtureOfLogistics({plan.width}, channels={channels}, mixtures={mixtures}, levels={plan.levels}{bits})"


def _rewriting(plan: Plan) -> Callable[[str, str], str]:
    """What a model leaves out of the layers' source, or has in a form that needs torch alone."""

    def rewrite(name: str, text: str) -> str:
        if name == RESOLUTION:
            text = with_own_wavelets(text, wavelets(plan))
        return text if exponents(plan) else without_features(text)

    return rewrite


def _constant(name: str, comment: str, values: Sequence[int]) -> str:
    written = f"{name}: tuple[int, ...] = ({', '.join(map(str, values))}{',' if len(values) == 1 else ''})"
    return f"# {comment}\n{written}"


def _taken_over(library: Library, text: str) -> tuple[list[tuple[Definition, str]], list[Import]]:
    """What a text takes over from the library, in an order in which it can be read, and what is imported for it."""
    namespaces = [library.module(where) for where in WHERE]
    own = {found.bound: found for found in imports(ast.parse(OWN_IMPORTS).body)}
    defined = {"EXPONENTS"} | {node.name for node in ast.parse(text).body if isinstance(node, DEFINITIONS)}
    taken: dict[str, tuple[Definition, str]] = {}
    imported: dict[str, Import] = {}
    waiting: list[tuple[str, Sequence[Module]]] = [(name, ()) for name in names_in(text) if name not in defined]
    while waiting:
        name, where = waiting.pop()
        found = own.get(name) if not where else None
        found_in = (library.find(module, name) for module in where or namespaces)
        meaning = found or next((item for item in found_in if item is not None), None)
        if isinstance(meaning, Import):
            if imported.setdefault(name, meaning) != meaning:
                raise CompilerBug(f"{name} means {imported[name]} and {meaning} in the layers of one model")
        elif isinstance(meaning, Definition) and name in taken:
            if taken[name][0].node is not meaning.node:
                raise CompilerBug(f"two definitions of the layers are called {name}")
        elif isinstance(meaning, Definition):
            written, modules = definition_text(library, meaning)
            taken[name] = (meaning, written)
            waiting += [(other, modules) for other in names_in(written) if other != name]
    order = {module: number for number, module in enumerate(_in_order(library, namespaces))}
    ordered = sorted(taken.values(), key=lambda item: (order[item[0].module.name], item[0].node.lineno))
    return ordered, list(imported.values())


def _in_order(library: Library, modules: Sequence[Module]) -> Iterator[str]:
    """The names of modules of the layers, each behind those that it imports."""
    found: dict[str, None] = {}

    def visit(module: Module) -> None:
        for item in module.imports.values():
            if item.module.startswith("hvaedsl.nn") and item.module not in found:
                visit(library.module(item.module))
        found.setdefault(module.name)

    for module in [*modules[1:], modules[0]]:
        visit(module)
    return iter(found)


def _spaced(taken: Sequence[tuple[Definition, str]]) -> Iterator[str]:
    """The texts, neighbouring constants of a module in one."""
    together: list[str] = []
    before: Definition | None = None
    for found, text in taken:
        constants = before is not None and not any(
            isinstance(item.node, ast.FunctionDef | ast.ClassDef) for item in (before, found)
        )
        if constants:
            together[-1] += f"\n{text}"
        else:
            together.append(text)
        before = found
    return iter(together)


def _imports_text(imported: Sequence[Import]) -> str:
    """The imports in their usual order: the standard library, then torch; whole modules first."""
    blocks = ["from __future__ import annotations"]
    for of_torch in (False, True):
        here = [item for item in imported if item.module.startswith("torch") == of_torch]
        lines = [f"import {item.module}" for item in sorted(here, key=lambda item: item.module) if item.name is None]
        for module in sorted({item.module for item in here if item.name is not None}):
            names = sorted(
                (item for item in here if item.module == module and item.name is not None),
                key=lambda item: (_case(item.bound), item.bound),
            )
            plain = [item.bound for item in names if item.bound == item.name]
            if plain:
                lines.append(f"from {module} import {', '.join(plain)}")
            lines += [f"from {module} import {item.name} as {item.bound}" for item in names if item.bound != item.name]
        if lines:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _case(name: str) -> int:
    """Constants, then classes, then the rest."""
    return 0 if name.isupper() else 1 if name[:1].isupper() else 2


def _as_comment(text: str) -> Iterator[str]:
    """Lines as comments, long block lists broken at their commas."""
    for line in text.splitlines():
        if not line:
            yield "#"
            continue
        indent = " " * (len(line) - len(line.split("= ", 1)[-1])) if "= " in line else "    "
        if '"' in line or len(line) + 2 <= WIDTH:
            yield f"# {line}"
        else:
            yield from textwrap.wrap(
                line, WIDTH, initial_indent="# ", subsequent_indent=f"# {indent}", break_long_words=False
            )


def _printable(name: str) -> str:
    """A name as it may stand in a docstring, on one line with what else is said there."""
    plain = "".join(letter if letter.isprintable() and letter not in '"\\' else "_" for letter in name)
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 3] + "..."
