"""Results as a picture (SVG, drawn by hand): how far each policy is from each goal, on a logarithmic axis.

Rules: left of the middle line a goal is met, right of it missed; what is zero or never happened stands at the edge; the
picture says that it is simulated. Colour-blind people can tell the colours apart; shapes differ as well.
"""

from __future__ import annotations

import math
from html import escape

from pillarbox.lab.measure import Goal
from pillarbox.lab.race import Results
from pillarbox.lab.report import SIMULATED

_COLOURS = ("#0072b2", "#999999", "#e69f00", "#d55e00", "#cc79a7", "#009e73", "#56b4e9", "#8c6d00")
"""Okabe and Ito's palette; the first is ours."""

_EDGE = 3.0  # orders of magnitude to either side
_LEFT, _WIDTH, _ROW, _TOP = 330, 620, 26, 92
_LEGEND_ROW, _LEGEND_COLUMNS = 18, 4


def distance(goal: Goal, value: float) -> float:
    """How far from the goal, in orders of magnitude: below 0 it is met, above 0 missed; at most 3 either way."""
    assert goal.goal is not None
    reached, bound = (1 - value, 1 - goal.goal) if goal.at_least else (value, goal.goal)
    if math.isinf(reached):
        return _EDGE
    if reached <= 0:
        return -_EDGE
    if bound <= 0:
        return _EDGE
    return max(-_EDGE, min(_EDGE, math.log10(reached / bound)))


def _x(orders: float) -> float:
    return _LEFT + (orders + _EDGE) / (2 * _EDGE) * _WIDTH


def _mark(number: int, x: float, y: float) -> str:
    """A policy's shape: ours a large disc; then squares, diamonds and triangles."""
    colour, size = _COLOURS[number % len(_COLOURS)], 4.5
    if number == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6.5" fill="{colour}"/>'
    paint = f'fill="{colour if number < len(_COLOURS) else "none"}" stroke="{colour}" stroke-width="1.5"'
    if number % 3 == 1:
        return f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size}" height="{2 * size}" {paint}/>'
    if number % 3 == 2:
        points = f"{x - 6:.1f},{y:.1f} {x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f}"
    else:
        points = f"{x - 5.5:.1f},{y + 4.5:.1f} {x + 5.5:.1f},{y + 4.5:.1f} {x:.1f},{y - 5.5:.1f}"
    return f'<polygon points="{points}" {paint}/>'


def svg(results: Results) -> str:
    """The picture of all measures that have a goal."""
    shown = [goal for goal in results.goals if goal.goal is not None]
    bottom = _TOP + len(shown) * _ROW
    legend = bottom + 48
    height = legend + _LEGEND_ROW * math.ceil(len(results.labels) / _LEGEND_COLUMNS) + 12
    width = _LEFT + _WIDTH + 30
    title = f"Sign-in policies against the goals, {results.accounts:,} accounts, {len(results.seeds)} seeds"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        "<style>text { font-size: 12px }</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="16" y="26" style="font-size: 16px">{title}</text>',
        f'<text x="16" y="46" fill="#555">{escape(SIMULATED)}</text>',
        f'<text x="{_x(0) - 8}" y="{_TOP - 16}" text-anchor="end" fill="#555">goal met</text>',
        f'<text x="{_x(0) + 8}" y="{_TOP - 16}" fill="#555">missed</text>',
    ]
    for orders in range(-int(_EDGE), int(_EDGE) + 1):
        x = _x(orders)
        colour = "#000" if orders == 0 else "#ddd"
        label = "goal" if orders == 0 else f"×{10.0**orders:g}"
        label = {-_EDGE: "none", _EDGE: "≥ ×1000"}.get(orders, label)
        out.append(f'<line x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#555">{label}</text>')
    for turn, goal in enumerate(shown):
        y = _TOP + turn * _ROW + _ROW / 2
        text = escape(f"{goal.attack}: {goal.text}")
        out.append(f'<text x="{_LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        marks = []
        for number, key in enumerate(results.labels):
            found = results.estimates[key, goal.key]
            # Those at the same place are set a little apart.
            at = y + (number % 5 - 2) * 2.2 if number else y
            if not math.isinf(found.mean) and found.high > found.low:
                first, last = sorted((distance(goal, found.low), distance(goal, found.high)))
                stroke = _COLOURS[number % len(_COLOURS)]
                marks.append(
                    f'<line x1="{_x(first):.1f}" y1="{at:.1f}" x2="{_x(last):.1f}" y2="{at:.1f}" stroke="{stroke}"/>'
                )
            marks.append(_mark(number, _x(distance(goal, found.mean)), at))
        out += reversed(marks)
    for number, label in enumerate(results.labels.values()):
        x = 24 + number % _LEGEND_COLUMNS * (width - 40) / _LEGEND_COLUMNS
        y = legend + number // _LEGEND_COLUMNS * _LEGEND_ROW
        out.append(_mark(number, x, y))
        out.append(f'<text x="{x + 12:.1f}" y="{y + 4:.1f}">{escape(label)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
