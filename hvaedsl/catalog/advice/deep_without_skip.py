"""HV603: a deep model without a skip threshold."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic, Severity

_RUN = "steps = 3000  batch_size = 16  learning_rate = 1e-3  ema_decay = 0.995"


class DeepWithoutSkip(Diagnostic):
    """HV603."""

    code = "HV603"
    severity = Severity.ADVICE
    title = "a stochastic depth of {depth:,}, and no update is ever skipped"
    label = "{label_of_place}"
    help = "write `skip_above = {published:g}` in `train`, as published for a depth of {published_depth}"
    why = (
        "Now and then a gradient of a deep hierarchical VAE has a norm far above the usual one. Clipped, it still "
        "sets the direction of a whole update, and the model may not recover; the published runs skip such updates."
    )
    rests_on = (
        "Child 2021 and openai/vdvae, train.py, on skipped updates; thresholds of Falck, Williams et al. 2022, Table "
        "G.6. Every published model deeper than 100 has one."
    )
    configuration = "asked where `train.steps` is written"
    bad = spec(decoder="4x1, 8m4, 6*8r20", rest=f"train {{ {_RUN} }}")
    good = spec(decoder="4x1, 8m4, 6*8r20", rest=f"train {{ skip_above = 2500  {_RUN} }}")

    depth: int
    written: bool  # whether the spec says `skip_above = none`
    published: float
    published_depth: int

    @property
    def label_of_place(self) -> str:
        """What the place says."""
        return "every update is applied" if self.written else f"{self.depth:,} latents one after another"


KINDS = (DeepWithoutSkip,)
