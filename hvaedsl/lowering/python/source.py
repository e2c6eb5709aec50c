"""A model as Python source: importing `hvaedsl.nn`, or with the definitions of `hvaedsl.nn` in the file.

The first is what `Program.module()` runs, the second needs only torch. Nothing here imports torch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.residual_blocks import BLOCKS
from hvaedsl.lowering.plan import Plan
from hvaedsl.lowering.python.inlining import imports_text, inlined
from hvaedsl.lowering.python.library import Import, names_in
from hvaedsl.lowering.python.loops import WIDTH
from hvaedsl.lowering.python.model_text import About, class_name, constructor_text, model_text, paths_text

# The base class, and the one in its place that knows the plan, from which a model that runs is derived.
MODEL = "HierarchicalVAE"
MODULE = "hvaedsl.lowering.module"

# Where the names of a model's text are defined. The classes of cells and blocks are looked up in their descriptions.
PLACES: dict[str, str] = {
    "Iterator": "collections.abc",
    "partial": "functools",
    **dict.fromkeys(("conv", "scaled_for_depth"), "hvaedsl.nn.blocks"),
    "CellFeatures": "hvaedsl.nn.fourier",
    **dict.fromkeys(("Form", "FormedDecoder", "FormedMixedDecoder"), "hvaedsl.nn.forms"),
    "Bernoulli": "hvaedsl.nn.likelihoods.bernoulli",
    "GaussianDensity": "hvaedsl.nn.likelihoods.gaussian",
    "HighBitDepthMixtureOfLogistics": "hvaedsl.nn.likelihoods.high_bit_depth",
    "MixtureOfLogistics": "hvaedsl.nn.likelihoods.mixture_of_logistics",
    MODEL: "hvaedsl.nn.model",
    **dict.fromkeys(("Decoder", "Encoder", "MixedDecoder"), "hvaedsl.nn.passes"),
    **dict.fromkeys(
        ("AveragePool", "NearestEmbedding", "StridedPool", "WaveletEmbedding", "WaveletPool"), "hvaedsl.nn.resolution"
    ),
    **dict.fromkeys(("Apply", "DeterministicStep", "Downsample", "InitialState", "TopDown"), "hvaedsl.nn.steps"),
}

SHAPES = '''
Shapes: B batch, H, W, C height, width, channels of an image, R a resolution of the hierarchy. Images are [B, H, W, C]
outside and [B, channels, R, R] inside. Nats everywhere.
"""
'''

HEADER = '''
"""{summary}

Written by hvaedsl {version} from the spec at the end of the file; it needs only torch. To load the weights of a run:

    import safetensors.torch
    model = {name}()
    model.load_state_dict(safetensors.torch.load_file("RUN/checkpoints/step-00001000/ema.safetensors"))

`model.safetensors` has the weights without averaging; `preparation` in `state.json`, how images become x and target.

'''

MODULE_HEADER = '''
"""{summary}

Written by hvaedsl from the spec, to be run by `Program.module()`. `hvaedsl compile SPEC --emit python` writes a
self-contained version.

'''


@dataclass(frozen=True)
class ModuleSource:
    """Source that imports `hvaedsl.nn`, and the name of the model's class in it."""

    text: str
    class_name: str


def module_source(plan: Plan, about: About) -> ModuleSource:
    """The source that `Program.module()` runs. The classes of custom parts are handed in under their names there."""
    own = _Own(plan, about)
    imported = [replace(item, module=MODULE) if item.name == MODEL else item for item in own.imports]
    name = class_name(about.name, own.names)
    header = MODULE_HEADER.strip().format(summary=about.summary(plan)) + "\n\n" + SHAPES.strip()
    text = _joined([f"{header}\n\n{imports_text(imported)}", own.paths, model_text(plan, about, name, own.constructor)])
    return ModuleSource(text, name)


def python_source(plan: Plan, about: About, *, spec_text: str, version: str) -> str:
    """A file that needs only torch. The spec is at its end, as a comment."""
    own = _Own(plan, about)
    layers = inlined(own.imports)
    name = class_name(about.name, own.names | layers.names)

    header = HEADER.strip().format(summary=about.summary(plan), version=version, name=name) + "\n\n" + SHAPES.strip()
    spec = "\n".join(_as_comment(spec_text))
    # One empty line after the imports: the first definition is a constant.
    first = f"{header}\n\n{imports_text(layers.imports)}\n\n{layers.texts[0]}"
    model = model_text(plan, about, name, own.constructor)
    return _joined([first, *layers.texts[1:], own.paths, model, f"# The spec:\n#\n{spec}"])


class _Own:
    """What is particular to a model, and the names in it."""

    def __init__(self, plan: Plan, about: About) -> None:
        self.paths = paths_text(plan)
        self.constructor = constructor_text(plan, about)
        read = names_in(f"{self.paths}\n\n\n{textwrap.dedent(self.constructor)}")
        self.names = {*read, MODEL, "encoder_path", "decoder_path"}

        modules = [*(kind.module for kind in CELLS.values()), *(kind.module for kind in BLOCKS.values())]
        modules += [kind.without_latent.module for kind in CELLS.values() if kind.without_latent is not None]
        classes = (module.partition(":") for module in modules)
        places = PLACES | {name: module for module, _, name in classes}
        self.imports = [Import(places[name], name, name) for name in sorted(self.names) if name in places]


def _joined(parts: Sequence[str]) -> str:
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _as_comment(text: str) -> Iterator[str]:
    """Lines as comments; long block lists are broken at commas, and unprintable characters are escaped."""
    for line in map(_escaped, text.splitlines()):
        indent = " " * (len(line) - len(line.split("= ", 1)[-1])) if "= " in line else "    "
        if '"' in line or len(line) + 2 <= WIDTH:
            yield f"# {line}".rstrip()
        else:
            yield from textwrap.wrap(
                line, WIDTH, initial_indent="# ", subsequent_indent=f"# {indent}", break_long_words=False
            )


def _escaped(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
