// SPDX-License-Identifier: Apache-2.0
// Barriers across processes, waits for several words, a pause in a loop.
#ifndef CINTERPROCESS_WAITING_H
#define CINTERPROCESS_WAITING_H

#include "shared_memory.h"
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static inline long cip_membarrier(int command) { return syscall(SYS_membarrier, command, 0u, 0); }

/// As the kernel lays it out; older headers do not have it.
struct cip_futex_waiter {
    uint64_t expected;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

/// The time limit is absolute, by CLOCK_MONOTONIC; null waits for ever.
static inline long cip_futex_waitv(struct cip_futex_waiter *waiters, unsigned count, const struct timespec *limit) {
    return syscall(SYS_futex_waitv, waiters, count, 0u, limit, CLOCK_MONOTONIC);
}

static inline void cip_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
