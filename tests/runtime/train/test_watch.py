"""The watch on the latents: what each evaluation logs, and the warning for layers that collapse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hvaedsl import Program
from hvaedsl.nn.steps import TopDown
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.evaluate.latent_use import LayerUse
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.step import TrainingStep
from hvaedsl_runtime.train.watch import CollapseWatch, event_of, named
from tests.runtime.logged_events import logged_events

Compiled = Callable[..., Program]


def layers(program: Program, kl_nats: list[float]) -> list[LayerUse]:
    steps: tuple[TopDown, ...] = program.module().plan.layers
    found = [LayerUse(step, (step.latent, 8, 8)) for step in steps]
    for layer, kl in zip(found, kl_nats, strict=True):
        layer.kl_nats.append(torch.tensor([kl]))
    return found


def test_layers_that_collapse_are_named_once(compiled: Compiled) -> None:
    watch, program = CollapseWatch(), compiled()
    assert watch(100, layers(program, [1.0, 0.001, 0.5, 0.5])) is None  # layer 1 never carried anything
    warning = watch(200, layers(program, [1.0, 0.001, 0.004, 0.0]))
    assert warning is not None
    assert warning.startswith(
        "step 200: warning: 2 of 4 layers have collapsed, with no information left about the image: 2 ("
    )
    assert ", 3 (" in warning
    assert watch(300, layers(program, [1.0, 0.001, 0.004, 0.0])) is None
    assert watch(400, layers(program, [1.0, 0.2, 0.004, 0.3])) is None
    warning = watch(500, layers(program, [1.0, 0.001, 0.004, 0.001]))
    assert warning is not None
    assert warning.startswith("step 500: warning: 2 of 4 layers have collapsed")
    assert " 1 (" in warning
    assert " 2 (" not in warning


def test_a_resumed_run_goes_on_watching(compiled: Compiled) -> None:
    program = compiled()
    events = [
        {"event": "latents", **event_of(layers(program, kl))} for kl in ([1.0, 0.0, 0.5, 0.5], [1.0, 0.0, 0.001, 0.5])
    ]
    watch = CollapseWatch.after([{"event": "skipped"}, *events])
    assert (watch.used, watch.lost) == ({0, 2, 3}, {2})
    warning = watch(300, layers(program, [1.0, 0.0, 0.001, 0.0]))
    assert warning is not None
    assert "1 of 4 layers has collapsed" in warning
    assert ": 3 (" in warning


def test_a_layer_is_told_with_its_place(compiled: Compiled) -> None:
    layer = layers(compiled(), [0.5, 0.00123, 0.1, 0.1])[1]
    assert named(layer) == "1 (r4_0 at 8x8, KL 0.0012)"
    layer.add(torch.zeros(3, 2, 8, 8, dtype=torch.float64))
    assert named(layer) == "1 (r4_0 at 8x8, KL 0.0012, 0 of 128 units active)"


def test_every_evaluation_logs_the_latents_and_a_collapse_is_said(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the first evaluation, the prior and the posterior of the last block are set to be equal."""
    update = TrainingStep._update

    def collapsing(self: TrainingStep, *arguments: object) -> None:
        update(self, *arguments)  # type: ignore[arg-type]  # as it is called
        for model in self.state.models.values() if self.state.step >= 6 else ():
            cell = model.decoder.block(model.plan.decoder_steps[-1])
            for part in (cell.posterior, cell.prior):
                for parameter in part.c4.parameters():
                    parameter.data.zero_()

    monkeypatch.setattr(TrainingStep, "_update", collapsing)
    sets = {"train.learning_rate": 0.02, "train.ema_decay": 0}
    train(compiled(sets), RunSettings(out=tmp_path / "run", device="cpu", threads=1))
    found = logged_events(RunFolder(tmp_path / "run").metrics, "latents")
    assert [line["step"] for line in found] == [6, 12]
    assert all(len(line["kl_nats"]) == len(line["active_units"]) == 4 for line in found)
    assert found[0]["kl_nats"][3] > 0.005
    assert found[1]["collapsed"][-1] == 3
    assert found[1]["active_units"][3] == 0
    said = capsys.readouterr().out
    assert "step 12: warning: " in said
    assert "3 (r8_1 at 8x8, KL 0, 0 of 128 units active)" in said
