"""A step's images are split over processes and forward passes; the result does not depend on the split."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hvaedsl
from hvaedsl import Program
from hvaedsl.diagnostics.errors import OutOfMemory, UsageError
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.run_folder import RunFolder
from hvaedsl_runtime.distributed import is_out_of_memory
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.train import split
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.split import (
    check_processes,
    chosen_micro_batch,
    lower_micro_batch,
    out_of_memory,
    step_memory,
)
from tests.runtime.conftest import GREY, write_images

Compiled = Callable[..., Program]
Curve = Callable[[Path], list[dict[str, Any]]]

CPU, GPU = torch.device("cpu"), torch.device("cuda")
BATCH_NORM = {"model.normalize_state.over": "batch", "model.normalize_state.norm": "rms"}
# Everything random in a step: noise, binarization, sampled layers; and gradients that are clipped.
RANDOM: dict[str, object] = {
    "model.likelihood": "bernoulli",
    "data.binarize": "dynamic",
    "train.kl.sampled_layers": 2,
    "train.clip_norm": 0.1,
    "train.batch_size": 8,
}


def settings(out: Path, *, resume: bool = False, gpus: int = 1, dtype: Any = "float64") -> RunSettings:
    return RunSettings(out=out, resume=resume, gpus=gpus, device="cpu", threads=1, dtype=dtype)


def check_close(one: list[dict[str, Any]], two: list[dict[str, Any]], rel: float) -> None:
    assert len(one) == len(two) > 0
    for expected, found in zip(one, two, strict=True):
        for key, value in expected.items():
            assert found[key] == (pytest.approx(value, rel=rel) if isinstance(value, float | list) else value), key


def with_memory_for(monkeypatch: pytest.MonkeyPatch, images: int) -> list[int]:
    """Let a forward pass of more images in training run out of memory; return the sizes of those that were tried."""
    tried: list[int] = []
    forward = HierarchicalVAE.forward

    def limited(self: HierarchicalVAE, x: torch.Tensor, *rest: Any) -> Any:
        if torch.is_grad_enabled():
            tried.append(len(x))
            if len(x) > images:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total ...")
        return forward(self, x, *rest)

    monkeypatch.setattr(HierarchicalVAE, "forward", limited)
    return tried


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything random, in one process and with whole forward passes."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.hvae").write_text(GREY.format(path=write_images(folder / "images")), encoding="utf-8")
    train(hvaedsl.load(folder / "small.hvae", sets=RANDOM), settings(folder / "run"))
    return folder / "run"


@pytest.mark.parametrize("micro_batch", [4, 2, 1])
def test_forward_passes_of_every_size_give_the_same_losses(
    tmp_path: Path, whole: Path, compiled: Compiled, curve: Curve, micro_batch: int
) -> None:
    train(compiled({**RANDOM, "train.micro_batch": micro_batch}), settings(tmp_path / "split"))
    check_close(curve(whole), curve(tmp_path / "split"), 1e-12)
    assert load_checkpoint(RunFolder(tmp_path / "split").checkpoint).position.micro_batch == micro_batch


def test_in_float32_they_agree_to_rounding(tmp_path: Path, compiled: Compiled, curve: Curve) -> None:
    train(compiled(), settings(tmp_path / "whole", dtype="float32"))
    train(compiled({"train.micro_batch": 1}), settings(tmp_path / "split", dtype="float32"))
    check_close(curve(tmp_path / "whole"), curve(tmp_path / "split"), 1e-3)


@pytest.mark.long
@pytest.mark.parametrize(
    ("processes", "micro_batch"),
    [(2, 2), pytest.param(4, None, marks=pytest.mark.soak), pytest.param(4, 1, marks=pytest.mark.soak)],
)
def test_processes_of_every_number_give_the_same_losses(
    tmp_path: Path, whole: Path, compiled: Compiled, curve: Curve, processes: int, micro_batch: int | None
) -> None:
    sets = RANDOM if micro_batch is None else {**RANDOM, "train.micro_batch": micro_batch}
    launch(compiled(sets), settings(tmp_path / "split", gpus=processes))
    check_close(curve(whole), curve(tmp_path / "split"), 1e-12)


@pytest.mark.long
def test_a_run_goes_on_with_another_number_of_processes(
    tmp_path: Path, compiled: Compiled, curve: Curve, capfd: pytest.CaptureFixture[str]
) -> None:
    train(compiled(), settings(tmp_path / "whole"))
    launch(compiled({"train.steps": 5}), settings(tmp_path / "parts", gpus=2))
    train(compiled(), settings(tmp_path / "parts", resume=True))
    said = capfd.readouterr().out
    assert "the run had 2 processes until now, and has one process from here: the results are the same up to" in said
    check_close(curve(tmp_path / "whole"), curve(tmp_path / "parts"), 1e-12)


def test_exhausted_memory_splits_the_batch_further_and_the_run_goes_on(
    tmp_path: Path,
    compiled: Compiled,
    curve: Curve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(compiled({"train.micro_batch": 1}), settings(tmp_path / "expected"))
    with monkeypatch.context() as patched:
        tried = with_memory_for(patched, 1)
        train(compiled({"train.steps": 6}), settings(tmp_path / "run"))
    assert tried == [4, 2, *[1] * 24]
    said = capsys.readouterr().out
    assert "step 0: out of memory with 4 images at once; from here, a forward pass has 1" in said

    # The resumed run keeps the split: its curve is, to the bit, that of the split from the start.
    with monkeypatch.context() as patched:
        tried = with_memory_for(patched, 4)
        train(compiled(), settings(tmp_path / "run", resume=True))
    assert tried == [1] * 24
    assert curve(tmp_path / "run") == curve(tmp_path / "expected")


def test_the_spec_may_set_another_split_for_a_resumed_run(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(compiled({"train.steps": 4, "train.micro_batch": 1}), settings(tmp_path / "run"))
    tried = with_memory_for(monkeypatch, 4)
    train(compiled({"train.steps": 8, "train.micro_batch": 2}), settings(tmp_path / "run", resume=True))
    assert tried == [2] * 8


def test_memory_that_is_exhausted_within_a_step_does_not_count_it_twice(
    tmp_path: Path, compiled: Compiled, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first forward passes of the step have left gradients when the last one fails."""
    train(compiled({"train.micro_batch": 2}), settings(tmp_path / "expected"))
    forward, calls = HierarchicalVAE.forward, []

    def fails_once(self: HierarchicalVAE, x: torch.Tensor, *rest: Any) -> Any:
        if torch.is_grad_enabled():
            calls.append(len(x))
            if len(calls) == 6:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, x, *rest)

    monkeypatch.setattr(HierarchicalVAE, "forward", fails_once)
    train(compiled({"train.micro_batch": 2}), settings(tmp_path / "run"))
    assert calls[:6] == [2] * 6
    assert set(calls[6:]) == {1}
    check_close(curve(tmp_path / "expected"), curve(tmp_path / "run"), 1e-12)


