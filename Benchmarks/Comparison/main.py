# SPDX-License-Identifier: Apache-2.0
"""Benchmarks/compare: one command that builds and runs everything, and compares."""

import argparse
import json
import os
import platform
import sys
import time

import building
import plotting
import reporting
import running
import subjects


def arguments():
    parser = argparse.ArgumentParser(prog="Benchmarks/compare", description="Topics beside their peers, in turns, in one run.")
    parser.add_argument("--quick", action="store_true", help="two short repetitions: under a minute once everything is built")
    parser.add_argument("--json", metavar="FILE", help="write the figures as a list of objects")
    parser.add_argument("--svg", metavar="FILE", help="write a plot")
    parser.add_argument("--only", action="append", metavar="WORKLOAD|SUBJECT", help="and C beside it; may be repeated")
    parser.add_argument("--repetitions", type=int, metavar="N", help="11 if nothing is said, 2 with --quick")
    parser.add_argument("--milliseconds", type=int, metavar="T", help="of one turn: 120, or 20 with --quick")
    parser.add_argument("--first", action="store_true",
                        help="as root: before other work of the machine, where others build or test at the same time")
    parser.add_argument("--install", action="store_true", help="apt-get install what the peers need")
    return parser.parse_args()


def chosen_rows(only):
    names, workloads = {s.name for s in subjects.SUBJECTS}, {"latency", "handover", "stream", "fanout", "startup"}
    only = set(only or [])
    if unknown := only - names - workloads:
        sys.exit(f"compare: no workload or subject is called {', '.join(sorted(unknown))}; subjects: {', '.join(sorted(names))}")
    for row in subjects.rows():
        if only & workloads and row.workload not in only:
            continue
        kept = tuple(name for name in row.subjects if not only & names or name in only or name == "c")
        if kept == ("c",) and only & names and "c" not in only:
            continue
        yield subjects.Row(row.workload, row.bytes, row.mode, row.subscribers, kept)


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main():
    options = arguments()
    rows = list(chosen_rows(options.only))
    wanted = {name for row in rows for name in row.subjects} | {"c"}
    programs, left_out = building.build_all(wanted, options.install)
    for name, why in left_out.items():
        print(f"left out: {subjects.TITLES[name]}: {why}")
    if missing := sorted({p for s in subjects.SUBJECTS if s.name in left_out for p in s.packages}):
        print(f"to have them all: apt-get install {' '.join(missing)}, or Benchmarks/compare --install")
    repetitions = options.repetitions or (2 if options.quick else 11)
    milliseconds = options.milliseconds or (20 if options.quick else 120)
    load, began = os.getloadavg()[0], time.monotonic()
    print(f"Linux {platform.release()}, {cpu_name()}, {len(os.sched_getaffinity(0))} CPUs, load {load:.1f} at the start")
    print(f"{repetitions} repetitions, {milliseconds} ms a turn, subjects in turns")
    running.GO_FIRST = options.first
    roudi = running.Roudi("iceoryx" in programs)
    try:
        if roudi.process and not roudi.is_ready:
            print("failed: iceoryx: RouDi did not become ready (does another one run?)")
            del programs["iceoryx"]
        done = running.measure(rows, programs, repetitions, milliseconds, progress)
    finally:
        roudi.end()
    progress("")
    table = reporting.summarize(rows, done)
    print(f"a cache line one way: {min(done.distances):.0f} to {max(done.distances):.0f} ns; near is up to {running.FAR} ns")
    reporting.print_table(table, print)
    reporting.print_goals(table, print)
    for (row, name), why in done.unsupported.items():
        print(f"not measured: {subjects.TITLES[name]}, {row.workload} {reporting.size(row.bytes)} {row.mode}: {why}")
    print(f"\n{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f} at the end")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(table, file, indent=1)
            file.write("\n")
    if options.svg:
        words = [f"--{name}" for name in ("quick", "first") if getattr(options, name)]
        words += [f"--{name} {getattr(options, name)}" for name in ("repetitions", "milliseconds") if getattr(options, name)]
        command = " ".join(["Benchmarks/compare", *words])
        plotting.write(options.svg, table, f"{command}, {time.strftime('%Y-%m-%d', time.gmtime())}, {cpu_name()}")
    failed = [entry for entry in table if entry["subject"] in ("c", "interprocess") and entry["median"] is None]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
