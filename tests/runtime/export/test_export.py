"""Exported files: what they compute is what the model computes, and nothing is left where they cannot be written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

import hvaedsl
from hvaedsl.diagnostics.errors import DataNotFound, RunError, UsageError
from hvaedsl_runtime.data import Preparation
from hvaedsl_runtime.evaluate.finished_run import FinishedRun
from hvaedsl_runtime.export import ENTRY_POINTS, EntryPoint, ExportOptions, export_program, export_tensors
from hvaedsl_runtime.export import program as exporting
from hvaedsl_runtime.export.entry_points import entry_point
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings

SPEC = """hvae 1
data { dataset = digits }
model {
  width = 8  latent = 2  likelihood = mixture_of_logistics(2)
  encoder = 8r2, 8d2, 4x1  decoder = 4x1, 8m4, 8r2
}
train { steps = 4  batch_size = 8  learning_rate = 1e-3  eval_every = 100  ema_decay = 0.5 }
sample { temperature = {4: 0.6}  count = 4 }
"""
Command = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs")
    (path / "tiny.hvae").write_text(SPEC)
    train(hvaedsl.load(path / "tiny.hvae"), RunSettings(out=path / "tiny", device="cpu", threads=1))
    return path / "tiny"


@pytest.fixture
def finished(folder: Path) -> FinishedRun:
    return FinishedRun.open(folder, "cpu")


def loaded(path: Path) -> tuple[Any, dict[str, Any], str]:
    """The program, its description and its spec."""
    texts = {"hvaedsl.json": "", "spec.hvae": ""}
    program = torch.export.load(path, extra_files=texts)
    return program.module(), json.loads(texts["hvaedsl.json"]), texts["spec.hvae"]


def noise_of(description: dict[str, Any], batch: int) -> list[Tensor]:
    return [torch.randn(batch, *shape) for shape in description["noise_shapes"]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("what", ENTRY_POINTS)
def test_a_program_computes_what_the_model_does_for_any_batch(
    finished: FinishedRun, tmp_path: Path, what: EntryPoint
) -> None:
    path = tmp_path / f"{what}.pt2"
    written = export_program(finished, path, ExportOptions(what, temperature={4: 0.6}))
    assert written.maximum_difference <= 1e-5
    program, description, spec = loaded(path)
    assert description["what"] == what
    assert Preparation.from_dict(description["preparation"]) == Preparation.from_dict(finished.checkpoint.preparation)
    assert description["step"] == 4
    assert hvaedsl.loads(spec).bridge == finished.program.bridge
    model = finished.model("ema")
    for batch in (1, 5):
        noise = noise_of(description, batch)
        x, target = torch.randn(batch, 8, 8, 1), torch.zeros(batch, 8, 8, 1)
        with torch.no_grad():
            if what == "loss":
                ours = model(x, target, lambda layer, _, noise=noise: noise[layer])._asdict()
                theirs = program(x, target, noise)
            else:
                draw = lambda layer, _, noise=noise: noise[layer]  # noqa: E731
                state = (
                    model.decode(model.latents(x, draw))
                    if what == "reconstruct"
                    else model.decode_prior(batch, temperature={4: 0.6}, noise=draw)
                )
                ours = {"mean": model.likelihood.mean(state), "outputs": model.likelihood.outputs(state)}
                theirs = program(x, noise) if what == "reconstruct" else program(noise)
        assert set(ours) == set(theirs)
        for name, tensor in ours.items():
            torch.testing.assert_close(theirs[name], tensor, rtol=1e-5, atol=1e-5)


def test_raw_and_averaged_weights_differ(finished: FinishedRun, tmp_path: Path) -> None:
    for weights in ("raw", "ema"):
        export_tensors(finished, tmp_path / f"{weights}.safetensors", weights)
    with safe_open(tmp_path / "raw.safetensors", "pt") as raw, safe_open(tmp_path / "ema.safetensors", "pt") as ema:
        names = set(raw.keys())
        assert names == set(finished.checkpoint.model)
        assert any(not torch.equal(raw.get_tensor(name), ema.get_tensor(name)) for name in names)
        for name in names:
            assert torch.equal(raw.get_tensor(name), finished.checkpoint.model[name])
        assert ema.metadata()["weights"] == "ema"
        assert hvaedsl.loads(ema.metadata()["spec"]).bridge == finished.program.bridge


def test_an_emitted_file_takes_the_exported_weights(finished: FinishedRun, tmp_path: Path) -> None:
    export_tensors(finished, tmp_path / "weights.safetensors", "ema")
    (tmp_path / "tiny.py").write_text(finished.program.python_source(), encoding="utf-8")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import torch\nfrom safetensors.torch import load_file\nimport tiny\n"
        "*_, kind = (k for k in vars(tiny).values() if isinstance(k, type) and issubclass(k, torch.nn.Module))\n"
        "model = kind()\n"
        f"model.load_state_dict(load_file({str(tmp_path / 'weights.safetensors')!r}), strict=True)\n"
        "torch.manual_seed(3)\nprint(model.sample(2).sum().item())\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model = finished.model("ema")
    torch.manual_seed(3)
    assert int(done.stdout) == model.sample(2).sum().item()


def test_a_program_that_computes_something_else_is_not_written(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, other = exporting._traced, entry_point(finished.model("raw"), "sample", 1.0)
    monkeypatch.setattr(exporting, "_traced", lambda _, inputs: trace(other, inputs))
    with pytest.raises(RunError, match="not written: the exported program's") as caught:
        export_program(finished, tmp_path / "x.pt2", ExportOptions("sample"))
    assert caught.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ENTRY_POINTS)
def test_a_model_that_cannot_be_traced_is_said_plainly(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: EntryPoint
) -> None:
    class Branching(nn.Module):
        def forward(self, *inputs: Any) -> dict[str, Tensor]:
            noise: Tensor = inputs[-1][0]
            return {"mean": noise if noise.sum() > 0 else -noise}

    monkeypatch.setattr(exporting, "entry_point", lambda *_: Branching())
    with pytest.raises(UsageError, match=r"torch\.export cannot export this model"):
        export_program(finished, tmp_path / "x.pt2", ExportOptions(what))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_commands(folder: Path, tmp_path: Path, command: Command) -> None:
    code, out, err = command("export", folder, "--to", "pt2", "--what", "loss")
    assert code == 0, err
    assert "agree with the model's" in out
    assert (folder / "exports" / "loss-ema-step-00000004.pt2").is_file()
    code, _, err = command("export", folder, "--to", "pt2", "--what", "loss")
    assert code == 5
    assert "--force" in err
    assert command("export", folder, "--to", "pt2", "--what", "loss", "--force")[0] == 0
    code, out, err = command("export", folder, "--to", "pt2", "--temperature", "0.5", "--out", tmp_path / "s.pt2")
    assert code == 0, err
    assert loaded(tmp_path / "s.pt2")[1]["temperature"] == 0.5
    assert command("export", folder, "--to", "safetensors", "--weights", "raw")[0] == 0
    assert (folder / "exports" / "raw-step-00000004.safetensors").is_file()
    assert not [path for path in (folder / "exports").iterdir() if "partial" in path.name]


def test_mistakes_are_one_readable_error(folder: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "empty").mkdir()
    cases: list[tuple[int, str, tuple[str | Path, ...]]] = [
        (5, "no such folder", (tmp_path / "nothing", "--to", "pt2")),
        (5, "no run in this folder", (tmp_path / "empty", "--to", "safetensors")),
        (2, ".pt2", (folder, "--to", "pt2", "--out", tmp_path / "x.onnx")),
        (2, ".safetensors", (folder, "--to", "safetensors", "--out", tmp_path / "x.pt2")),
        (2, "existing folder", (folder, "--to", "pt2", "--out", tmp_path / "none" / "x.pt2")),
        (2, "--what", (folder, "--to", "safetensors", "--what", "loss")),
        (2, "--temperature", (folder, "--to", "pt2", "--what", "loss", "--temperature", "0.5")),
        (2, "--temperature", (folder, "--to", "pt2", "--temperature", "0")),
        (2, "onnx", (folder, "--to", "onnx")),
    ]
    for expected, words, arguments in cases:
        code, _, err = command("export", *arguments)
        assert code == expected, (arguments, err)
        assert words in err
        assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


@pytest.mark.parametrize("to", ["pt2", "safetensors"])
def test_a_file_that_finds_no_room_is_one_error(
    folder: Path,
    tmp_path: Path,
    command: Command,
    file_size_limit: Callable[[int], AbstractContextManager[None]],
    to: str,
) -> None:
    path = tmp_path / f"x.{to}"
    with file_size_limit(20_000):  # where torch.export writes into a file itself, the process ends here
        code, _, err = command("export", folder, "--to", to, "--out", path)
    assert code == 5
    assert f"{path}: cannot be written: File too large" in err
    assert "help: raise the limit on the size of a file, or name another file with --out" in err
    assert list(tmp_path.iterdir()) == []


def test_images_that_are_not_there_are_said_before_anything_is_written(
    finished: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise DataNotFound("images not found")

    monkeypatch.setattr(exporting, "open_split", nowhere)
    with pytest.raises(RunError, match="images not found"):
        export_program(finished, tmp_path / "x.pt2", ExportOptions("loss"))
    export_program(finished, tmp_path / "y.pt2", ExportOptions("sample"))  # which needs no images
    assert [path.name for path in tmp_path.iterdir()] == ["y.pt2"]
