// SPDX-License-Identifier: Apache-2.0
#ifndef SUBJECTS_H
#define SUBJECTS_H

#include <compare.h>

// The program's subjects: each opens its channels, starts the other processes and runs.

int run_ring(struct compare *run);
int run_ring_in_batches(struct compare *run);
int run_ring_with_futex(struct compare *run);
int run_ring_with_epoll(struct compare *run);
int run_pipe(struct compare *run);
int run_seqpacket(struct compare *run);
int run_mq(struct compare *run);
/// Prints the nanoseconds that a cache line takes from one CPU to the other.
int run_distance(struct compare *run);

#endif
