// SPDX-License-Identifier: Apache-2.0
// The side of a new process between its birth and the program. Until execve(2) it shares the memory of its parent, whose
// thread waits: nothing of Swift may run, so this is C. It makes system calls and nothing else.
#ifndef CINTERPROCESS_PROCESSES_SPAWN_H
#define CINTERPROCESS_PROCESSES_SPAWN_H

#include "processes.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

struct cip_spawn_limit { int resource; rlim_t soft, hard; };

struct cip_spawn_plan {
    const char *path;
    char *const *arguments, *const *environment;
    const char *directory;              // null: as the parent
    const int *sources, *targets;       // ascending targets; every source is above all targets
    int descriptor_count;
    int new_session, group;             // group: -1 the parent's, 0 one of its own, else that one
    int terminal;                       // the target that becomes the controlling terminal, -1 none
    int foreground;                     // whether its group becomes the terminal's foreground group
    int has_niceness, niceness;
    int umask;                          // -1: as the parent
    int death_signal;                   // 0 none
    pid_t parent;
    const struct cip_spawn_limit *limits;
    int limit_count;
    uint64_t blocked, ignored;
    // What failed, written by the child.
    int error, step;
};
enum {
    CIP_STEP_NONE, CIP_STEP_SETSID, CIP_STEP_SETPGID, CIP_STEP_DUP2, CIP_STEP_CLOSE_RANGE, CIP_STEP_TERMINAL,
    CIP_STEP_NICE, CIP_STEP_LIMIT, CIP_STEP_CHDIR, CIP_STEP_DEATH_SIGNAL, CIP_STEP_EXEC,
};

static inline int cip_spawn_close_others(const struct cip_spawn_plan *plan) {
    int next = 0;
    for (int i = 0; i < plan->descriptor_count; i++) {
        if (plan->targets[i] > next && syscall(SYS_close_range, next, plan->targets[i] - 1, 0) != 0) return -1;
        next = plan->targets[i] + 1;
    }
    return (int)syscall(SYS_close_range, next, ~0U, 0);
}

static inline int cip_spawn_fail(struct cip_spawn_plan *plan, int step) {
    plan->error = errno;
    plan->step = step;
    _exit(127);
}

static inline int cip_spawn_child(void *context) {
    struct cip_spawn_plan *plan = context;
    // All signals are blocked until here and no handler of the parent's may run in this process.
    for (int signal = 1; signal <= 64; signal++) {
        if (signal == SIGKILL || signal == SIGSTOP) continue;
        // As the kernel has it, for the C library refuses the two that it keeps to itself: the handler first, then zeros.
        void *action[8] = { plan->ignored >> (signal - 1) & 1 ? (void *)SIG_IGN : (void *)SIG_DFL };
        syscall(SYS_rt_sigaction, signal, action, 0, sizeof(uint64_t));
    }
    if (plan->new_session && setsid() < 0) return cip_spawn_fail(plan, CIP_STEP_SETSID);
    if (plan->group >= 0 && setpgid(0, plan->group) != 0) return cip_spawn_fail(plan, CIP_STEP_SETPGID);
    for (int i = 0; i < plan->descriptor_count; i++)
        if (dup2(plan->sources[i], plan->targets[i]) < 0) return cip_spawn_fail(plan, CIP_STEP_DUP2);
    if (cip_spawn_close_others(plan) != 0) return cip_spawn_fail(plan, CIP_STEP_CLOSE_RANGE);
    if (plan->terminal >= 0) {
        if (plan->new_session && ioctl(plan->terminal, TIOCSCTTY, 0) != 0) return cip_spawn_fail(plan, CIP_STEP_TERMINAL);
        if (plan->foreground && tcsetpgrp(plan->terminal, getpgrp()) != 0) return cip_spawn_fail(plan, CIP_STEP_TERMINAL);
    }
    if (plan->has_niceness && setpriority(PRIO_PROCESS, 0, plan->niceness) != 0)
        return cip_spawn_fail(plan, CIP_STEP_NICE);
    for (int i = 0; i < plan->limit_count; i++) {
        struct rlimit limit = { .rlim_cur = plan->limits[i].soft, .rlim_max = plan->limits[i].hard };
        if (setrlimit(plan->limits[i].resource, &limit) != 0) return cip_spawn_fail(plan, CIP_STEP_LIMIT);
    }
    if (plan->umask >= 0) umask((mode_t)plan->umask);
    if (plan->directory && chdir(plan->directory) != 0) return cip_spawn_fail(plan, CIP_STEP_CHDIR);
    if (plan->death_signal) {
        if (prctl(PR_SET_PDEATHSIG, plan->death_signal, 0, 0, 0) != 0) return cip_spawn_fail(plan, CIP_STEP_DEATH_SIGNAL);
        // A parent that died before this line sends no signal any more.
        if (syscall(SYS_getppid) != plan->parent) _exit(127);
    }
    sigset_t blocked;
    cip_set_of(&blocked, plan->blocked);
    sigprocmask(SIG_SETMASK, &blocked, 0);
    execve(plan->path, plan->arguments, plan->environment);
    return cip_spawn_fail(plan, CIP_STEP_EXEC);
}

/// The child's number, -1 with errno if there is none. If `plan->step` is set, the child has ended and wants to be reaped.
static inline pid_t cip_spawn(struct cip_spawn_plan *plan, int *pidfd) {
    const size_t size = 64 * 1024;
    char *stack = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -1;
    plan->step = CIP_STEP_NONE;
    plan->error = 0;
    *pidfd = -1;
    sigset_t all, before;
    int cancelling;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    pid_t child = clone(cip_spawn_child, stack + size, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, plan, pidfd);
    int error = errno;
    pthread_setcancelstate(cancelling, 0);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    munmap(stack, size);
    errno = error;
    return child;
}

#endif
