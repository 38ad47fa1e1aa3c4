// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_PROCESS_CONTROL_H
#define CINTERPROCESS_PROCESS_CONTROL_H

#include "foundations.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

// <sys/ptrace.h> and <linux/ptrace.h> exclude each other, and the requests of the first are an enumeration that
// Swift cannot extend: the numbers, as the kernel has them on x86-64 and arm64.
enum {
    CIP_PTRACE_PEEKDATA = 2,
    CIP_PTRACE_POKEDATA = 5,
    CIP_PTRACE_CONT = 7,
    CIP_PTRACE_KILL = 8,
    CIP_PTRACE_SINGLESTEP = 9,
    CIP_PTRACE_ATTACH = 16,
    CIP_PTRACE_DETACH = 17,
    CIP_PTRACE_SYSCALL = 24,
    CIP_PTRACE_SETOPTIONS = 0x4200,
    CIP_PTRACE_GETEVENTMSG = 0x4201,
    CIP_PTRACE_GETSIGINFO = 0x4202,
    CIP_PTRACE_SETSIGINFO = 0x4203,
    CIP_PTRACE_GETREGSET = 0x4204,
    CIP_PTRACE_SETREGSET = 0x4205,
    CIP_PTRACE_SEIZE = 0x4206,
    CIP_PTRACE_INTERRUPT = 0x4207,
    CIP_PTRACE_LISTEN = 0x4208,
    CIP_PTRACE_GET_SYSCALL_INFO = 0x420e,
};
enum {
    CIP_TRACE_SYSGOOD = 1,
    CIP_TRACE_FORK = 1 << 1,
    CIP_TRACE_VFORK = 1 << 2,
    CIP_TRACE_CLONE = 1 << 3,
    CIP_TRACE_EXEC = 1 << 4,
    CIP_TRACE_VFORK_DONE = 1 << 5,
    CIP_TRACE_EXIT = 1 << 6,
    CIP_TRACE_SECCOMP = 1 << 7,
    CIP_TRACE_EXITKILL = 1 << 20,
};
enum { CIP_NT_PRSTATUS = 1, CIP_NT_PRFPREG = 2, CIP_NT_ARM_SYSTEM_CALL = 0x404 };

/// What PTRACE_GET_SYSCALL_INFO fills.
struct cip_syscall_info {
    uint8_t op;
    uint8_t pad[3];
    uint32_t arch;
    uint64_t instruction_pointer;
    uint64_t stack_pointer;
    union {
        struct { uint64_t number; uint64_t arguments[6]; uint64_t filter_data; } entry;
        struct { int64_t result; uint8_t is_error; } exit;
    };
};

/// The raw call: a peek stores its word at `data`, and a negative result is always an error.
static inline long cip_ptrace(int request, pid_t thread, uintptr_t address, uintptr_t data) {
    return syscall(SYS_ptrace, request, thread, address, data);
}
static inline long cip_ptrace_buffer(int request, pid_t thread, uintptr_t address, void *buffer) {
    return syscall(SYS_ptrace, request, thread, address, buffer);
}
/// Returns how many bytes the register set has.
static inline long cip_ptrace_register_set(int request, pid_t thread, uintptr_t set, void *buffer, size_t count) {
    struct iovec part = { buffer, count };
    long result = syscall(SYS_ptrace, request, thread, set, &part);
    return result < 0 ? result : (long)part.iov_len;
}

/// Events of all tracees and children of this very thread.
static inline pid_t cip_trace_wait(pid_t thread, int *status, int block) {
    return (pid_t)syscall(SYS_wait4, thread, status, __WALL | __WNOTHREAD | (block ? 0 : WNOHANG), NULL);
}
static inline int cip_wait_stop_signal(int status) { return WSTOPSIG(status); }
static inline int cip_wait_event(int status) { return status >> 16; }
static inline int cip_wait_core(int status) { return WCOREDUMP(status); }

/// All that a siginfo_t can hold, flat; which of it counts depends on signal and code.
struct cip_signal_fields {
    int32_t number, error, code, process, user, status, value, descriptor, call, timer;
    uint64_t address;
    int64_t band;
};
static inline struct cip_signal_fields cip_signal_fields(const void *raw) {
    siginfo_t info;
    memcpy(&info, raw, sizeof info);
    struct cip_signal_fields fields = {
        .number = info.si_signo, .error = info.si_errno, .code = info.si_code, .process = info.si_pid,
        .user = (int32_t)info.si_uid, .status = info.si_status, .value = info.si_value.sival_int,
        .descriptor = info.si_fd, .call = info.si_syscall, .timer = info.si_timerid,
        .address = (uint64_t)(uintptr_t)info.si_addr, .band = info.si_band,
    };
    return fields;
}
static inline int cip_queue_thread_signal(pid_t process, pid_t thread, int signal, const void *info) {
    return (int)syscall(SYS_rt_tgsigqueueinfo, process, thread, signal, info);
}

static inline long cip_process_vm_readv(
    pid_t process, void *local, size_t count, uintptr_t remote, unsigned long parts, unsigned long flags) {
    struct iovec here = { local, count }, there = { (void *)remote, count };
    return syscall(SYS_process_vm_readv, process, &here, 1UL, &there, parts, flags);
}
static inline long cip_process_vm_writev(
    pid_t process, const void *local, size_t count, uintptr_t remote, unsigned long flags) {
    struct iovec here = { (void *)local, count }, there = { (void *)remote, count };
    return syscall(SYS_process_vm_writev, process, &here, 1UL, &there, 1UL, flags);
}

/// How a process is started under control.
struct cip_traced_start {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;              // or NULL
    const int *sources, *targets;       // descriptors: sources lie above all targets
    int descriptors;
    int opener;                         // the gate's writing end, which the child must not keep open
    int gate;                           // reading end: a byte comes when the tracer has seized the child
    int report;                         // writing end: gets the errno if the program cannot be executed
    int own_group;
    int fixed_addresses;                // no address space layout randomisation
    struct sock_fprog filter;           // empty for none
};

/// A child that waits at the gate, then executes. What runs in it before that is only system calls: it is a
/// copy of one thread of a process with many.
static inline pid_t cip_start_traced(const struct cip_traced_start *start) {
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child != 0) return child;
    int error = 0;
    char go;
    struct sigaction standard;
    sigset_t none;
    memset(&standard, 0, sizeof standard);
    for (int signal = 1; signal < 65; signal++) {
        if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33) sigaction(signal, &standard, NULL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(436 /* close_range */, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    for (int index = 0; index < start->descriptors; index++) {
        if (dup2(start->sources[index], start->targets[index]) < 0) goto failed;
    }
    if (start->own_group && setpgid(0, 0) < 0) goto failed;
    if (start->directory && chdir(start->directory) < 0) goto failed;
    if (start->fixed_addresses) syscall(SYS_personality, 0x0040000UL /* ADDR_NO_RANDOMIZE */);
    close(start->opener);
    while (1) {
        ssize_t count = read(start->gate, &go, 1);
        if (count == 1) break;
        if (count < 0 && errno == EINTR) continue;
        syscall(SYS_exit_group, 127);
    }
    if (start->filter.len > 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &start->filter, 0, 0) < 0) goto failed;
    }
    execve(start->path, start->arguments, start->environment);
failed:
    error = errno;
    if (write(start->report, &error, sizeof error) < 0) error = 0;
    syscall(SYS_exit_group, 127);
    return -1;
}

#endif
