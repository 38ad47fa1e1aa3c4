// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_SHARED_MEMORY_H
#define CINTERPROCESS_SHARED_MEMORY_H

#include "foundations.h"
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/shm.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static inline void *cip_mremap(void *address, size_t old_size, size_t new_size, int flags) {
    return mremap(address, old_size, new_size, flags);
}

/// FUTEX_WAIT_BITSET: its time limit is absolute, by CLOCK_MONOTONIC; null waits for ever.
static inline long cip_futex_wait(const uint32_t *word, uint32_t expected, int shared, const struct timespec *limit) {
    int operation = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    return syscall(SYS_futex, word, operation, expected, limit, (void *)0, FUTEX_BITSET_MATCH_ANY);
}
static inline long cip_futex_wake(const uint32_t *word, int count, int shared) {
    int operation = FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    return syscall(SYS_futex, word, operation, count, (void *)0, (void *)0, 0);
}

#endif
