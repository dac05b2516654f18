"""Bars and lines as inline SVG, coloured by the page's style sheet. A chart is a string; nothing is fetched."""

from html import escape

WIDTH, HEIGHT = 520, 254
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 12, 58
MOST_LABELS = 11


def bar_chart(points, name):
    """Returns the SVG of bars.

    Args:
        points: [(label, number from 0 on)].
        name (`str`): of the chart, for those who cannot see it.
    """
    top = _round_up(max((value for _, value in points), default=1))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(points))
    parts = _axis(top)
    for i, (label, value) in enumerate(points):
        height = (HEIGHT - TOP - BOTTOM) * value / top
        x, y = LEFT + i * step, HEIGHT - BOTTOM - height
        parts.append(
            f'<rect class="bar" x="{x + step * 0.08:.1f}" y="{y:.1f}" width="{step * 0.84:.1f}" height="{height:.1f}">'
            f"<title>{escape(str(label))}: {show(value)}</title></rect>"
        )
    parts += _labels([label for label, _ in points], lambda i: LEFT + (i + 0.5) * step)
    return _svg(parts, name)


def line_chart(lines, name):
    """Returns the SVG of lines that share their labels, with a legend where there are several.

    Args:
        lines: {name of the line: [(label, share from 0 to 1)]}, the longest has all labels in their order.
        name (`str`): of the chart.
    """
    labels = [label for label, _ in max(lines.values(), key=len, default=[])]
    top = _round_up(max((value for points in lines.values() for _, value in points), default=1))
    place = {label: i for i, label in enumerate(labels)}
    step = (WIDTH - LEFT - RIGHT) / max(1, len(labels) - 1)
    parts = _axis(top)
    for number, (line, points) in enumerate(lines.items()):
        spots = [
            (LEFT + place[label] * step, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top, label, value)
            for label, value in points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in spots)
        parts.append(
            f'<polyline class="line line{number % 6}" points="{path}"><title>{escape(str(line))}</title></polyline>'
        )
        if len(points) <= MOST_LABELS:
            parts += [
                f'<circle class="dot dot{number % 6}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
                f"<title>{escape(str(line))}, {escape(str(label))}: {show(value)}</title></circle>"
                for x, y, label, value in spots
            ]
    parts += _labels(labels, lambda i: LEFT + i * step)
    chart = _svg(parts, name)
    if len(lines) < 2:
        return chart
    legend = "".join(f'<li><i class="dot{n % 6}"></i>{escape(str(line))}</li>' for n, line in enumerate(lines))
    return f'{chart}<ul class="legend">{legend}</ul>'


def show(value):
    """Returns a number as people read it: 12,345, or three digits of a fraction.

    >>> show(12345), show(0.12345), show(2.0)
    ('12,345', '0.123', '2')
    """
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _round_up(value):
    if value <= 0:
        return 1.0
    scale = 10.0 ** (len(f"{value:.0f}") - 1) if value >= 1 else 0.1
    return next(step * scale for step in (1, 2, 4, 6, 8, 10) if step * scale >= value - 1e-12)


def _axis(top):
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{show(top * share)}</text>')
    return parts


def _labels(labels, x_of):
    every = -(-len(labels) // MOST_LABELS)
    turned = max(map(len, map(str, labels)), default=0) * 6 > (WIDTH - LEFT - RIGHT) / max(1, len(labels) / every)
    parts, y = [], HEIGHT - BOTTOM + 16
    for i in range(0, len(labels), max(1, every)):
        turn = f' transform="rotate(-30 {x_of(i):.1f} {y})" class="end"' if turned else ' class="middle"'
        parts.append(f'<text x="{x_of(i):.1f}" y="{y}"{turn}>{escape(str(labels[i]))}</text>')
    return parts


def _svg(parts, name):
    return f'<svg role="img" aria-label="{escape(name)}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
