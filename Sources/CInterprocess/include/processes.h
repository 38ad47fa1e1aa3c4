// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_PROCESSES_H
#define CINTERPROCESS_PROCESSES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "foundations.h"
#include "signals.h"
#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
static inline int cip_pidfd_open(pid_t process, unsigned int flags) {
    return (int)syscall(SYS_pidfd_open, process, flags);
}
static inline int cip_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}

static inline char **cip_environment(void) { return environ; }
static inline int cip_wait_exited(int status) { return WIFEXITED(status); }
static inline int cip_wait_exit_status(int status) { return WEXITSTATUS(status); }
static inline int cip_wait_signaled(int status) { return WIFSIGNALED(status); }
static inline int cip_wait_signal(int status) { return WTERMSIG(status); }
static inline int cip_wait_stopped(int status) { return WIFSTOPPED(status); }
static inline int cip_wait_core(int status) { return WCOREDUMP(status) != 0; }

#define CIP_P_PIDFD 3
static inline int cip_waitid(int kind, int id, siginfo_t *info, int options, struct rusage *usage) {
    return (int)syscall(SYS_waitid, kind, id, info, options, usage);
}
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
static inline int cip_pidfd_getfd(int pidfd, int descriptor) { return (int)syscall(SYS_pidfd_getfd, pidfd, descriptor, 0); }

// Linux 6.13; the exit code 6.15. Not in the C library's headers yet.
struct cip_pidfd_info {
    uint64_t mask, control_group;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
static inline int cip_pidfd_info(int pidfd, struct cip_pidfd_info *info) {
    return ioctl(pidfd, _IOWR(0xFF, 11, struct cip_pidfd_info), info);
}
static inline int cip_set_subreaper(int on) { return prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0); }
static inline int cip_is_subreaper(void) {
    int on = 0;
    return prctl(PR_GET_CHILD_SUBREAPER, &on, 0, 0, 0) == 0 ? on : -1;
}

static inline int cip_setrlimit(int resource, rlim_t soft, rlim_t hard) {
    struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };
    return setrlimit(resource, &limit);
}
static inline int cip_getrlimit(int resource, struct rlimit *limit) { return getrlimit(resource, limit); }
static inline int cip_resource(int index) {
    static const int all[] = {
        RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NOFILE,
        RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_STACK,
    };
    return all[index];
}
static inline int cip_getpriority(pid_t process) { return getpriority(PRIO_PROCESS, (id_t)process); }
static inline int cip_resource_descriptors(void) { return RLIMIT_NOFILE; }
static inline int cip_resource_message_queues(void) { return RLIMIT_MSGQUEUE; }
static inline int cip_resource_processes(void) { return RLIMIT_NPROC; }
/// 0 default, 1 ignored, 2 handled.
static inline int cip_disposition(const struct sigaction *action) {
    if (action->sa_flags & SA_SIGINFO) return 2;
    return action->sa_handler == SIG_DFL ? 0 : action->sa_handler == SIG_IGN ? 1 : 2;
}
static inline void cip_make_disposition(struct sigaction *action, int ignored) {
    *action = (struct sigaction){ .sa_handler = ignored ? SIG_IGN : SIG_DFL };
}
static inline int cip_mq_unlink(const char *name) {
    return (int)syscall(SYS_mq_unlink, name[0] == '/' ? name + 1 : name);
}

#endif
