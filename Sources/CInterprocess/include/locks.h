// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_LOCKS_H
#define CINTERPROCESS_LOCKS_H

#include "foundations.h"
#include <pthread.h>
#include <stddef.h>
#include <sys/file.h>

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

/// fcntl(2) with a struct flock; a length of 0 reaches to the end of the file, wherever that will be.
static inline int cip_record_lock(int fd, int command, int type, int64_t start, int64_t length) {
    struct flock lock = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    return fcntl(fd, command, &lock);
}
/// The same with F_GETLK and F_OFD_GETLK: the arguments become what is in the way.
static inline int cip_record_query(int fd, int command, int *type, int64_t *start, int64_t *length, int *process) {
    struct flock lock = { .l_type = (short)*type, .l_whence = SEEK_SET, .l_start = *start, .l_len = *length };
    int result = fcntl(fd, command, &lock);
    *type = lock.l_type;
    *start = lock.l_start;
    *length = lock.l_len;
    *process = lock.l_pid;
    return result;
}

static inline size_t cip_mutex_size(void) { return sizeof(pthread_mutex_t); }
/// Where glibc keeps the kind of a mutex, and its place in the list of the robust mutexes that a thread holds.
static inline size_t cip_mutex_kind_offset(void) { return offsetof(pthread_mutex_t, __data.__kind); }
static inline size_t cip_mutex_list_offset(void) { return offsetof(pthread_mutex_t, __data.__list); }
static inline size_t cip_mutex_owner_offset(void) { return offsetof(pthread_mutex_t, __data.__owner); }

static inline int cip_mutex_init_robust(pthread_mutex_t *mutex, int recursive) {
    pthread_mutexattr_t attributes;
    int result = pthread_mutexattr_init(&attributes);
    if (result) return result;
    pthread_mutexattr_settype(&attributes, recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    result = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result;
}

static inline long cip_get_robust_list(int thread, void **head, size_t *length) {
    return syscall(SYS_get_robust_list, thread, head, length);
}
static inline long cip_set_robust_list(void *head, size_t length) { return syscall(SYS_set_robust_list, head, length); }

#endif
