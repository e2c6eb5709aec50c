"""The choice of a device, with accelerators that this machine does not have."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hvaedsl import Program
from hvaedsl.diagnostics.errors import DeviceNotFound, OutOfMemory, UsageError
from hvaedsl_runtime import distributed
from hvaedsl_runtime.distributed import as_float64, choose_device, has_float64, process_group, use_device
from hvaedsl_runtime.launch.local import check_devices
from hvaedsl_runtime.train.batches import TrainingBatches
from hvaedsl_runtime.train.loop import memory_errors_explained, train
from hvaedsl_runtime.train.settings import RunSettings

Compiled = Callable[..., Program]
Command = Callable[..., tuple[object, str, str]]
Curve = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture
def with_accelerator(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Pretend that torch has an accelerator; returns the list of the devices that are made the current one."""

    def pretend(name: str, count: int = 1) -> list[int]:
        chosen: list[int] = []
        monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
        monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device(name))
        monkeypatch.setattr("torch.accelerator.device_count", lambda: count)
        monkeypatch.setattr("torch.accelerator.set_device_index", chosen.append)
        return chosen

    return pretend


@pytest.mark.parametrize("name", ["cuda", "mps", "xpu"])
def test_any_accelerator_of_torch_is_taken_and_is_the_default(
    with_accelerator: Callable[..., list[int]], name: str
) -> None:
    chosen = with_accelerator(name, 2)
    assert choose_device(name) == choose_device(None) == torch.device(name, 0)
    assert choose_device(name, 1) == torch.device(name, 1)
    assert choose_device("cpu") == torch.device("cpu")
    use_device(torch.device(name, 1))
    use_device(torch.device("cpu"))
    assert chosen == [1]
    check_devices(None, 2)
    with pytest.raises(DeviceNotFound, match=r"3 .* devices requested; 2 available"):
        check_devices(name, 3)


def test_one_that_torch_does_not_have_here_is_one_error(with_accelerator: Callable[..., list[int]]) -> None:
    with_accelerator("mps")
    with pytest.raises(DeviceNotFound, match="1 CUDA device requested; 0 available") as caught:
        choose_device("cuda")
    assert "--device cpu" in caught.value.help
    for name in ("gpu", "cuda:0", ""):
        with pytest.raises(UsageError, match=f"--device is {name}; .* here cpu or mps"):
            choose_device(name)


def test_without_float64_the_default_is_the_cpu(
    with_accelerator: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_accelerator("mps")
    assert choose_device(None, dtype=torch.float64) == torch.device("cpu")
    with pytest.raises(DeviceNotFound, match="device mps has no float64"):
        choose_device("mps", dtype=torch.float64)
    with_accelerator("cuda")
    assert choose_device(None, dtype=torch.float64).type == "cuda"
    for fp64 in (True, False):
        properties = type("Properties", (), {"has_fp64": fp64})
        monkeypatch.setattr("torch.xpu.get_device_properties", lambda _, found=properties: found)
        assert has_float64(torch.device("xpu", 0)) is fp64


def test_an_untested_device_is_said_once(
    with_accelerator: Callable[..., list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    with_accelerator("mps")
    with caplog.at_level(logging.WARNING), process_group("cpu"):
        pass
    assert not caplog.messages
    with caplog.at_level(logging.WARNING), process_group(None) as processes:
        assert processes.device == torch.device("mps", 0)
    assert caplog.messages == ["device mps is untested: hvaedsl has been tested on the CPU only"]


def test_a_run_on_a_device_without_float64_gives_the_same_curve(
    tmp_path: Path, compiled: Compiled, curve: Curve, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    train(compiled(), RunSettings(out=tmp_path / "with", device="cpu", threads=1))
    monkeypatch.setattr(distributed, "has_float64", lambda _: False)
    train(compiled(), RunSettings(out=tmp_path / "without", device="cpu", threads=1))
    assert curve(tmp_path / "with") == curve(tmp_path / "without")
    for name in ("kl", "discarded", "state-norms"):
        code, out, err = command("analyze", name, tmp_path / "without", "--json", "--out", tmp_path / "out")
        assert code == 0, err
        assert json.loads(out)["step"] == 12


def test_float64_is_computed_where_it_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = torch.ones(2, device="meta")
    assert as_float64(elsewhere).device.type == "meta"
    monkeypatch.setattr(distributed, "has_float64", lambda _: False)
    with pytest.raises(NotImplementedError, match="meta tensor"):  # which has no values to bring to the CPU
        as_float64(elsewhere)


@pytest.mark.parametrize(("name", "pins"), [("cpu", False), ("mps", False), ("cuda", True), ("xpu", True)])
def test_memory_is_pinned_for_devices_with_memory_of_their_own(name: str, pins: bool) -> None:
    processes = distributed.Processes(0, 1, torch.device(name))
    batches = TrainingBatches(None, None, seed=0, batch_size=1, processes=processes, dtype=torch.float32)  # type: ignore[arg-type]  # not read
    batches.close()
    assert batches._pins is pins


def test_exhausted_memory_of_mps_is_explained() -> None:
    with pytest.raises(OutOfMemory, match="MPS backend out of memory"), memory_errors_explained():
        raise RuntimeError("MPS backend out of memory (MPS allocated: 3 GB)")
    with pytest.raises(OutOfMemory, match=r"memory: CUDA error: out of memory$"), memory_errors_explained():
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later. For debugging, ...")
    with pytest.raises(RuntimeError, match="shapes"), memory_errors_explained():
        raise RuntimeError("shapes differ")


def test_far_more_processes_on_the_cpu_than_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    check_devices("cpu", 16)
    with pytest.raises(UsageError, match="--gpus is 17; this machine has 2 cores"):
        check_devices("cpu", 17)
