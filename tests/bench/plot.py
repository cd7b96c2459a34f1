"""A plot as SVG: one panel below another, both axes logarithmic, legible on light and dark ground."""

import math

WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 720, 260, 70, 130, 34, 36
COLOURS = ("#3b82c4", "#d9822b", "#2f9e5b", "#b5478c")


def decades(values):
    lo, hi = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return lo, max(hi, lo + 1)


def short(n):
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return "%g%s" % (n / size, unit)
    return "%g" % n


def panel(title, series, top):
    points = [p for s in series.values() for p in s]
    xs = sorted({x for x, _ in points})
    (x_lo, x_hi), (y_lo, y_hi) = decades(xs), decades([y for _, y in points])
    if xs[-1] <= 64:
        x_lo, x_hi = 0, math.log10(xs[-1]) or 1
    x_of = lambda x: LEFT + (math.log10(x) - x_lo) / (x_hi - x_lo) * (WIDTH - LEFT - RIGHT)
    y_of = lambda y: top + PANEL - BOTTOM - (math.log10(y) - y_lo) / (y_hi - y_lo) * (PANEL - TOP - BOTTOM)
    out = ['<text x="%d" y="%d" font-weight="bold">%s</text>' % (LEFT, top + 20, title)]
    for d in range(y_lo, y_hi + 1):
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="grid"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' %
                   (LEFT, WIDTH - RIGHT, y_of(10 ** d), y_of(10 ** d), LEFT - 8, y_of(10 ** d) + 4, short(10 ** d)))
    for x in xs:
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (x_of(x), top + PANEL - BOTTOM + 18, short(x)))
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colour, " ".join("%.1f,%.1f" % (x_of(x), y_of(y)) for x, y in line)))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x_of(x), y_of(y), colour) for x, y in line]
        out.append('<text x="%d" y="%d" style="fill:%s">%s</text>' % (WIDTH - RIGHT + 14, top + TOP + 14 + 18 * i, colour, name))
    return out


def svg(charts):
    height = PANEL * len(charts)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">' % (WIDTH, height, WIDTH, height),
           "<style>text{fill:#808080}.grid{stroke:#808080;stroke-opacity:.3}</style>"]
    for i, (title, series) in enumerate(charts.items()):
        out += panel(title, series, i * PANEL)
    return "\n".join(out + ["</svg>", ""])
