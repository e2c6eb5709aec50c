"""The emitted file: the same state dict, the same numbers to the bit, clean, and in need of torch alone."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.cells import CELL_NAMES
from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.cells import Cell, NonResidualCell, VDVAECell
from hvaedsl.nn.model import HierarchicalVAE
from hvaedsl.nn.passes import Decoder, Encoder
from hvaedsl.nn.steps import TopDown

from .conftest import Pair, model_class, run_source

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(str(path.relative_to(ROOT / "specs")) for path in (ROOT / "specs").rglob("*.hvae"))
MODELS = [name for name in SHIPPED if name != "vdvae.hvae"]
QUICK = ("digits.hvae", "mnist_ws.hvae", "ablations/synchronous.hvae")
# Models that are the same as another one when they are narrowed.
TWINS = {
    "ablations/latents_32.hvae": "ablations/latents_16.hvae",
    "ablations/latents_64.hvae": "ablations/latents_16.hvae",
    "ablations/latents_128.hvae": "ablations/latents_16.hvae",
    "imagenet64.hvae": "celeba.hvae",
    "imagenet32_oord.hvae": "imagenet32.hvae",
}
SPEC = """hvae 1
data {{ dataset = npy  channels = {channels}  resolution = {resolution} {data} }}
model {{
  width = 6  latent = {latent}  {model}
  encoder = {encoder}
  decoder = {decoder}
}}
"""


def program_of(
    encoder: str = "8x1, 8d2, 4r2",
    decoder: str = "4x1, 4r2, 8m4, 8x1",
    *,
    channels: int = 1,
    resolution: int = 8,
    model: str = "likelihood = mixture_of_logistics(2)",
    data: str = "",
    latent: int = 2,
    name: str = "small",
) -> hvaedsl.Program:
    text = SPEC.format(
        channels=channels,
        resolution=resolution,
        latent=latent,
        model=model,
        data=data,
        encoder=encoder,
        decoder=decoder,
    )
    return hvaedsl.loads(text, path=f"{name}.hvae")


def narrowed(name: str) -> hvaedsl.Program:
    """A shipped spec with few channels: the same wiring."""
    program = hvaedsl.load(name)
    latent = 8 if program.spec.model.cell == "euler_maruyama" else 2
    sets: dict[str, object] = {"model.width": 8, "model.latent": latent}
    if program.spec.model.fourier.at:
        sets["model.fourier.exponents"] = "-1, 0"  # whose gradients stay finite in a deep model of random weights
    if program.spec.model.widths:
        sets["model.widths"] = dict.fromkeys(program.spec.model.widths, 8)
    return hvaedsl.load(name, sets=sets)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_cell(cell: str, dtype: torch.dtype) -> None:
    model = f"likelihood = mixture_of_logistics(2)  cell = {cell}"
    Pair(program_of(channels=3, model=model, latent=6 if cell == "euler_maruyama" else 2), dtype).same()


@pytest.mark.parametrize(
    ("channels", "model", "data"),
    [
        (1, "likelihood = bernoulli", ""),
        (1, "likelihood = mixture_of_logistics(3)", "levels = 17"),
        (3, "likelihood = mixture_of_logistics(3)", ""),
        (3, "likelihood = mixture_of_logistics(2, bits = 5)", ""),
    ],
)
def test_every_likelihood(channels: int, model: str, data: str) -> None:
    Pair(program_of(channels=channels, model=model, data=data), torch.float32).same()


@pytest.mark.parametrize(
    ("encoder", "decoder", "more"),
    [
        ("8x1, 8d2, 4r2, 4d4, 1x1", "1x1, 4m1, 4r2, 8m4, 8x1", "processing = synchronous"),
        ("8x4, 8r2, 8d2, 4x3, 4d4, 1x1", "1x1, 4m1, 4x3, 8m4, 8x6", "processing = synchronous"),
        ("8x1, 8d2, 4x1", "8x2", ""),  # above the bottleneck
        ("8x1, 8d2, 4x1", "4x1, 8x2", ""),  # without a mix-in
        ("8x1, 8d2, 4x1", "4x1, 8x2", "bias_up_to = 4"),  # a state of zeros
        ("8x1, 8d2, 4x1", "4x1, 8m4, 8x1, 4x2, 8m4", ""),  # down again
        ("8d2, 4d4, 1", "1, 4m1, 8m4", ""),  # the decoder reads the stem
        ("8x2, 8d2, 4x1, 4d2, 2x1, 2d2, 1x1", "1x2, 2m1, 4m2, 8m4", "widths = {4: 10, 2: 12, 1: 12}"),
        ("8r1@g, 8r2@g, 8d2, 4r1@g", "4r1@class, 4r2@_, 8m4, 8r1@class", ""),  # a label across resolutions
        ("8r1@a_01, 8r1@a_02, 8r1@a_03, 8d2, 4", "4, 8m4, 8r1@b_9, 8r1@b_10, 8r1@b_11", ""),
        ("2*(8r2), 8r3, 8d2, 3*4r2", "3*4r2, 8m4, 3*(8x1, 8r2), 8x4", ""),
        ("8x3, 8d2, 4x12", "4x12, 8m4, 8x3", ""),
        ("8x1, 8d8, 1x1", "1x1, 8m1, 8r4@x, 8r2@x", "bottleneck = 1.0"),
    ],
)
def test_every_wiring(encoder: str, decoder: str, more: str) -> None:
    Pair(program_of(encoder, decoder, model=f"likelihood = mixture_of_logistics(2)  {more}")).same()


@pytest.mark.parametrize(
    ("encoder", "decoder"), [("28x1, 28d4, 7x1, 7d7, 1x1", "1x1, 7m1, 7x1, 28m7"), ("28d2, 14d2, 7", "7, 28m7")]
)
def test_odd_resolutions(encoder: str, decoder: str) -> None:
    Pair(program_of(encoder, decoder, resolution=28, model="likelihood = bernoulli")).same()


SWITCHES = [
    "pooling = strided",
    "pooling = wavelet(haar)",
    "pooling = wavelet(db2)",
    "skips = none",
    "skips = none  processing = synchronous",
    *(f"normalize_state {{ over = {over}  norm = {norm} }}" for over in ("sample", "batch") for norm in ("l2", "rms")),
    *(f"fourier {{ at = {place} }}" for place in ("block", "sample", "branches", "image")),
    "fourier { at = block, sample, branches, image  exponents = -1, 0, 2 }  widths = {4: 8, 1: 10}",
    "fourier { at = branches  exponents = 3 }  pooling = wavelet(db2)  normalize_state { norm = rms }  skips = none",
]


def switched(switch: str) -> hvaedsl.Program:
    decoder = "1x2, 4m1, 4r2, 4x1, 8m4, 8r3"
    model = f"likelihood = mixture_of_logistics(2)  {switch}"
    return program_of("8x2, 8d2, 4x3, 4d4, 1x2", decoder, channels=3, model=model)


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch(switch: str) -> None:
    program = switched(switch)
    Pair(program, torch.float32).same()
    Pair(program, torch.float64).same()


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_cell_with_features(cell: str) -> None:
    places = "branches" if cell == "euler_maruyama" else "block, sample, branches"
    model = f"likelihood = bernoulli  cell = {cell}  fourier {{ at = {places}  exponents = 0, 1 }}"
    Pair(program_of(model=model, latent=6)).same()


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_under_autocast(cell: str) -> None:
    pair = Pair(program_of(model=f"likelihood = bernoulli  cell = {cell}", latent=6), torch.float32)
    pair.shuffle_weights()
    with torch.autocast("cpu", torch.bfloat16):
        pair.same_bound_and_gradients()


@pytest.mark.parametrize("name", QUICK)
def test_shipped_models_narrowed(name: str) -> None:
    Pair(narrowed(name), torch.float32).same()


@pytest.mark.parametrize("name", TWINS)
def test_twins_are_the_same_model(name: str) -> None:
    assert narrowed(name).bridge == narrowed(TWINS[name]).bridge


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(MODELS) - set(QUICK) - set(TWINS)))
def test_every_other_shipped_model_narrowed(name: str) -> None:
    pair = Pair(narrowed(name), torch.float32)
    pair.same_initialisation()
    pair.shuffle_weights()
    if pair.program.spec.data.height <= 64:
        pair.same_bound_and_gradients(1)
        if pair.program.cost.stochastic_depth <= 80:  # deeper ones take long, and have no step that the others lack
            pair.same_face(1)


@pytest.mark.long
@pytest.mark.parametrize("name", ["digits.hvae", "mnist_ws.hvae", "cifar_ws.hvae"])
def test_shipped_models_in_full_size(name: str) -> None:
    pair = Pair(hvaedsl.load(name), torch.float32)
    pair.same_initialisation()
    x, target = pair.images(1)
    with torch.no_grad():
        ours, theirs = (model(x, target, pair.noise(1)) for model in (pair.lowered, pair.emitted))
    assert all(map(torch.equal, ours, theirs))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cifar_ws_25m", "CifarWs25m"),
        ("3-model", "Model3Model"),
        ("class", "Class"),
        ("none", "NoneModel"),
        ("Décodeur", "Décodeur"),
        ("tensor", "TensorModel"),
        ("encoder", "EncoderModel"),
        ("callable", "CallableModel"),
        ("bottleneck", "BottleneckModel"),
        ("mixture", "MixtureModel"),
        ("output", "OutputModel"),
        ("...", "Model"),
        ('a"""\\', "A"),
        ("{x}", "X"),
        ("vAE 2", "VAE2"),
    ],
)
def test_names_of_specs(name: str, expected: str) -> None:
    program = program_of(name=name)
    assert program.name == name
    module = run_source(program.python_source())
    assert model_class(module).__name__ == expected
    drawn: Tensor = vars(module)[expected]().sample(1)
    assert drawn.shape == (1, 8, 8, 1)
    assert program.module().sample(1).shape == (1, 8, 8, 1)


