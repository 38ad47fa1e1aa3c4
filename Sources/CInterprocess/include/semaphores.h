// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_SEMAPHORES_H
#define CINTERPROCESS_SEMAPHORES_H

#include "foundations.h"

#include <semaphore.h>
#include <sys/mount.h>
#include <sys/ipc.h>
#include <sys/sem.h>

/// fork(2), which Swift marks as unavailable.
static inline int cip_fork(void) { return fork(); }

static inline int cip_o_tmpfile(void) { return O_TMPFILE; }

/// What semctl(2) takes as its fourth argument; POSIX leaves its declaration to the caller.
union cip_semun {
    int value;
    struct semid_ds *status;
    unsigned short *values;
};

static inline int cip_semctl(int id, int number, int command) {
    union cip_semun none = { .values = (unsigned short *)0 };
    return semctl(id, number, command, none);
}
static inline int cip_semctl_value(int id, int number, int value) {
    union cip_semun argument = { .value = value };
    return semctl(id, number, SETVAL, argument);
}
static inline int cip_semctl_values(int id, int command, unsigned short *values) {
    union cip_semun argument = { .values = values };
    return semctl(id, 0, command, argument);
}
static inline int cip_semctl_status(int id, int command, struct semid_ds *status) {
    union cip_semun argument = { .status = status };
    return semctl(id, 0, command, argument);
}

/// semop(2) with one operation, on the stack: number, change and flags are 16 bits each, the number lowest.
static inline int cip_semop_one(int id, unsigned long operation) {
    struct sembuf buffer[2];   // one and a bit: eight bytes are stored at once
    memcpy(buffer, &operation, sizeof operation);
    return semop(id, buffer, 1);
}
static inline int cip_semtimedop(int id, const void *operations, size_t count, const struct timespec *limit) {
    return semtimedop(id, (struct sembuf *)operations, count, limit);
}

#endif
