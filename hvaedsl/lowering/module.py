"""The torch module of a plan: its Python source is written, executed against `hvaedsl.nn`, and called.

What runs is the text that `--emit python` writes, with the layers imported where the file has them in it. The text is
known to `linecache`: breakpoints, tracebacks and `inspect.getsource` show it.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
from collections.abc import Mapping
from types import ModuleType

from torch import nn

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.lowering.plan import Plan
from hvaedsl.lowering.python.model_text import CUSTOM_LIKELIHOOD, About, custom_blocks, custom_cells
from hvaedsl.lowering.python.source import ModuleSource, module_source
from hvaedsl.nn import model
from hvaedsl.nn.model import Output as Output  # part of this module's face
from hvaedsl.nn.passes import Noise as Noise
from hvaedsl.nn.passes import Temperature as Temperature


class HierarchicalVAE(model.HierarchicalVAE):
    """A compiled model: one that knows the plan that it was written from."""

    plan: Plan


def make_module(plan: Plan, about: About, custom: Mapping[str, type[nn.Module]]) -> HierarchicalVAE:
    """The model, freshly initialized from torch's generator. `custom` has the classes of custom parts by reference."""
    names = (*custom_cells(plan).items(), *custom_blocks(plan).items())
    handed_in = {name: custom[reference] for reference, name in names}
    if plan.likelihood.reference is not None:
        handed_in[CUSTOM_LIKELIHOOD] = custom[plan.likelihood.reference]

    source = module_source(plan, about)
    made: HierarchicalVAE = vars(_executed(source, handed_in))[source.class_name]()
    made.plan = plan
    if (made.encoder.steps, made.decoder.steps) != (plan.encoder_steps, plan.decoder_steps):
        raise CompilerBug("the source of a model has other steps than its plan")
    return made


def _executed(source: ModuleSource, handed_in: Mapping[str, object]) -> ModuleType:
    """The source as a module, executed once for each text and each choice of custom classes."""
    digest = hashlib.sha256(source.text.encode()).hexdigest()[:16]
    # The module keeps its custom classes alive, so that their ids are not used again.
    name = "_".join([f"hvaedsl_model_{digest}", *(f"{id(part):x}" for part in handed_in.values())])
    filename = f"<hvaedsl {source.class_name} {digest}>"
    # Without a time of change, linecache never looks for it on the disk.
    linecache.cache[filename] = (len(source.text), None, source.text.splitlines(keepends=True), filename)
    if name in sys.modules:
        return sys.modules[name]

    module = ModuleType(name)
    module.__file__ = filename
    vars(module).update(handed_in)
    exec(compile(source.text, filename, "exec"), vars(module))
    sys.modules[name] = module
    return module