def test_the_file_holds_no_layer_that_the_model_does_not_take() -> None:
    code = program_of(model="likelihood = bernoulli").python_source().split("# The spec:")[0]
    for other in ("logistic", "NVAECell", "StridedPool", "wavelet", "strided_pool"):
        assert other not in code, other
    assert "upsample_nearest" not in program_of("8x2", "8x2").python_source()


def test_definitions_are_those_of_the_layers_to_the_letter() -> None:
    emitted = program_of(model="likelihood = bernoulli  cell = non_residual").python_source()
    for definition in (Cell, VDVAECell, NonResidualCell, Bottleneck, Encoder, Decoder, HierarchicalVAE, TopDown):
        text = re.sub("  # noqa: [A-Z0-9]+ -", "  #", inspect.getsource(definition))
        assert text in emitted


def test_the_spec_at_the_end_compiles_to_the_same_model() -> None:
    program = hvaedsl.load("cifar_x.hvae")
    comment = program.python_source().split("# The spec:\n#\n")[1]
    again = hvaedsl.loads("".join(line.removeprefix("# ").removeprefix("#") for line in comment.splitlines(True)))
    assert again.bridge == program.bridge
    assert again.spec.model_copy(update={"name": program.name}) == program.spec


@pytest.mark.parametrize(("passes", "lines"), [("none", 920), ("one_gelu, hoist, join", 1120)])
def test_a_deep_model_is_short(passes: str, lines: int) -> None:
    text = hvaedsl.load("cifar_ws.hvae", sets={"train.passes": passes}).python_source()
    code = text.split("# The spec:")[0]
    assert len([line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]) < lines
    particular = code.split("def encoder_path")[1]
    assert len(particular.splitlines()) < 160


