// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_READINESS_H
#define CINTERPROCESS_READINESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
static inline int cip_epoll_pwait2(int epoll, struct epoll_event *events, int capacity, const struct timespec *timeout) {
    return (int)syscall(SYS_epoll_pwait2, epoll, events, capacity, timeout, (void *)0, 0);
}
static inline int cip_ppoll(struct pollfd *descriptors, unsigned long count, const struct timespec *timeout) {
    return ppoll(descriptors, count, timeout, (void *)0);
}
static inline unsigned int cip_epoll_edge_triggered(void) { return (unsigned int)EPOLLET; }

#endif
