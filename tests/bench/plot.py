# SPDX-License-Identifier: GPL-2.0
"""bench.svg: what is added to switches and syscalls, and whole programs, by variant."""
from xml.sax.saxutils import escape

LABEL, BAR, VALUE, LINE, GAP = 130, 240, 90, 18, 16
COLUMN = LABEL + BAR + VALUE
STYLE = """
svg { font: 12px system-ui, sans-serif } text { fill: #24292f } .back { fill: #fff }
.title { font-weight: 600 } .other { fill: #8c959f } .frec { fill: #0969da } path { stroke: #24292f; fill: none }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .back { fill: #0d1117 } .other { fill: #6e7681 }
.frec { fill: #58a6ff } path { stroke: #e6edf3 } }"""


def bar(row, x, y, at, offset, unit):
    """From zero to the median; the whisker is what holds with 95 %."""
    low, middle, high = (row[k] - offset for k in ("low", "value", "high"))
    left, right = sorted((at(0), at(middle)))
    kind = "frec" if row["variant"].startswith("frec") else "other"
    mid = y + LINE / 2
    return (f'<text x="{x + LABEL - 6}" y="{mid + 4}" text-anchor="end">{escape(row["variant"])}</text>'
            f'<rect class="{kind}" x="{left:.1f}" y="{y + 3}" width="{right - left:.1f}" height="{LINE - 6}"/>'
            f'<path d="M{at(low):.1f} {mid}H{at(high):.1f}M{at(low):.1f} {mid - 3}v6M{at(high):.1f} {mid - 3}v6"/>'
            f'<text x="{x + LABEL + BAR + 8}" y="{mid + 4}">{middle:+,.4g} {unit}</text>')


def panel(title, rows, x, y, offset, unit):
    """Returns what draws it, and where it ends."""
    ends = [row[k] - offset for row in rows for k in ("low", "value", "high")] + [0]
    least, most = min(ends), max(ends)

    def at(v):
        return x + LABEL + (v - least) / (most - least or 1) * BAR
    drawn = [f'<text class="title" x="{x}" y="{y + 13}">{escape(title)}</text>']
    for number, row in enumerate(rows, 1):
        drawn.append(bar(row, x, y + number * LINE, at, offset, unit))
    bottom = y + (len(rows) + 1) * LINE
    drawn.append(f'<path d="M{at(0):.1f} {y + LINE}V{bottom}"/>')
    return drawn, bottom + GAP


def by_subject(rows, unit, key):
    found = {}
    for row in rows:
        if row["unit"] == unit and row["key"] == key and row["group"] in ("cost", "programs"):
            found.setdefault(row["subject"], []).append(row)
    return found


def svg(rows):
    drawn, lowest = [], 0
    columns = ((by_subject(rows, "ns added", "ns"), 0, "ns", "{}: added ns"),
               (by_subject(rows, "% of bare", "throughput"), 100, "%", "{}: throughput"))
    for number, (panels, offset, unit, title) in enumerate(columns):
        x, y = GAP + number * (COLUMN + 2 * GAP), GAP
        for subject, bars in panels.items():
            more, y = panel(title.format(subject), bars, x, y, offset, unit)
            drawn += more
        lowest = max(lowest, y)
    drawn.append(f'<text x="{GAP}" y="{lowest + 8}">Against bare, that is nothing recording: medians of rounds, '
                 'with the bounds that hold with 95 % (of six rounds or more). frec slow is its default.</text>')
    size = 2 * COLUMN + 4 * GAP, lowest + LINE
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}">'
            f'<style>{STYLE}</style><rect class="back" width="100%" height="100%"/>\n' + "\n".join(drawn) + "\n</svg>\n")
