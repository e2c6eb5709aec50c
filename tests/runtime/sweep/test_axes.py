from __future__ import annotations

import pytest

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl_runtime.sweep.axes import Axis, grid, let_axes, seeds_of, set_axes, slug


def test_constants_with_several_values_are_axes_and_with_one_are_fixed() -> None:
    axes, fixed = let_axes({"n": "1, 2,3", "m": "4"})
    assert [(axis.kind, axis.name, axis.values) for axis in axes] == [("let", "n", ("1", "2", "3"))]
    assert fixed == {"m": "4"}


def test_commas_separate_only_numbers_words_and_calls() -> None:
    axes = set_axes(
        [
            "model.cell = vdvae,nvae",
            "train.skip_above=none,400,adaptive(0.99, 1000)",
            "train.on_spike=skip,rollback(after = 3, times = 2)",
            "train.augment.horizontal_flip=true,false",
            "train.augment.random_crop=9,10",
            "model.decoder=4x1, 8m4, 8x1",
            "train.betas=0.9, 0.9",
            "model.decoder=8x2",
            "model.likelihood=mixture_of_logistics(10, bits = 5)",
            "sample.temperature={8: 0.5, 4: 1}",
            "model.cell=non_residual",
        ]
    )
    assert {axis.name: axis.values for axis in axes} == {
        "model.cell": ("vdvae", "nvae", "non_residual"),
        "train.skip_above": ("none", "400", "adaptive(0.99, 1000)"),
        "train.on_spike": ("skip", "rollback(after = 3, times = 2)"),
        "train.augment.horizontal_flip": ("true", "false"),
        "train.augment.random_crop": ("9,10",),
        "model.decoder": ("4x1, 8m4, 8x1", "8x2"),
        "train.betas": ("0.9, 0.9",),
        "model.likelihood": ("mixture_of_logistics(10, bits = 5)",),
        "sample.temperature": ("{8: 0.5, 4: 1}",),
    }


def test_commas_inside_brackets_and_quotes_separate_nothing() -> None:
    axes = set_axes(
        [
            "model.latent=8, 16,{1: 64, other: 16}",
            "sample.temperature=0.8,0.9,{8: 0.5, 4: 1}",
            'model.cell=vdvae,{8: "a:B", other: nvae}',
            "model.widths={4: 32, 1: 64}",
        ]
    )
    assert {axis.name: axis.values for axis in axes} == {
        "model.latent": ("8", "16", "{1: 64, other: 16}"),
        "sample.temperature": ("0.8", "0.9", "{8: 0.5, 4: 1}"),
        "model.cell": ("vdvae", '{8: "a:B", other: nvae}'),
        "model.widths": ("{4: 32, 1: 64}",),
    }
    names = [point.name for point in grid(axes[:1], alone="small")]
    assert names[:2] == ["latent=8", "latent=16"]
    assert names[2].startswith("latent=1-64-other-16-")


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ('data.path="a","b"', ('"a"', '"b"')),
        ('data.path="a, b" , none, "c"', ('"a, b"', "none", '"c"')),
        ('data.column="a"', ('"a"',)),
        ("data.path=a, b", ("a, b",)),  # one folder: without quotes, the text is everything after =
        ('train.augment.function="a:b","a:c"', ('"a:b"', '"a:c"')),
    ],
)
def test_commas_between_texts_in_quotes_separate_them(given: str, values: tuple[str, ...]) -> None:
    (axis,) = set_axes([given])
    assert axis.values == values


@pytest.mark.parametrize("given", ["model.cell", "=3", "model.cell=", "model.width=3,,4", "model.width=3,3"])
def test_invalid_axes_are_usage_errors(given: str) -> None:
    with pytest.raises(UsageError):
        set_axes([given])


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ("a=1,b=2", "write --vary a=1 --vary b=2"),
        ("train.steps=1,5, train.batch_size = 2", "write --vary train.steps=1,5 --vary 'train.batch_size = 2'"),
        ("model.encoder=8x1,8d8,model.width=3", "write --vary model.encoder=8x1,8d8 --vary model.width=3"),
    ],
)
def test_one_option_varies_one_name(given: str, way_out: str) -> None:
    with pytest.raises(UsageError, match=r"it must have one name") as caught:
        set_axes([given])
    assert caught.value.help == way_out
    with pytest.raises(UsageError) as caught:
        let_axes({"n": "1,2,m=3"})
    assert (str(caught.value), caught.value.help) == (
        "--let is `n=1,2,m=3`; it must have one name",
        "write --let n=1,2 --let m=3",
    )


def test_names_inside_of_brackets_and_quotes_are_no_others() -> None:
    given = ["model.likelihood=discretized_logistic(bits = 5, channels = 3)", 'data.path="a,b=1"']
    assert [axis.name for axis in set_axes(given)] == ["model.likelihood", "data.path"]


def test_seeds_are_a_number_or_a_list() -> None:
    assert seeds_of("3") == (0, 1, 2)
    assert seeds_of("0, 3,7") == (0, 3, 7)
    assert seeds_of("7,") == (7,)
    for wrong in ("0", "-1", "x", "", ",", "1,1", "1.5", "2000", "9" * 20):
        with pytest.raises(UsageError):
            seeds_of(wrong)


def test_the_grid_is_the_product_and_its_names_can_be_read() -> None:
    axes = [
        Axis(kind="let", name="n", values=("1", "2")),
        Axis(kind="set", name="model.cell", values=("vdvae", "non_residual")),
    ]
    points = grid(axes, alone="small")
    assert [point.name for point in points] == [
        "n=1,cell=vdvae",
        "n=1,cell=non_residual",
        "n=2,cell=vdvae",
        "n=2,cell=non_residual",
    ]
    assert (points[3].lets, points[3].sets) == ({"n": "2"}, {"model.cell": "non_residual"})
    assert [point.name for point in grid([], alone="small")] == ["small"]


def test_keys_with_the_same_end_keep_their_sections() -> None:
    axes = [Axis(kind="set", name=name, values=("1", "2")) for name in ("a.steps", "b.steps")]
    assert grid(axes, alone="")[0].name == "a.steps=1,b.steps=1"


def test_too_many_points_and_duplicate_axes() -> None:
    many = [Axis(kind="let", name=name, values=tuple(map(str, range(40)))) for name in "ab"]
    with pytest.raises(UsageError, match="1,600 points"):
        grid(many, alone="")
    with pytest.raises(UsageError, match="a is varied 2 times"):
        grid([many[0], many[0]], alone="")


def test_slugs_are_valid_on_all_systems_and_unique() -> None:
    assert slug("caf\udce9") != slug("caf\udce8")
    assert slug("1e-4") == "1e-4"
    odd = ["4x1, 8m4, 8x1", "4x1 8m4 8x1", '"../../x"', "a/b", "..", "*", "x" * 300]
    words = [slug(value) for value in odd]
    assert len(set(words)) == len(odd)
    for word in words:
        assert len(word) <= 32
        assert not set(word) & set('/\\ :*?"<>|')
        assert word.strip(".")
