"""Pictures of the cells: from the state x and the activation a to the next state."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.cells.kind import Wire
from hvaedsl.render.style import FAINT_TEXT, FONT, TEXT

_State, _Branch, _Latent, _Weights, _Sum = "state", "branch", "latent", "weights", "sum"

# Role and label of nodes; the wires of a cell determine which it has. Any other node is drawn as weights, by its name.
_NODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "a": (_State, "a\nencoder activation"),
        "x": (_State, "x\nstate"),
        "posterior": (_Branch, "posterior [x, a]"),
        "prior": (_Branch, "prior x"),
        "q": (_Latent, "q(z | x, a)"),
        "p": (_Latent, "p(z | x)"),
        "z": (_Latent, "z"),
        "h": (_Latent, "h"),
        "W": (_Weights, "W z + b"),
        "AB": (_Weights, "A x + B z + b"),
        "sum": (_Sum, "+"),
        "resnet": (_Branch, "resnet\nu + f(u)"),
        "next": (_State, "x'\nnext state"),
    }
)
_PAINT = {
    _State: ("box", "#eef1f4", "#7b8794"),
    _Branch: ("box", "#ffffff", "#7b8794"),
    _Latent: ("ellipse", "#fde3c0", "#c96a00"),
    _Weights: ("box", "#c9efec", "#0b7a75"),
    _Sum: ("circle", "#ffffff", "#7b8794"),
}
_BRANCHES: tuple[Wire, ...] = (
    ("a", "posterior", ""),
    ("x", "posterior", ""),
    ("x", "prior", ""),
    ("posterior", "q", ""),
    ("prior", "p", ""),
    ("q", "z", "in training"),
    ("p", "z", "in sampling"),
)


def cell_dot(cell: str) -> str:
    """Return the picture of a cell, given its name, as DOT source that Graphviz lays out."""
    wires = (*_BRANCHES, *CELLS[cell].wires)
    used = dict.fromkeys(node for tail, head, _ in wires for node in (tail, head))
    lines = [
        f'digraph "{cell}" {{',
        f'  graph [rankdir=LR, nodesep=0.28, ranksep=0.45, pad=0.2, bgcolor=white, fontname="{FONT}"];',
        f'  node [style="filled,rounded", fontname="{FONT}", fontsize=11, fontcolor="{TEXT}", margin="0.12,0.07"];',
        f'  edge [arrowsize=0.6, color="#3e4c59", fontname="{FONT}", fontsize=9, fontcolor="{FAINT_TEXT}"];',
    ]

    for node in used:
        role, label = _NODES.get(node, (_Weights, node))
        shape, fill, border = _PAINT[role]
        style = "filled" if shape != "box" else "filled,rounded"
        shown = label.replace("\n", "\\n").replace('"', "'")
        paint = f'style="{style}", fillcolor="{fill}", color="{border}"'
        lines.append(f'  {_node(node)} [label="{shown}", shape={shape}, {paint}];')

    lines += ["  { rank=same; a; x; }", "  { rank=same; posterior; prior; }"]
    for tail, head, label in wires:
        style = ", style=dashed" if label in ("in sampling", "unused") else ""
        lines.append(f'  {_node(tail)} -> {_node(head)} [label="{label}"{style}];')
    return "\n".join([*lines, "}"]) + "\n"


def _node(name: str) -> str:
    """The name of a node, quoted if DOT requires it."""
    return name if name.isidentifier() else '"' + name.replace('"', "'") + '"'
