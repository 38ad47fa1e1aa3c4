# SPDX-License-Identifier: Apache-2.0
"""The figures as bars on a logarithmic scale, as an SVG that suits a light and a dark page."""

import math
from xml.sax.saxutils import escape

from reporting import find, human, size
from subjects import SUBJECTS, TITLES, Row

WIDTH, NAMES, BAR, GAP = 860, 230, 13, 5
PANELS = [
    ("One way, 64 B, polling: shorter is better", [Row("latency", 64, "busy")]),
    ("One way, 64 KiB, polling: shorter is better", [Row("latency", 65536, "busy")]),
    ("Wake-up on one CPU, 64 B: shorter is better", [Row("latency", 64, "blocking-one-cpu")]),
    ("Stream of 64 B: longer is better", [Row("stream", 64, "busy"), Row("stream", 64, "blocking")]),
    ("Stream of 64 KiB: longer is better", [Row("stream", 65536, "busy"), Row("stream", 65536, "blocking")]),
    ("64 B to 4 subscribers: longer is better", [Row("fanout", 64, "busy", 4), Row("fanout", 64, "blocking", 4)]),
]
STYLE = """
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #57606a; }
.title { font-size: 13px; font-weight: 600; fill: #24292f; }
.bar { fill: #9aa4af; } .ours { fill: #f05138; } .limit { fill: #57606a; }
.grid { stroke: #8c959f; stroke-opacity: .3; }
@media (prefers-color-scheme: dark) {
  text { fill: #9ea7b3; } .title { fill: #e6edf3; } .bar { fill: #5b6570; } .limit { fill: #adb6c0; }
}
"""


def bars(table, rows):
    """Each subject in the first of the rows that has it."""
    found = []
    for subject in SUBJECTS:
        for row in rows:
            if entry := find(table, row, subject.name):
                found.append((entry, row.mode != rows[0].mode))
                break
    unit = found[0][0]["unit"] if found else "ns"
    return sorted(found, key=lambda one: one[0]["median"], reverse=unit != "ns")


def scale(power, unit):
    """10 µs, not 10.00 µs."""
    number, name = human(10.0 ** power, unit).split()
    return f"{float(number):g} {name}"


def panel(title, found, top):
    values = [entry["median"] for entry, _ in found]
    low = math.floor(math.log10(min(values)) - 0.01)
    high = math.ceil(math.log10(max(values)) + 0.01)
    room = WIDTH - NAMES - 90
    parts = [f'<text class="title" x="10" y="{top + 14}">{escape(title)}</text>']
    bottom = top + 24 + len(found) * (BAR + GAP)
    for power in range(low, high + 1):
        x = NAMES + room * (power - low) / (high - low)
        parts.append(f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{top + 22}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.0f}" y="{bottom + 13}" text-anchor="middle">{scale(power, found[0][0]["unit"])}</text>')
    for index, (entry, is_other_mode) in enumerate(found):
        y = top + 24 + index * (BAR + GAP)
        length = max(2, room * (math.log10(entry["median"]) - low) / (high - low))
        kind = {"interprocess": "bar ours", "c": "bar limit", "c-batches": "bar limit"}.get(entry["subject"], "bar")
        name = TITLES[entry["subject"]] + (" (blocking)" if is_other_mode else "")
        parts.append(f'<text x="{NAMES - 8}" y="{y + 11}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>')
        parts.append(f'<text x="{NAMES + length + 6:.1f}" y="{y + 11}">{human(entry["median"], entry["unit"])}</text>')
    return parts, bottom + 30


def write(path, table, caption):
    parts, top = [], 8
    classes = set()
    for title, rows in PANELS:
        if found := bars(table, rows):
            classes |= {entry["distance"] for entry, _ in found} - {"same"}
            more, top = panel(title, found, top)
            parts += more
    caption = f"{caption}; cores {' and '.join(sorted(classes)) or 'one'}; medians, logarithmic scale"
    parts.append(f'<text x="10" y="{top + 6}">{escape(caption)}</text>')
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 18}" width="{WIDTH}" height="{top + 18}">\n')
        file.write("<!-- SPDX-License-Identifier: Apache-2.0 -->\n")
        file.write(f"<title>Topics beside their peers</title>\n<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n")
