// SPDX-License-Identifier: Apache-2.0
// Semaphores as one would use them in C.
#define _GNU_SOURCE
#include "semaphores.h"

#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>

#include "support.h"

struct semaphore {
    sem_t *posix;
    int id;
};

typedef int operation(struct semaphore *semaphore);

static int wait_posix(struct semaphore *semaphore) { return sem_wait(semaphore->posix); }
static int post_posix(struct semaphore *semaphore) { return sem_post(semaphore->posix); }
static int wait_sysv(struct semaphore *semaphore) {
    struct sembuf take = {0, -1, 0};
    return semop(semaphore->id, &take, 1);
}
static int post_sysv(struct semaphore *semaphore) {
    struct sembuf give = {0, 1, 0};
    return semop(semaphore->id, &give, 1);
}

/// Takes and gives back, one and the same.
static inline __attribute__((always_inline)) int alone(struct semaphore *one, operation *take, operation *give) {
    uint64_t rounds;
    while ((rounds = bench_next()) > 0) {
        uint64_t start = bench_now();
        for (uint64_t i = 0; i < rounds; i++)
            if (take(one) < 0 || give(one) < 0) return 1;
        bench_report(bench_now() - start);
    }
    return 0;
}
/// Wakes the other and waits to be woken.
static inline __attribute__((always_inline)) int ping(struct semaphore *mine, struct semaphore *theirs, operation *take,
                                                      operation *give) {
    uint64_t rounds;
    while ((rounds = bench_next()) > 0) {
        uint64_t start = bench_now();
        for (uint64_t i = 0; i < rounds; i++)
            if (give(theirs) < 0 || take(mine) < 0) return 1;
        bench_report(bench_now() - start);
    }
    return 0;
}
static inline __attribute__((always_inline)) int echo(struct semaphore *mine, struct semaphore *theirs, operation *take,
                                                      operation *give) {
    while (take(mine) == 0 && give(theirs) == 0) {}
    return 1;
}

static struct semaphore find(const char *name) {
    struct semaphore found = {0, -1};
    if (name[0] != '/') {
        found.id = atoi(name);
    } else {
        found.posix = sem_open(name, 0);
        if (found.posix == SEM_FAILED) exit(1);
    }
    return found;
}

#define ROLE(take, give)                                         \
    (!strcmp(role, "alone")  ? alone(&mine, take, give)          \
     : !strcmp(role, "ping") ? ping(&mine, &theirs, take, give) \
                             : echo(&mine, &theirs, take, give))

int semaphores_main(const char *role, const char *workload, const char *first, const char *second) {
    struct semaphore mine = find(first), theirs = find(second);
    return strncmp(workload, "sysv", 4) ? ROLE(wait_posix, post_posix) : ROLE(wait_sysv, post_sysv);
}
