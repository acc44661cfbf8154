"""Draws docs/architecture.svg: the packages of `diccae` by layer, and which of them import which.

    python docs/draw_architecture.py

The layers are those of the import-linter contract in pyproject.toml, from top to bottom; the arrows
come from the import graph (grimp). An arrow that follows from others is left out: where A imports B
and C, and B imports C, there is no arrow from A to C. Arrows that pass a layer run through a free
column between its boxes.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGE = "diccae"

# pixels
BOX_WIDTH, BOX_HEIGHT, GAP, COLUMN = 112, 32, 26, 14
ROW, MARGIN, ARROW = 78, 24, 7
SWEEPS, COLUMN_WEIGHT = 60, 6

STYLE = """
  svg { color-scheme: light dark; font: 14px system-ui, "Segoe UI", Roboto, sans-serif }
  .page { fill: #ffffff } .layer { fill: #f1f4f8 }
  .box { fill: #ffffff; stroke: #5b6472; stroke-width: 1.2 } text { fill: #1d2430 }
  .arrow { fill: none; stroke-width: 1.4 } .head { stroke: none }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14181f } .layer { fill: #1d232d }
    .box { fill: #262e3a; stroke: #a3adbb } text { fill: #e7eaf0 }
  }
"""

# the arrows of a box share a colour; all are legible on light and dark backgrounds
COLOURS = ("#3a7cc4", "#c0622f", "#2f9470", "#9467bd", "#a8842a", "#c2527f")

# a package in its own layer, or the place where an arrow passes another layer
Node = tuple[str, ...]
Arrangement = tuple[list[list[Node]], dict[Node, float]]


def read_layers() -> list[list[str]]:
    """The packages of each layer, top first, from the layers contract of pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def read_imports(layers: list[list[str]]) -> set[tuple[str, str]]:
    """Pairs (importer, imported) of different packages of the layers.

    Raises:
        ValueError: a module of the package belongs to no layer.
    """
    names = [name for layer in layers for name in layer]
    graph = grimp.build_graph(PACKAGE, cache_dir=None)

    def package_of(module: str) -> str:
        for name in names:
            if module == name or module.startswith(f"{name}."):
                return name
        raise ValueError(f"{module} belongs to no layer of the contract in pyproject.toml; add it")

    modules = sorted(graph.modules - {PACKAGE})
    pairs = {
        (package_of(module), package_of(imported))
        for module in modules
        for imported in graph.find_modules_directly_imported_by(module) - {PACKAGE}
    }
    return {(importer, imported) for importer, imported in pairs if importer != imported}


def upward(layers: list[list[str]], imports: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The imports that do not point to a lower layer."""
    row = {name: number for number, layer in enumerate(layers) for name in layer}
    return sorted(pair for pair in imports if row[pair[1]] <= row[pair[0]])


def without_implied(imports: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The imports (a, b) for which there is no longer path from a to b."""
    successors = defaultdict(set)
    for importer, imported in imports:
        successors[importer].add(imported)

    @cache
    def reachable(name: str) -> set[str]:
        return successors[name].union(*map(reachable, successors[name]))

    return sorted(
        (a, b)
        for a, b in imports
        if not any(b in reachable(other) for other in successors[a] - {b})
    )


def routes(layers: list[list[str]], arrows: list[tuple[str, str]]) -> list[list[Node]]:
    """The nodes of each arrow, one in every layer from its first to its last."""
    row = {name: number for number, layer in enumerate(layers) for name in layer}
    return [
        [(a,), *((a, b, str(number)) for number in range(row[a] + 1, row[b])), (b,)]
        for a, b in arrows
    ]


def arrange(layers: list[list[str]], paths: list[list[Node]]) -> Arrangement:
    """The nodes of each layer from left to right, and the x of each node's centre."""
    row = {name: number for number, layer in enumerate(layers) for name in layer}
    rows: list[list[Node]] = [[(name,) for name in layer] for layer in layers]
    neighbours: dict[Node, list[Node]] = defaultdict(list)
    for path in paths:
        for number, node in enumerate(path[1:-1], start=row[path[0][0]] + 1):
            rows[number].append(node)
        for upper, lower in zip(path, path[1:], strict=False):
            neighbours[upper].append(lower)
            neighbours[lower].append(upper)
    x = {node: 100.0 * place for nodes in rows for place, node in enumerate(nodes)}
    for sweep in range(SWEEPS):
        for nodes in rows if sweep % 2 else reversed(rows):
            wanted = {node: pull(node, neighbours[node], x) for node in nodes}
            if sweep < SWEEPS // 2:
                nodes.sort(key=lambda node: (round(wanted[node], 3), node))
            x |= separate(nodes, wanted)
    return rows, x


def pull(node: Node, neighbours: list[Node], x: dict[Node, float]) -> float:
    """Mean x of a node's neighbours; columns have more weight, so that arrows are straight."""
    weights = [COLUMN_WEIGHT if len(node) > 1 and len(other) > 1 else 1 for other in neighbours]
    if not neighbours:
        return x[node]
    return sum(w * x[n] for w, n in zip(weights, neighbours, strict=True)) / sum(weights)


def width(node: Node) -> int:
    """Width of a box, or of the column of an arrow that passes a layer."""
    return BOX_WIDTH if len(node) == 1 else COLUMN


def separate(nodes: list[Node], wanted: dict[Node, float]) -> dict[Node, float]:
    """Centres as near as possible to the wanted ones, in the given order and without overlap."""
    offsets = [0.0]
    for left, right in zip(nodes, nodes[1:], strict=False):
        boxes = (len(left) == 1) + (len(right) == 1)
        offsets.append(offsets[-1] + (width(left) + width(right)) / 2 + GAP * boxes / 2)
    # least squares under an order: neighbours that overlap move together (pool adjacent violators)
    pools: list[list[float]] = []
    for node, offset in zip(nodes, offsets, strict=True):
        pools.append([wanted[node] - offset, 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, count), (other, more) = pools[-2], pools[-1]
            pools[-2:] = [[(mean * count + other * more) / (count + more), count + more]]
    starts = [mean for mean, count in pools for _ in range(int(count))]
    return {node: s + o for node, s, o in zip(nodes, starts, offsets, strict=True)}


def draw(layers: list[list[str]], imports: set[tuple[str, str]]) -> str:
    """The picture as the text of an SVG file."""
    paths = routes(layers, without_implied(imports))
    rows, x = arrange(layers, paths)
    left = min(x[node] - width(node) / 2 for nodes in rows for node in nodes) - 2 * MARGIN
    x = {node: value - left for node, value in x.items()}
    total = max(x[node] + width(node) / 2 for nodes in rows for node in nodes) + 2 * MARGIN
    height = ROW * (len(rows) - 1) + BOX_HEIGHT + 2 * MARGIN
    top = {node: MARGIN + ROW * number for number, nodes in enumerate(rows) for node in nodes}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {height}" '
        f'width="{total:.0f}" height="{height}" role="img">',
        f"<title>Packages of {PACKAGE} by layer, and their imports</title>",
        f"<style>{STYLE}</style>",
        '<rect class="page" width="100%" height="100%"/>',
    ]
    for number in range(len(rows)):
        lines.append(
            f'<rect class="layer" x="{MARGIN}" y="{MARGIN + ROW * number - 8}" '
            f'width="{total - 2 * MARGIN:.0f}" height="{BOX_HEIGHT + 16}" rx="8"/>'
        )
    starts, ends = ports(paths, x)
    names = [name for layer in layers for name in layer]
    for path in paths:
        lines.append(
            arrow(
                path,
                x | {path[0]: starts[path[0], path[1]]},
                top,
                ends[path[-1], path[-2]],
                COLOURS[names.index(path[0][0]) % len(COLOURS)],
            )
        )
    for name in names:
        node = (name,)
        lines.append(
            f'<rect class="box" x="{x[node] - BOX_WIDTH / 2:.1f}" y="{top[node]}" '
            f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
            f'<text x="{x[node]:.1f}" y="{top[node] + BOX_HEIGHT / 2 + 5:.1f}" '
            f'text-anchor="middle">{name.removeprefix(f"{PACKAGE}.")}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def ports(
    paths: list[list[Node]], x: dict[Node, float]
) -> tuple[dict[tuple[Node, Node], float], dict[tuple[Node, Node], float]]:
    """The x at which arrows leave and reach a box, in the order of their other ends."""
    sides: list[dict[Node, list[Node]]] = [defaultdict(list), defaultdict(list)]
    for path in paths:
        sides[0][path[0]].append(path[1])
        sides[1][path[-1]].append(path[-2])
    places: list[dict[tuple[Node, Node], float]] = [{}, {}]
    for side, place in zip(sides, places, strict=True):
        for box, others in side.items():
            others.sort(key=lambda node: (x[node], node))
            step = min(18.0, (BOX_WIDTH - 20) / len(others))
            for number, other in enumerate(others):
                place[box, other] = x[box] + step * (number - (len(others) - 1) / 2)
    return places[0], places[1]


def arrow(
    path: list[Node], x: dict[Node, float], top: dict[Node, int], end: float, colour: str
) -> str:
    """An arrow as a curve between layers and a vertical line within a layer that it passes."""
    here, y = x[path[0]], top[path[0]] + BOX_HEIGHT
    text = f"M{here:.1f} {y}"
    for node in path[1:]:
        last = node == path[-1]
        there, below = (end, top[node] - ARROW) if last else (x[node], top[node])
        middle = (y + below) / 2
        text += f"C{here:.1f} {middle:.1f} {there:.1f} {middle:.1f} {there:.1f} {below}"
        if not last:
            text += f"V{below + BOX_HEIGHT}"
        here, y = there, below + BOX_HEIGHT
    tip = top[path[-1]]
    head = f"M{end:.1f} {tip}l-4 -{ARROW + 1}h8z"
    return (
        f'<path class="arrow" stroke="{colour}" d="{text}"/>'
        f'<path class="head" fill="{colour}" d="{head}"/>'
    )


if __name__ == "__main__":
    layers = read_layers()
    PICTURE.write_text(draw(layers, read_imports(layers)))
