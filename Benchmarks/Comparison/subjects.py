# SPDX-License-Identifier: Apache-2.0
"""Who is compared, with what each needs to be built, and what is measured."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Subject:
    name: str
    title: str
    # The program: a product of the package, or a file in Peers/ with what it is linked with.
    product: str = ""
    source: str = ""
    libraries: tuple = ()
    headers: tuple = ()
    packages: tuple = ()
    daemon: str = ""


SUBJECTS = [
    Subject("c", "C ring", product="compare-c"),
    Subject("interprocess", "interprocess", product="compare-interprocess"),
    Subject("c-batches", "C ring, 16 at once", product="compare-c"),
    Subject("pipe", "pipe", product="compare-c"),
    Subject("seqpacket", "unix seqpacket", product="compare-c"),
    Subject("mq", "POSIX mq", product="compare-c"),
    Subject("boost", "Boost.Interprocess", source="boost.cpp", libraries=("-lrt", "-lpthread"),
            headers=("boost/interprocess/ipc/message_queue.hpp",), packages=("libboost-dev",)),
    Subject("zeromq", "ZeroMQ", source="zeromq.c", libraries=("-lzmq",), headers=("zmq.h",), packages=("libzmq3-dev",)),
    Subject("nng", "nng", source="nng.c", libraries=("-lnng",), headers=("nng/nng.h",), packages=("libnng-dev",)),
    Subject("iceoryx", "iceoryx", source="iceoryx.cpp",
            libraries=("-liceoryx_posh", "-liceoryx_hoofs", "-liceoryx_platform", "-lpthread"),
            headers=("iceoryx_posh/runtime/posh_runtime.hpp",), packages=("libiceoryx-posh-dev", "iceoryx"), daemon="iox-roudi"),
    Subject("multiprocessing", "Python multiprocessing", source="multiprocessing_pipe.py"),
]
TITLES = {subject.name: subject.title for subject in SUBJECTS}


@dataclass(frozen=True)
class Row:
    """One thing that is measured, for each of its subjects."""

    workload: str
    bytes: int
    mode: str
    subscribers: int = 1
    subjects: tuple = field(default=(), compare=False)


POLLING = ("c", "interprocess", "pipe", "seqpacket", "mq", "boost", "iceoryx")
SLEEPING = POLLING + ("zeromq", "nng", "multiprocessing")
OURS = ("c", "interprocess")
SIZES = (64, 4096, 65536, 1 << 20)


def rows():
    """In the order in which they are run. Who has threads of its own, or only blocks, has no busy rows."""
    for size in SIZES:
        yield Row("latency", size, "busy", subjects=POLLING)
    for mode in ("blocking", "blocking-one-cpu"):
        for size in (64, 65536):
            yield Row("latency", size, mode, subjects=SLEEPING)
    yield Row("latency", 64, "async", subjects=OURS)
    for size in SIZES:
        yield Row("handover", size, "busy", subjects=OURS + ("iceoryx",))
    for size in (64, 1024, 4096, 65536):
        yield Row("stream", size, "busy", subjects=POLLING + (("c-batches",) if size == 64 else ()))
    for size in (64, 65536):
        yield Row("stream", size, "blocking", subjects=SLEEPING)
    for count in (1, 4, 16):
        yield Row("fanout", 64, "busy", count, subjects=POLLING)
        yield Row("fanout", 64, "blocking", count, subjects=OURS + ("zeromq", "nng", "multiprocessing"))
    yield Row("startup", 64, "blocking", subjects=("interprocess",))


# What the project wants of itself: (what, row, compared with, at most or at least, factor).
GOALS = [
    ("64 B one way, busy", Row("latency", 64, "busy"), Row("latency", 64, "busy"), "c", 1.15),
    ("1 MiB handed over, beside 64 B", Row("handover", 1 << 20, "busy"), Row("handover", 64, "busy"), "interprocess", 1.3),
    ("stream of 64 B", Row("stream", 64, "busy"), Row("stream", 64, "busy"), "c", 0.8),
    ("fan-out of 64 B to 4", Row("fanout", 64, "busy", 4), Row("fanout", 64, "busy", 4), "c", 0.8),
    ("64 B one way, blocking on one CPU", Row("latency", 64, "blocking-one-cpu"), Row("latency", 64, "blocking-one-cpu"), "c", 1.25),
    ("64 B one way to a task, beside C that blocks", Row("latency", 64, "async"), Row("latency", 64, "blocking-one-cpu"), "c", 1.5),
]
