// SPDX-License-Identifier: Apache-2.0
#ifndef CLOCKS_H
#define CLOCKS_H

#include <stdint.h>

// The loops in plain C, and what both sides need around them. Each loop returns the nanoseconds that it took.

uint64_t lock_now(void);
/// Memory that is shared with forked children, with a robust, error-checking mutex, a read-write lock and a condition.
void *lock_make(void);
uint64_t lock_mutex_loop(void *memory, uint64_t rounds);
uint64_t lock_read_loop(void *memory, uint64_t rounds);
uint64_t lock_file_loop(int fd, uint64_t rounds);
uint64_t lock_flock_loop(int fd, uint64_t rounds);
/// One of two who hand a turn to each other through a mutex and a condition; `me` is 0 or 1.
uint64_t lock_turn_loop(void *memory, int me, uint64_t rounds);

int lock_open_scratch(void);
int lock_fork(void);
void lock_end_child(void);
void lock_wait_child(int child);
void lock_pin(int cpu);
void lock_unpin(void);
int lock_cpus(void);

#endif
