from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl_runtime.sweep.axes import let_axes, set_axes
from hvaedsl_runtime.sweep.plan import SweepPlan, SweepRequest, make_plan, parameters_of
from hvaedsl_runtime.sweep.tables import plan_text

SPEC = """hvae 1
let n = 2
data { dataset = digits }
model { width = 16  latent = 4  encoder = 8x4, 8r$n, 8d2, 4x1  decoder = 4x1, 8m4, 8r$n }
train { steps = 10  batch_size = 4  learning_rate = 1e-3 }
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "small.hvae").write_text(SPEC, encoding="utf-8")
    return str(tmp_path / "small.hvae")


def request(spec: str, let: str = "1,2", vary: tuple[str, ...] = (), **more: Any) -> SweepRequest:
    axes, fixed = let_axes({"n": let} if let else {})
    more = {"seeds": (0,), "sets": {}, **more}
    return SweepRequest(spec=spec, axes=[*axes, *set_axes(vary)], lets=fixed, **more)


def test_every_point_is_compiled_and_counted(spec: str) -> None:
    plan = make_plan(request(spec, "1,3", ("model.latent=2,4",), sets={"train.steps": "7"}))
    assert [point.name for point in plan.points] == ["n=1,latent=2", "n=1,latent=4", "n=3,latent=2", "n=3,latent=4"]
    text = plan_text(plan)
    for point in plan.points:
        program = hvaedsl.load(spec, lets={"n": point.values["n"]}, sets={"model.latent": point.values["model.latent"]})
        assert point.parameters == program.cost.parameters
        assert point.stochastic_depth == program.cost.stochastic_depth
        assert point.activation_bytes == program.cost.activation_bytes(4)
        assert f"{point.parameters:,}" in text
        trained = point.program(plan.model, 5)
        assert trained.name == "small"
        assert (trained.training().steps, trained.training().seed) == (7, 5)
        assert trained.spec.model == program.spec.model


def test_seeds_are_the_outer_loop(spec: str) -> None:
    plan = make_plan(request(spec, seeds=(4, 2)))
    assert [(point.name, seed) for point, seed in plan.runs()] == [("n=1", 4), ("n=2", 4), ("n=1", 2), ("n=2", 2)]


def test_a_plan_survives_its_file(spec: str) -> None:
    plan = make_plan(request(spec, match=True))
    assert SweepPlan.model_validate_json(plan.model_dump_json()) == plan


def test_the_errors_of_all_points_are_reported_once(spec: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_plan(request(spec, "0,1", ("model.cell=vdvae,nvea", "model.latent=2,x")))
    codes = [item.code for item in caught.value.diagnostics]
    assert len(codes) == len({(item.code, item.span.start, item.span.source.name) for item in caught.value.diagnostics})
    notes = {item.code: item.notes[-1] for item in caught.value.diagnostics}
    assert any("n=0,cell=nvea,latent=2" in note for note in notes.values())
    assert any(item.span.source.name == "--set model.cell" for item in caught.value.diagnostics)


def test_a_spec_that_cannot_be_trained_is_reported_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "bare.hvae").write_text(SPEC.partition("train")[0], encoding="utf-8")
    with pytest.raises(SpecError, match=r"train\.steps"):
        make_plan(request(str(tmp_path / "bare.hvae")))


@pytest.mark.parametrize(
    ("vary", "more", "words"),
    [
        (("train.seed=1,2",), {}, "--seeds"),
        ((), {"sets": {"train.seed": "1"}}, "--seeds"),
        (("model.width=16,32",), {"sets": {"model.width": "8"}}, "varied, but also set"),
        (("model.likelihood=bernoulli", "model.likelihood=mixture_of_logistics(2)"), {}, "different units"),
        (("model.encoder=8x1, 8d2, 4x1", "model.encoder=8x2, 8d2, 4x1"), {"match": True}, "cannot be varied"),
        ((), {"target": 5}, "--match-parameters"),
    ],
)
def test_invalid_sweeps_are_usage_errors(spec: str, vary: tuple[str, ...], more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_plan(request(spec, "", vary, **more))


def test_points_with_different_datasets_are_rejected(tmp_path: Path) -> None:
    text = SPEC.replace("digits", "mnist").replace("8x4, 8r$n, 8d2, 4x1", "32r$n").replace("4x1, 8m4, 8r$n", "32r$n")
    (tmp_path / "large.hvae").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="different datasets"):
        make_plan(request(str(tmp_path / "large.hvae"), "", ("data.dataset=mnist,fashion_mnist",)))


@pytest.mark.parametrize("vary", ["model.latent=4,{other: 4}", "train.batch_size=4,2*2", "model.bottleneck=0.25,0.250"])
def test_points_that_are_the_same_are_refused(spec: str, vary: str) -> None:
    with pytest.raises(UsageError, match="are the same model") as caught:
        make_plan(request(spec, "", (vary,)))
    assert caught.value.help == "remove one of the two values"


def test_named_lists_are_varied(tmp_path: Path) -> None:
    path = tmp_path / "listed.hvae"
    text = SPEC.replace("let n = 2", "let n = 2\nlet stage = (8x1, 8r$n)").replace("8x4, 8r$n, 8d2", "$stage, 8d2")
    path.write_text(text, encoding="utf-8")
    axes, fixed = let_axes({"stage": "(8r4, 8x2),(8r6, 8x2)", "n": "3*1"})
    plan = make_plan(SweepRequest(spec=str(path), axes=axes, lets=fixed, seeds=(0,), sets={}))
    encoders = [str(point.program("listed", 0).spec.model.encoder) for point in plan.points]
    assert encoders == ["8r4, 8x2, 8d2, 4x1", "8r6, 8x2, 8d2, 4x1"]
    matched = make_plan(SweepRequest(spec=str(path), axes=axes, lets=fixed, seeds=(0,), sets={}, match=True))
    assert all(point.matched is not None for point in matched.points)


def test_parameters_match_those_of_the_spec_or_a_target(spec: str) -> None:
    base = hvaedsl.load(spec).cost.parameters
    for target in (None, base * 9 // 10):
        plan = make_plan(request(spec, "", ("model.latent=4,40",), match=True, target=target))
        for point in plan.points:
            assert point.matched is not None
            assert point.matched.target == (target or base)
            assert point.matched.difference == pytest.approx(point.parameters / (target or base) - 1)
            compiled = hvaedsl.loads(point.spec)
            assert compiled.cost.parameters == point.parameters
            assert str(compiled.spec.model.encoder) == point.matched.encoder
            assert point.matched.encoder in plan_text(plan)
        free = make_plan(request(spec, "", ("model.latent=4,40",)))
        assert abs(plan.points[1].parameters - (target or base)) < abs(free.points[1].parameters - (target or base))


@pytest.mark.parametrize(("text", "count"), [("39M", 39_000_000), ("107k", 107_000), ("39.1M", 39_100_000), ("12", 12)])
def test_a_target_is_a_number_of_parameters(text: str, count: int) -> None:
    assert parameters_of(text) == count


@pytest.mark.parametrize("text", ["", "0", "x", "-3", "1e6", "999999999M", "_", "0.2"])
def test_invalid_targets_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match="--target"):
        parameters_of(text)
