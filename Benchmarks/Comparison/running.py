# SPDX-License-Identifier: Apache-2.0
"""Runs the subjects in turns, and keeps what they say."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict

# A cache line takes 25 to 60 ns one way between near cores, 160 to 300 ns between far ones.
FAR = 100
PATIENCE = 12
# Set by --first.
GO_FIRST = False


def go_first():
    """In the child: its session's group gets most of the time that others want as well (autogroups, as root)."""
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write("-19")
    except OSError:
        pass


def call(command, seconds=PATIENCE):
    """One run of a subject, in a session of its own: its line of JSON, or {"failed": why}."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=go_first if GO_FIRST else None)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"failed": f"no result after {seconds} s"}
    try:
        # Libraries greet on standard output; the result comes last.
        if process.returncode == 0:
            return json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        pass
    why = err.strip().splitlines()
    return {"failed": f"exit status {process.returncode}" + (f": {why[-1]}" if why else "")}


class Roudi:
    """The daemon of iceoryx, while it is needed."""

    def __init__(self, is_wanted):
        self.process = None
        if not is_wanted:
            return
        self.process = subprocess.Popen([shutil.which("iox-roudi"), "--monitoring-mode", "off", "--log-level", "error"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        said, deadline = b"", time.monotonic() + 10
        while b"ready for clients" not in said and time.monotonic() < deadline and self.process.poll() is None:
            said += self.process.stdout.read() or b""
            time.sleep(0.05)
        self.is_ready = b"ready for clients" in said

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Measurements:
    """What was measured: row and subject → a list of (distance class, result)."""

    def __init__(self):
        self.results = defaultdict(list)
        self.failures = defaultdict(list)
        self.unsupported = {}
        self.distances = []


def distance(programs):
    """The nanoseconds of a cache line from one CPU to the other, just now."""
    result = call([programs["c"][0], "distance", "latency"])
    return result.get("distance", 0)


def name_of(*nanoseconds):
    names = {"far" if one > FAR else "near" for one in nanoseconds}
    return names.pop() if len(names) == 1 else "moved"


def measure(rows, programs, repetitions, milliseconds, progress):
    done = Measurements()
    # A meeting place of this run's own, which goes with it.
    with tempfile.TemporaryDirectory(prefix="swift-ipc-compare-") as place:
        os.environ["INTERPROCESS_DIR"] = place
        take_turns(done, rows, programs, repetitions, milliseconds, progress)
    return done


def take_turns(done, rows, programs, repetitions, milliseconds, progress):
    for repetition in range(repetitions):
        after = distance(programs)
        for row in rows:
            before = after
            subjects = [name for name in row.subjects if name in programs and len(done.failures[row, name]) < 2]
            # Another one begins each time.
            turn = repetition % max(1, len(subjects))
            took = []
            for name in subjects[turn:] + subjects[:turn]:
                if (row, name) in done.unsupported:
                    continue
                progress(f"{repetition + 1}/{repetitions} {row.workload} {row.bytes} {row.mode} {row.subscribers} {name}")
                took.append((name, call([*programs[name], row.workload, "--bytes", str(row.bytes), "--mode", row.mode,
                                         "--subscribers", str(row.subscribers), "--milliseconds", str(milliseconds)])))
            after = distance(programs)
            done.distances.append(after)
            placed = "same" if row.mode in ("blocking-one-cpu", "async") else name_of(before, after)
            for name, result in took:
                if "unsupported" in result:
                    done.unsupported[row, name] = result["unsupported"]
                elif "failed" in result:
                    done.failures[row, name].append(result["failed"])
                    print(f"compare: {name}, {row.workload} {row.bytes} {row.mode}: {result['failed']}", file=sys.stderr)
                else:
                    done.results[row, name].append((placed, result))