def test_every_emitted_file_is_formatted_and_linted(tmp_path: Path) -> None:
    programs = [hvaedsl.load(name) for name in MODELS]
    programs += [
        *map(switched, SWITCHES),
        program_of("28d2, 14d2, 7", "7, 28m7", resolution=28, model="likelihood = bernoulli  bias_up_to = 0"),
        *(program_of(name=name) for name in ("3-model", "Décodeur", 'a"""\\', "x" * 90)),
    ]
    for number, program in enumerate(programs):
        (tmp_path / f"emitted_{number}.py").write_text(program.python_source(), encoding="utf-8")
    ruff = [str(Path(sys.executable).parent / "ruff")]
    for arguments in (
        ["format", "--check", "--isolated", "--line-length", "120"],
        ["check", "--isolated", "--line-length", "120"],
        ["check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "ARG002"],  # a cell need not use everything
    ):
        done = subprocess.run([*ruff, *arguments, "--no-cache", tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_emitted_files_are_typed(tmp_path: Path) -> None:
    """With the project's settings, which are strict, and its cache, which has torch's modules after `make check`."""
    programs = [hvaedsl.load(name) for name in ("digits.hvae", "mnist_ws.hvae", "ablations/synchronous.hvae")]
    programs += [switched(SWITCHES[-1]), switched(SWITCHES[-2])]
    programs += [program_of(model=f"likelihood = bernoulli  cell = {cell}", latent=6) for cell in CELL_NAMES]
    for number, program in enumerate(programs):
        (tmp_path / f"emitted_{number}.py").write_text(program.python_source(), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", *map(str, tmp_path.glob("*.py"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fresh_interpreter_without_hvaedsl_runs_it(tmp_path: Path) -> None:
    program = program_of(channels=3)
    (tmp_path / "emitted.py").write_text(program.python_source(), encoding="utf-8")
    torch.save(program.module().state_dict(), tmp_path / "weights.pt")
    code = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("hvaedsl", "hvaedsl_runtime"):
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocker())
sys.path.insert(0, {str(tmp_path)!r})
import torch
from emitted import Small
model = Small()
model.load_state_dict(torch.load({str(tmp_path / "weights.pt")!r}, weights_only=True), strict=True)
x = torch.zeros(2, 8, 8, 3)
out = model(x, x)
out.loss_nats_per_dim.backward()
assert model.sample(3).shape == (3, 8, 8, 3)
assert not any(name.startswith("hvaedsl") for name in sys.modules)
print(float(out.loss_nats_per_dim) > 0)
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("model.cell", 'likelihood = bernoulli  cell = "mine.cells:Gated"'),
        ("model.likelihood", 'likelihood = "mine.heads:Poisson"'),
    ],
)
def test_parts_of_ones_own_are_refused_plainly(key: str, model: str) -> None:
    with pytest.raises(UsageError, match=f"{key} is mine"):
        program_of(model=model).python_source()


def test_the_emitted_model_refuses_what_does_not_fit() -> None:
    model = Pair(program_of()).emitted
    with pytest.raises(ValueError, match="images are"):
        model.latents(torch.zeros(1, 9, 9, 1))
    with pytest.raises(ValueError, match="target has shape"):
        model(torch.zeros(1, 8, 8, 1), torch.zeros(1, 8, 8, 3))
    with pytest.raises(ValueError, match="temperature"):
        model.sample(1, temperature=0)
    with pytest.raises(ValueError, match="at least 1"):
        model.sample(0)
    with pytest.raises(ValueError, match="latents"):
        model.decode([])
