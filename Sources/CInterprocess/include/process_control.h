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
static inline int cip_trace_wait_core(int status) { return WCOREDUMP(status); }

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
static inline int cip_trace_queue_signal(pid_t process, pid_t thread, int signal, const void *info) {
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
    pid_t tracer;                       // who will trace it, if that is not its parent; or 0
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
    if (start->tracer) prctl(0x59616d61 /* PR_SET_PTRACER */, (unsigned long)start->tracer, 0, 0, 0);
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

/// The system calls by which processes talk to each other, as far as this machine has them.
struct cip_named_call { const char *name; int number; };
static const struct cip_named_call cip_named_calls[] = {
#ifdef SYS_read
    { "read", SYS_read },
#endif
#ifdef SYS_write
    { "write", SYS_write },
#endif
#ifdef SYS_readv
    { "readv", SYS_readv },
#endif
#ifdef SYS_writev
    { "writev", SYS_writev },
#endif
#ifdef SYS_pread64
    { "pread64", SYS_pread64 },
#endif
#ifdef SYS_pwrite64
    { "pwrite64", SYS_pwrite64 },
#endif
#ifdef SYS_splice
    { "splice", SYS_splice },
#endif
#ifdef SYS_tee
    { "tee", SYS_tee },
#endif
#ifdef SYS_vmsplice
    { "vmsplice", SYS_vmsplice },
#endif
#ifdef SYS_sendfile
    { "sendfile", SYS_sendfile },
#endif
#ifdef SYS_pipe
    { "pipe", SYS_pipe },
#endif
#ifdef SYS_pipe2
    { "pipe2", SYS_pipe2 },
#endif
#ifdef SYS_close
    { "close", SYS_close },
#endif
#ifdef SYS_socket
    { "socket", SYS_socket },
#endif
#ifdef SYS_socketpair
    { "socketpair", SYS_socketpair },
#endif
#ifdef SYS_bind
    { "bind", SYS_bind },
#endif
#ifdef SYS_listen
    { "listen", SYS_listen },
#endif
#ifdef SYS_accept
    { "accept", SYS_accept },
#endif
#ifdef SYS_accept4
    { "accept4", SYS_accept4 },
#endif
#ifdef SYS_connect
    { "connect", SYS_connect },
#endif
#ifdef SYS_shutdown
    { "shutdown", SYS_shutdown },
#endif
#ifdef SYS_sendto
    { "sendto", SYS_sendto },
#endif
#ifdef SYS_recvfrom
    { "recvfrom", SYS_recvfrom },
#endif
#ifdef SYS_sendmsg
    { "sendmsg", SYS_sendmsg },
#endif
#ifdef SYS_recvmsg
    { "recvmsg", SYS_recvmsg },
#endif
#ifdef SYS_sendmmsg
    { "sendmmsg", SYS_sendmmsg },
#endif
#ifdef SYS_recvmmsg
    { "recvmmsg", SYS_recvmmsg },
#endif
#ifdef SYS_openat
    { "openat", SYS_openat },
#endif
#ifdef SYS_open
    { "open", SYS_open },
#endif
#ifdef SYS_unlink
    { "unlink", SYS_unlink },
#endif
#ifdef SYS_unlinkat
    { "unlinkat", SYS_unlinkat },
#endif
#ifdef SYS_mknod
    { "mknod", SYS_mknod },
#endif
#ifdef SYS_mknodat
    { "mknodat", SYS_mknodat },
#endif
#ifdef SYS_memfd_create
    { "memfd_create", SYS_memfd_create },
#endif
#ifdef SYS_ftruncate
    { "ftruncate", SYS_ftruncate },
#endif
#ifdef SYS_mmap
    { "mmap", SYS_mmap },
#endif
#ifdef SYS_eventfd
    { "eventfd", SYS_eventfd },
#endif
#ifdef SYS_eventfd2
    { "eventfd2", SYS_eventfd2 },
#endif
#ifdef SYS_signalfd
    { "signalfd", SYS_signalfd },
#endif
#ifdef SYS_signalfd4
    { "signalfd4", SYS_signalfd4 },
#endif
#ifdef SYS_mq_open
    { "mq_open", SYS_mq_open },
#endif
#ifdef SYS_mq_unlink
    { "mq_unlink", SYS_mq_unlink },
#endif
#ifdef SYS_mq_timedsend
    { "mq_timedsend", SYS_mq_timedsend },
#endif
#ifdef SYS_mq_timedreceive
    { "mq_timedreceive", SYS_mq_timedreceive },
#endif
#ifdef SYS_mq_notify
    { "mq_notify", SYS_mq_notify },
#endif
#ifdef SYS_mq_getsetattr
    { "mq_getsetattr", SYS_mq_getsetattr },
#endif
#ifdef SYS_msgget
    { "msgget", SYS_msgget },
#endif
#ifdef SYS_msgsnd
    { "msgsnd", SYS_msgsnd },
#endif
#ifdef SYS_msgrcv
    { "msgrcv", SYS_msgrcv },
#endif
#ifdef SYS_msgctl
    { "msgctl", SYS_msgctl },
#endif
#ifdef SYS_semget
    { "semget", SYS_semget },
#endif
#ifdef SYS_semop
    { "semop", SYS_semop },
#endif
#ifdef SYS_semtimedop
    { "semtimedop", SYS_semtimedop },
#endif
#ifdef SYS_semctl
    { "semctl", SYS_semctl },
#endif
#ifdef SYS_shmget
    { "shmget", SYS_shmget },
#endif
#ifdef SYS_shmat
    { "shmat", SYS_shmat },
#endif
#ifdef SYS_shmdt
    { "shmdt", SYS_shmdt },
#endif
#ifdef SYS_shmctl
    { "shmctl", SYS_shmctl },
#endif
#ifdef SYS_futex
    { "futex", SYS_futex },
#endif
#ifdef SYS_kill
    { "kill", SYS_kill },
#endif
#ifdef SYS_tkill
    { "tkill", SYS_tkill },
#endif
#ifdef SYS_tgkill
    { "tgkill", SYS_tgkill },
#endif
#ifdef SYS_rt_sigqueueinfo
    { "rt_sigqueueinfo", SYS_rt_sigqueueinfo },
#endif
#ifdef SYS_rt_tgsigqueueinfo
    { "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo },
#endif
#ifdef SYS_rt_sigtimedwait
    { "rt_sigtimedwait", SYS_rt_sigtimedwait },
#endif
#ifdef SYS_pidfd_open
    { "pidfd_open", SYS_pidfd_open },
#endif
#ifdef SYS_pidfd_send_signal
    { "pidfd_send_signal", SYS_pidfd_send_signal },
#endif
#ifdef SYS_pidfd_getfd
    { "pidfd_getfd", SYS_pidfd_getfd },
#endif
#ifdef SYS_flock
    { "flock", SYS_flock },
#endif
#ifdef SYS_fcntl
    { "fcntl", SYS_fcntl },
#endif
#ifdef SYS_process_vm_readv
    { "process_vm_readv", SYS_process_vm_readv },
#endif
#ifdef SYS_process_vm_writev
    { "process_vm_writev", SYS_process_vm_writev },
#endif
};
static inline int cip_named_call_count(void) { return (int)(sizeof cip_named_calls / sizeof cip_named_calls[0]); }
static inline struct cip_named_call cip_named_call(int index) { return cip_named_calls[index]; }

#endif
