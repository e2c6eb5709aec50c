from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pygraphviz
import pytest

import hvaedsl
from hvaedsl.ir.bridge import Bridge
from hvaedsl.render.dot import dot_source
from hvaedsl.render.layout import lay_out
from hvaedsl.render.output import render

Compile = Callable[[str], Bridge]
GOLDENS = Path(__file__).parent / "goldens"


@pytest.mark.parametrize("name", ["tiny", "labelled"])
def test_golden(name: str) -> None:
    expected = (GOLDENS / f"{name}.dot").read_text(encoding="utf-8")
    hint = f"where the change is meant: hvaedsl compile tests/render/goldens/{name}.hvae --emit dot"
    assert hvaedsl.load(GOLDENS / f"{name}.hvae").dot() == expected, hint


def test_the_text_is_dot_with_every_box_and_edge(bridge: Bridge) -> None:
    layout = lay_out(bridge)
    graph = pygraphviz.AGraph(string=dot_source(bridge, name="model"))
    assert {box.key for box in layout.boxes} <= set(graph.nodes())
    assert sorted(graph.edges()) == sorted((edge.source, edge.target) for edge in layout.edges)
    assert all("," in graph.get_node(node).attr["pos"] for node in graph.nodes())


def test_boxes_and_edges_stand_where_the_layout_puts_them(compile_bridge: Compile) -> None:
    bridge = compile_bridge("digits")
    layout = lay_out(bridge)
    graph = pygraphviz.AGraph(string=dot_source(bridge, name="model"))
    first, second = layout.boxes[1], layout.boxes[2]
    x, y = (float(part) for part in graph.get_node(first.key).attr["pos"].rstrip("!").split(","))
    below_x, below_y = (float(part) for part in graph.get_node(second.key).attr["pos"].rstrip("!").split(","))
    assert (below_x - x, y - below_y) == pytest.approx((second.x - first.x, second.y - first.y), abs=1e-2)
    numbers = re.findall(r"-?[\d.]+,-?[\d.]+", graph.get_edge(first.key, second.key).attr["pos"])
    assert (len(numbers) - 1) % 3 == 1  # the arrow's tip, then 3n + 1 control points


@pytest.mark.parametrize("name", ['a"b', "a\\", "<b>&amp;</b>", "line\nbreak", "\x00\x1b", "ünï 日本語", "}{", ""])
def test_any_name_and_caption_are_shown_as_they_are(
    compile_bridge: Compile, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    dot = dot_source(compile_bridge("digits"), name=name, caption=f"of {name}")
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
    svg = ElementTree.fromstring(render(dot, "svg"))
    texts = [
        "".join(element.itertext()).replace("\xa0", " ") for element in svg.iter("{http://www.w3.org/2000/svg}text")
    ]
    assert capfd.readouterr().err == ""
    assert f"of {shown}".rstrip() in [text.rstrip() for text in texts]


def test_a_caption_and_the_legend_are_drawn_only_where_there_is_something_to_say(compile_bridge: Compile) -> None:
    plain = dot_source(compile_bridge("single_resolution"), name="model")
    assert "caption" not in plain
    assert "shared weights" not in plain
    assert "pooling" not in plain
    shared = dot_source(compile_bridge("cifar10_ws"), name="model", caption="39,145,700 parameters")
    assert "39,145,700 parameters" in shared
    assert "shared weights" in shared


def test_a_box_names_its_cell_where_it_is_not_that_of_vdvae(capfd: pytest.CaptureFixture[str]) -> None:
    text = """hvae 1 data { dataset = digits }
    model { width = 16 latent = 16 cell = %s encoder = 8x2, 8d2, 4x1 decoder = 4x1, 8m4, 8x2 }"""
    for cell in ("vdvae", "non_residual", "euler_maruyama", "nvae"):
        dot = hvaedsl.loads(text % cell).dot()
        assert dot.count(f"{cell} · z 16×8×8") == (0 if cell == "vdvae" else 2)
        render(dot, "svg")
        assert "too small" not in capfd.readouterr().err


def test_a_box_names_its_block_where_it_is_not_the_default(capfd: pytest.CaptureFixture[str]) -> None:
    text = """hvae 1 data { dataset = digits }
    model { width = 16 latent = 16 block = {4: %s, other: residual} encoder = 8x2, 8d2, 4x1 decoder = 4x1, 8m4, 8x2 }"""
    assert "residual" not in hvaedsl.loads(text % "residual").dot()
    for block in ("attention", '"my_blocks:Block"'):
        dot = hvaedsl.loads(text % block).dot()
        assert dot.count(f"1 block · 16 ch · {block.strip(chr(34))}") == 2
        render(dot, "svg")
        assert "too small" not in capfd.readouterr().err


def test_every_label_fits_its_box(bridge: Bridge, capfd: pytest.CaptureFixture[str]) -> None:
    render(dot_source(bridge, name="model", caption="1,000 parameters"), "svg")
    assert "too small" not in capfd.readouterr().err
