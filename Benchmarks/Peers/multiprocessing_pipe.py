#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Python's multiprocessing.Pipe, with the same command line and output as the other subjects."""

import json
import multiprocessing
import os
import signal
import statistics
import sys
import time

SLICES = 50
now = time.perf_counter_ns


def payload(number, size):
    return (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little") * (size // 8)


def answer(link, options, cpu):
    os.sched_setaffinity(0, {cpu})
    wrong = received = 0
    while True:
        rounds = link.recv()
        if not rounds:
            link.send(wrong)
            return
        slice_length, times = max(1, rounds // SLICES), []
        for turn in range(rounds):
            got = link.recv_bytes()
            wrong += got != payload(received, options["bytes"])
            if options["exchanges"]:
                link.send_bytes(payload(received, options["bytes"]))
            elif turn % slice_length == 0:
                times.append(now())
            received += 1
        link.send(([(after - before) / slice_length for before, after in zip(times, times[1:])],
                   (times[-1] - times[0]) / slice_length / (len(times) - 1) if len(times) > 1 else 0))


def main():
    values = dict(zip(sys.argv[3::2], sys.argv[4::2]))
    workload, mode = sys.argv[2], values.get("--mode", "busy")
    options = {"bytes": int(values.get("--bytes", 64)), "exchanges": workload == "latency"}
    length = int(values.get("--milliseconds", 100)) * 1e6
    if workload == "handover" or mode not in ("blocking", "blocking-one-cpu"):
        print(json.dumps({"unsupported": "it copies every message, and blocks"}))
        return
    signal.alarm(int(length / 1e9) + 20)
    cpus = sorted(os.sched_getaffinity(0))
    others = cpus[1:] if mode == "blocking" and len(cpus) > 1 else cpus[:1]
    links = []
    for child in range(int(values.get("--subscribers", 1)) if not options["exchanges"] else 1):
        ours, theirs = multiprocessing.Pipe()
        multiprocessing.Process(target=answer, args=(theirs, options, others[child % len(others)]), daemon=True).start()
        links.append(ours)
    os.sched_setaffinity(0, {cpus[0]})
    wrong, sent, rounds = 0, 0, 100
    for phase in range(3):
        for link in links:
            link.send(rounds)
        samples, began = [], now()
        for _ in range(rounds):
            before, message = now(), payload(sent, options["bytes"])
            for link in links:
                link.send_bytes(message)
            if options["exchanges"]:
                wrong += links[0].recv_bytes() != message
                samples.append((now() - before) / 2)
            sent += 1
        slices = [link.recv() for link in links]
        wanted = length if phase else length * 0.1
        rounds = max(100, int(rounds * wanted / (now() - began)))
    for link in links:
        link.send(0)
    wrong += sum(link.recv() for link in links)
    if wrong:
        sys.exit(f"{wrong} payloads were not what was sent")
    if options["exchanges"]:
        samples.sort()
        result = {"median": statistics.median(samples), "best": samples[0], "p99": samples[int(len(samples) * 0.99)], "unit": "ns"}
    else:
        each, whole = max(slices, key=lambda one: one[1])
        each.sort()
        result = {"median": 1e9 / whole, "best": 1e9 / each[0], "p99": 1e9 / each[-1], "unit": "messages/s"}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main()
