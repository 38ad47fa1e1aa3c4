// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "subjects.h"

// The limit and what the kernel offers, in plain C.

/// Two processes hand one word back and forth: what the caches of this moment allow.
int run_distance(struct compare *run) {
    enum { rounds = 2000, parts = 40 };
    run->child_count = 1;
    run->exchanges = 1;
    struct { _Alignas(64) uint64_t value; } *word = compare_shared(4096);
    compare_fork(run);
    double least = 0, times[parts];
    for (int part = 0; part < parts; part++) {
        uint64_t before = compare_now();
        for (uint64_t i = 1; i <= rounds; i++) {
            uint64_t number = ((uint64_t)part * rounds + i) * 2;
            if (run->child < 0) {
                compare_store(&word->value, number - 1);
                while (compare_load(&word->value) != number);
            } else {
                while (compare_load(&word->value) != number - 1);
                compare_store(&word->value, number);
            }
        }
        times[part] = (double)(compare_now() - before) / rounds / 2;
    }
    if (run->child >= 0) return 0;
    // The lower quartile: where another process had a CPU for a while says nothing about the distance.
    for (int part = 0; part < parts; part++) {
        int below = 0;
        for (int other = 0; other < parts; other++) below += times[other] < times[part];
        if (below <= parts / 4 && times[part] > least) least = times[part];
    }
    printf("{\"distance\":%.1f}\n", least);
    return 0;
}

int main(int count, char **arguments) {
    static const struct { const char *subject, *mode; int (*run)(struct compare *); } subjects[] = {
        {"c", "busy", run_ring}, {"c", "blocking", run_ring_with_futex}, {"c", "blocking-one-cpu", run_ring_with_futex},
        {"c", "async", run_ring_with_epoll}, {"c-batches", "busy", run_ring_in_batches},
        {"pipe", NULL, run_pipe}, {"seqpacket", NULL, run_seqpacket}, {"mq", NULL, run_mq},
        {"distance", NULL, run_distance},
    };
    struct compare run;
    compare_begin(&run, count, arguments);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        if (strcmp(run.subject, subjects[i].subject) != 0) continue;
        if (subjects[i].mode ? !strcmp(run.mode, subjects[i].mode) : strcmp(run.mode, "async") != 0)
            return subjects[i].run(&run);
    }
    compare_unsupported("no such subject, or not in this mode");
}
