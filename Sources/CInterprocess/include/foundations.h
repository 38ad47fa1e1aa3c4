// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_FOUNDATIONS_H
#define CINTERPROCESS_FOUNDATIONS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
// swift-system's C module sees fd_set without _GNU_SOURCE; two definitions that differ in a member's
// name do not merge, so this one is spelled as there.
#include <features.h>
#undef __USE_XOPEN
#include <sys/select.h>
#define __USE_XOPEN 1
// Nor do enumerations with a constant more: Swift's own C module sees RUSAGE_* and the limits without _GNU_SOURCE. A build
// that fills the cache of modules fails by it, the next one does not.
#undef __USE_GNU
#include <sys/resource.h>
#define __USE_GNU 1
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline int cip_errno(void) { return errno; }
static inline void cip_set_errno(int value) { errno = value; }

static inline int cip_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags, mode);
}
static inline int cip_fcntl_int(int fd, int command, int argument) { return fcntl(fd, command, argument); }

static inline int cip_is_fifo(mode_t mode) { return S_ISFIFO(mode); }
static inline int cip_is_socket(mode_t mode) { return S_ISSOCK(mode); }
static inline int cip_is_regular(mode_t mode) { return S_ISREG(mode); }
static inline int cip_is_directory(mode_t mode) { return S_ISDIR(mode); }
static inline int cip_is_link(mode_t mode) { return S_ISLNK(mode); }
static inline int cip_is_character(mode_t mode) { return S_ISCHR(mode); }

static inline int cip_realtime_signal(int offset_from_maximum) { return SIGRTMAX - offset_from_maximum; }
static inline int cip_is_default_handler(const struct sigaction *action) {
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}
/// Interrupts a system call of one thread; the handler itself does nothing.
static inline void cip_empty_handler(int signal) { (void)signal; }
static inline void cip_make_interrupting(struct sigaction *action) {
    memset(action, 0, sizeof *action);
    action->sa_handler = cip_empty_handler;   // without SA_RESTART: that is the point
}
static inline int cip_tgkill(int process, int thread, int signal) {
    return (int)syscall(SYS_tgkill, process, thread, signal);
}
/// Swift hides fork(2), for good reasons; tests that kill a child at each of its steps need it.
static inline pid_t cip_fork_for_test(void) { return fork(); }

#endif
