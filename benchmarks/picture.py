"""A small picture for README: bars of ours over the best peer, workload by workload. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.figures import BY_KEY
from benchmarks.samples import OURS, Sample, best, ratio
from benchmarks.table import number

SHOWN = ("W1.rate", "W1.rate_chunked", "W2.share", "W3.csv", "W3.parquet", "W4.rate", "W5.time", "W7.cold")
_FONT = 'font-family="sans-serif"'
_ROW, _LEFT, _WIDTH, _TOP = 26, 330, 700, 40


def svg(samples: Sequence[Sample], machine: str) -> str:
    """Logarithmic: a bar to the right of the line means that ours is better than the best peer by that factor."""
    peers = {each.tool for each in samples} - {OURS, "bare"}
    bars = [bar for key in SHOWN if (bar := _advantage(samples, key, peers)) is not None]
    reach = max([2.0, *(max(advantage, 1 / advantage) for _, _, advantage in bars)])
    height = _TOP + _ROW * len(bars) + 30
    zero = _LEFT + (_WIDTH - _LEFT - 70) * 0.35
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-size="12" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="20" font-weight="bold">prs over the best peer of the same run (factor, logarithmic)</text>',
        f'<line x1="{zero:.0f}" y1="{_TOP - 6}" x2="{zero:.0f}" y2="{height - 26}" stroke="black"/>',
    ]
    for row, bar in enumerate(bars):
        parts += _bar(_TOP + row * _ROW, bar, zero, reach)
    parts += [f'<text x="10" y="{height - 8}" font-size="10" fill="#555">{escape(machine)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _advantage(samples: Sequence[Sample], key: str, peers: set[str]) -> tuple[str, str, float] | None:
    """Title, the best peer, and by how much ours is better than it (below 1: worse)."""
    figure = BY_KEY[key]
    winner = best(samples, key, peers, higher_is_better=figure.higher_is_better)
    ours_over = ratio(samples, key, winner) if winner else None
    if winner is None or not ours_over:
        return None
    return f"{figure.workload} {figure.title}", winner, ours_over if figure.higher_is_better else 1 / ours_over


def _bar(top: int, bar: tuple[str, str, float], zero: float, reach: float) -> list[str]:
    title, peer, advantage = bar
    length = math.log(advantage) / math.log(reach) * (_WIDTH - 70 - zero if advantage >= 1 else zero - _LEFT)
    left, colour = (zero, "#2a7") if advantage >= 1 else (zero + length, "#c64")
    end = max(left + abs(length), zero) + 5
    label = title if len(title) <= 52 else title[:50] + "…"
    return [
        f'<text x="10" y="{top + 13}">{escape(label)}</text>',
        f'<rect x="{left:.1f}" y="{top + 2}" width="{abs(length):.1f}" height="15" fill="{colour}"/>',
        f'<text x="{end:.1f}" y="{top + 13}">{number(advantage)} × {escape(peer)}</text>',
    ]
