// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_MEASURING_H
#define CINTERPROCESS_MEASURING_H

#include "foundations.h"
#include <sched.h>

/// Whether this thread may run on a processor; 0 beyond the last.
static inline int cip_may_run_on(int processor) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && processor < CPU_SETSIZE && CPU_ISSET(processor, &set);
}
/// Keeps this thread, and those that it starts, on one processor.
static inline int cip_run_on(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

#endif