def test_main_memory_that_is_exhausted_is_recognized() -> None:
    """The error is torch's own: no machine has so much memory."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
    found = out_of_memory(caught.value)
    assert str(found).startswith("out of main memory: DefaultCPUAllocator: ")
    assert "\n" not in str(found)
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.parametrize(("sets", "tried"), [({}, [4, 2, 1]), (BATCH_NORM, [4])])
def test_a_batch_that_cannot_be_split_further_ends_the_run(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, sets: dict[str, object], tried: list[int]
) -> None:
    found = with_memory_for(monkeypatch, 0)
    with pytest.raises(OutOfMemory, match="out of GPU memory: CUDA out of memory") as caught:
        train(compiled(sets), settings(tmp_path / "run"))
    assert "train.recompute_every" in caught.value.help
    assert found == tried


@pytest.mark.parametrize(
    ("processes", "sets", "message", "way_out"),
    [
        (3, {"train.batch_size": 32}, "train.batch_size is 32, which 3 processes", "use 1, 2, 4, 8, 16 or 32 proc"),
        (3, {"train.batch_size": 32}, "train.batch_size is 32, which 3 processes", "set train.batch_size to 30 or 33"),
        (8, {"train.batch_size": 2}, "train.batch_size is 2, which 8 processes", "set train.batch_size to 8"),
        (2, {"train.micro_batch": 4}, "train.micro_batch is 4, which does not divide the 2 images", "set it to 1 or 2"),
        (2, BATCH_NORM, "model.normalize_state.over is batch, and 2 processes", "train with one process"),
    ],
)
def test_processes_that_cannot_share_a_step_are_refused(
    compiled: Compiled, processes: int, sets: dict[str, object], message: str, way_out: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_processes(compiled(sets).spec, processes)
    assert message in str(caught.value)
    assert way_out in caught.value.help
    check_processes(compiled(sets).spec, 1)


def test_the_launcher_refuses_them_before_it_starts_a_process(tmp_path: Path, compiled: Compiled) -> None:
    with pytest.raises(UsageError, match="which 3 processes do not divide"):
        launch(compiled(), settings(tmp_path / "run", gpus=3))
    assert not (tmp_path / "run").exists()


def test_the_split_fills_the_memory_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    program = hvaedsl.load("cifar_ws.hvae", sets={"train.batch_size": 24})
    memory = step_memory(program)
    for images, alone, of_two in ((0.5, 1, 1), (1, 1, 1), (5.5, 4, 4), (11.9, 8, 6), (24, 24, 12), (1000, 24, 12)):
        # A tenth of the room for activations stays free.
        available = int(memory.weight_bytes + images * memory.image_bytes / 0.9) + 100
        monkeypatch.setattr(split, "device_bytes", lambda *_, available=available: available)
        assert [chosen_micro_batch(program, processes, GPU) for processes in (1, 2)] == [alone, of_two]
    assert chosen_micro_batch(hvaedsl.load("cifar_ws.hvae", sets={"train.micro_batch": 2}), 1, GPU) == 2


def test_on_a_cpu_and_under_a_norm_over_the_batch_there_is_no_split(compiled: Compiled) -> None:
    assert chosen_micro_batch(compiled(), 1, CPU) == 4
    assert chosen_micro_batch(compiled(), 2, CPU) == 2
    assert chosen_micro_batch(compiled(BATCH_NORM), 1, GPU) == 4


def test_free_memory_is_limited_by_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "get_memory_info", lambda _: (6 * 2**30, 8 * 2**30))
    assert split.device_bytes(GPU, None) == 6 * 2**30
    assert split.device_bytes(GPU, 4.0) == 4 * 2**30
    assert split.device_bytes(GPU, 16.0) == 6 * 2**30
    assert split.device_bytes(GPU, 1e305) == 6 * 2**30
    assert split.device_bytes(CPU, 4.0) is None


def test_recomputed_blocks_count_for_the_split() -> None:
    plain, recomputed = (
        step_memory(hvaedsl.load("cifar_ws.hvae", sets={"train.recompute_every": every})) for every in ("none", 8)
    )
    assert recomputed.image_bytes < plain.image_bytes / 2
    assert recomputed.weight_bytes == plain.weight_bytes


@pytest.mark.parametrize(("now", "share", "lower"), [(12, 12, 6), (6, 12, 4), (5, 12, 4), (2, 12, 1), (1, 12, None)])
def test_a_lower_split_is_the_next_divisor(now: int, share: int, lower: int | None) -> None:
    assert lower_micro_batch(now, share) == lower


def test_a_run_of_an_earlier_version_with_several_processes_keeps_its_images(
    tmp_path: Path, compiled: Compiled, curve: Curve, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its spec counted the images of one of two processes: 2 of the 4 of a step."""
    train(compiled({"train.steps": 5}), settings(tmp_path / "whole"))
    train(compiled(), settings(tmp_path / "whole", resume=True))
    train(compiled({"train.steps": 5}), settings(tmp_path / "old"))
    folder = RunFolder(tmp_path / "old")
    found = load_checkpoint(folder.checkpoint)
    state = {**found.state, "position": {"seed": 3, "step": 5, "world_size": 2, "dtype": "float64"}}
    text = found.spec.replace("batch_size      = 4", "batch_size      = 2")
    assert text != found.spec
    shutil.rmtree(folder.checkpoints)
    folder.checkpoints.mkdir()
    torch.save({"format": 3, "spec": text, **state}, folder.checkpoints / "last.pt")
    folder.spec.write_text(text)

    capsys.readouterr()
    train(hvaedsl.load(folder.spec, sets={"train.steps": 12}), settings(tmp_path / "old", resume=True))
    said = capsys.readouterr().out
    assert "train.batch_size is 4 now: it counts the images of all 2 processes" in said
    assert "an earlier version of hvaedsl began this run, with other random numbers in training" in said
    assert "batch_size      = 4" in folder.spec.read_text()
    check_close(curve(tmp_path / "whole"), curve(tmp_path / "old"), 1e-12)
