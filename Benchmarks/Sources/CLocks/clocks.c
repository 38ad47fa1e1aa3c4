// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clocks.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct locks {
    pthread_mutex_t mutex __attribute__((aligned(64)));
    long value __attribute__((aligned(64)));
    pthread_rwlock_t readers __attribute__((aligned(64)));
    pthread_cond_t changed __attribute__((aligned(64)));
};

uint64_t lock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void *lock_make(void) {
    struct locks *locks = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_settype(&mutex, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&locks->mutex, &mutex);
    pthread_rwlockattr_t readers;
    pthread_rwlockattr_init(&readers);
    pthread_rwlockattr_setpshared(&readers, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&locks->readers, &readers);
    pthread_condattr_t changed;
    pthread_condattr_init(&changed);
    pthread_condattr_setpshared(&changed, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&locks->changed, &changed);
    return locks;
}

uint64_t lock_mutex_loop(void *memory, uint64_t rounds) {
    struct locks *locks = memory;
    uint64_t start = lock_now();
    for (uint64_t round = 0; round < rounds; round++) {
        if (pthread_mutex_lock(&locks->mutex) != 0) abort();
        locks->value++;
        if (pthread_mutex_unlock(&locks->mutex) != 0) abort();
    }
    return lock_now() - start;
}

uint64_t lock_read_loop(void *memory, uint64_t rounds) {
    struct locks *locks = memory;
    volatile long seen;
    uint64_t start = lock_now();
    for (uint64_t round = 0; round < rounds; round++) {
        if (pthread_rwlock_rdlock(&locks->readers) != 0) abort();
        seen = locks->value;
        if (pthread_rwlock_unlock(&locks->readers) != 0) abort();
    }
    (void)seen;
    return lock_now() - start;
}

uint64_t lock_file_loop(int fd, uint64_t rounds) {
    uint64_t start = lock_now();
    for (uint64_t round = 0; round < rounds; round++) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(fd, F_OFD_SETLKW, &lock) != 0) abort();
        lock.l_type = F_UNLCK;
        if (fcntl(fd, F_OFD_SETLK, &lock) != 0) abort();
    }
    return lock_now() - start;
}

uint64_t lock_flock_loop(int fd, uint64_t rounds) {
    uint64_t start = lock_now();
    for (uint64_t round = 0; round < rounds; round++) {
        if (flock(fd, LOCK_EX) != 0) abort();
        if (flock(fd, LOCK_UN) != 0) abort();
    }
    return lock_now() - start;
}

uint64_t lock_turn_loop(void *memory, int me, uint64_t rounds) {
    struct locks *locks = memory;
    uint64_t start = lock_now();
    for (uint64_t round = 0; round < rounds; round++) {
        if (pthread_mutex_lock(&locks->mutex) != 0) abort();
        while ((locks->value & 1) != me) pthread_cond_wait(&locks->changed, &locks->mutex);
        locks->value++;
        pthread_mutex_unlock(&locks->mutex);
        pthread_cond_broadcast(&locks->changed);
    }
    return lock_now() - start;
}

int lock_open_scratch(void) {
    char path[] = "/tmp/lock-benchmarks-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    unlink(path);
    return fd;
}
int lock_fork(void) { return fork(); }
void lock_end_child(void) { _exit(0); }
void lock_wait_child(int child) { waitpid(child, 0, 0); }

static cpu_set_t all;
void lock_pin(int cpu) {
    cpu_set_t one;
    if (CPU_COUNT(&all) == 0) sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    int seen = 0;
    for (int number = 0; number < CPU_SETSIZE; number++) {
        if (CPU_ISSET(number, &all) && seen++ == cpu) CPU_SET(number, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
}
void lock_unpin(void) {
    if (CPU_COUNT(&all) > 0) sched_setaffinity(0, sizeof all, &all);
}
int lock_cpus(void) {
    cpu_set_t now;
    sched_getaffinity(0, sizeof now, &now);
    return CPU_COUNT(&now);
}
