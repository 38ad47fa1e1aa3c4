# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, goals: as a table and as JSON."""

import statistics
from collections import Counter

from subjects import GOALS, TITLES


def summarize(rows, done):
    """A dictionary for each row and subject, of the repetitions of one class of distance."""
    table = []
    for row in rows:
        classes = Counter(placed for name in row.subjects for placed, _ in done.results[row, name] if placed != "moved")
        chosen = classes.most_common(1)[0][0] if classes else "moved"
        figures = {}
        for name in row.subjects:
            kept = [result for placed, result in done.results[row, name] if placed == chosen]
            entry = {"workload": row.workload, "payloadBytes": row.bytes, "subscribers": row.subscribers, "mode": row.mode,
                     "subject": name}
            if kept:
                is_rate = kept[0]["unit"] != "ns"
                entry |= {
                    "median": statistics.median(one["median"] for one in kept), "unit": kept[0]["unit"],
                    "p99": statistics.median(one["p99"] for one in kept), "repetitions": len(kept),
                    "best": (max if is_rate else min)(one["median"] for one in kept), "distance": chosen}
                entry |= {key: round(kept[-1][key], 1) for key in kept[-1] if key.startswith(("publisher", "subscriber"))}
                figures[name] = entry
            elif done.failures[row, name]:
                entry |= {"median": None, "unit": None, "p99": None, "repetitions": 0}
            else:
                continue
            if done.failures[row, name]:
                entry |= {"failures": len(done.failures[row, name]), "failed": done.failures[row, name][-1]}
            table.append(entry)
        for entry in figures.values():
            if limit := figures.get("c"):
                entry["ratioToC"] = round(entry["median"] / limit["median"], 3)
                entry["ratioToCOfBest"] = round(entry["best"] / limit["best"], 3)
    return table


def human(value, unit):
    if unit == "ns":
        return f"{value:.1f} ns" if value < 1000 else f"{value / 1000:.2f} µs" if value < 100000 else f"{value / 1000:.0f} µs"
    for limit, name in ((1e6, "M/s"), (1e3, "k/s")):
        if value >= limit:
            return f"{value / limit:.3g} {name}" if value < 100 * limit else f"{value / limit:.0f} {name}"
    return f"{value:.0f} /s"


def size(count):
    return f"{count} B" if count < 1024 else f"{count // 1024} KiB" if count < 1 << 20 else f"{count >> 20} MiB"


HEADINGS = {
    "latency": "One way, filled by the sender and checked by the receiver",
    "handover": "Handed over, the payload not touched",
    "stream": "A lossless stream, filled and checked",
    "fanout": "To several subscribers, at the slowest of them",
    "startup": "A thousand topics, for each: a publisher and a subscriber in one process",
}


def print_table(table, write):
    heading, group = None, None
    for entry in table:
        if entry["workload"] == "startup" and entry["median"]:
            write(f"\n{HEADINGS['startup']}")
            for who in ("publisher", "subscriber"):
                write(f"{who:>12}  {entry[who + 'Nanoseconds'] / 1000:.0f} µs, {entry[who + 'Bytes'] / 1024:.1f} KiB, "
                      f"{entry[who + 'Descriptors']:.0f} descriptors")
            continue
        if entry["workload"] != heading:
            heading = entry["workload"]
            write(f"\n{HEADINGS[heading]}")
            write(f"{'bytes':>8}  {'mode':16} {'to':>3}  {'subject':23} {'median':>10} {'× C':>7} {'best':>10} {'× C':>7} {'p99':>10}"
                  f"  {'of':>3}  distance")
        key = (entry["payloadBytes"], entry["mode"], entry["subscribers"])
        first = f"{size(key[0]):>8}  {key[1]:16} {key[2]:>3}" if key != group else " " * 30
        group = key
        name = TITLES[entry["subject"]]
        if entry["median"] is None:
            write(f"{first}  {name:23} failed: {entry['failed']}")
            continue
        unit = entry["unit"]
        ratios = [f"{entry[key]:.3g}" if key in entry else "–" for key in ("ratioToC", "ratioToCOfBest")]
        note = f"  ({entry['failures']} failed: {entry['failed']})" if "failures" in entry else ""
        write(f"{first}  {name:23} {human(entry['median'], unit):>10} {ratios[0]:>7} {human(entry['best'], unit):>10} {ratios[1]:>7}"
              f" {human(entry['p99'], unit):>10}  {entry['repetitions']:>3}  {entry['distance']}{note}")


def find(table, row, subject):
    for entry in table:
        if (entry["workload"], entry["payloadBytes"], entry["mode"], entry["subscribers"], entry["subject"]) == (
                row.workload, row.bytes, row.mode, row.subscribers, subject) and entry["median"]:
            return entry
    return None


def print_goals(table, write):
    write("\nGoals")
    for what, row, base, subject, factor in GOALS:
        ours, theirs = find(table, row, "interprocess"), find(table, base, subject)
        if not ours or not theirs:
            continue
        ratio, best = ours["median"] / theirs["median"], ours["best"] / theirs["best"]
        is_met = ratio >= factor if factor < 1 else ratio <= factor
        sign = "≥" if factor < 1 else "≤"
        write(f"  {what:46} {ratio:6.3f} of medians, {best:6.3f} of the best; {sign} {factor}: {'met' if is_met else 'NOT MET'}")
