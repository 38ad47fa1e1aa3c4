// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_INSPECTION_H
#define CINTERPROCESS_INSPECTION_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif

static inline long cip_getdents(int fd, void *buffer, size_t size) {
    return syscall(SYS_getdents64, fd, buffer, size);
}
static inline int cip_fsopen(const char *name) { return (int)syscall(SYS_fsopen, name, 1u /* FSOPEN_CLOEXEC */); }
static inline int cip_fsconfig_create(int fd) {
    return (int)syscall(SYS_fsconfig, fd, 6u /* FSCONFIG_CMD_CREATE */, (void *)0, (void *)0, 0);
}
static inline int cip_fsmount(int fd) { return (int)syscall(SYS_fsmount, fd, 1u /* FSMOUNT_CLOEXEC */, 0u); }

/// mq_open(2) for reading, without the library's variadic wrapper; the name has no slash.
static inline int cip_inspect_queue_open(const char *name) {
    return (int)syscall(SYS_mq_open, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, (void *)0);
}
static inline int cip_inspect_queue_attributes(int fd, struct mq_attr *attributes) {
    return (int)syscall(SYS_mq_getsetattr, fd, (void *)0, attributes);
}
static inline int cip_pending_bytes(int fd, int *count) { return ioctl(fd, FIONREAD, count); }

static inline int cip_netlink_open(void) {
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 4 /* NETLINK_SOCK_DIAG */);
}
static inline long cip_netlink_send(int fd, const void *bytes, size_t count) {
    struct sockaddr_nl kernel;
    memset(&kernel, 0, sizeof kernel);
    kernel.nl_family = AF_NETLINK;
    return sendto(fd, bytes, count, 0, (struct sockaddr *)&kernel, sizeof kernel);
}
/// `sender` becomes the port of who sent it: 0 is the kernel.
static inline long cip_netlink_receive(int fd, void *bytes, size_t capacity, unsigned int *sender) {
    struct sockaddr_nl from;
    socklen_t length = sizeof from;
    memset(&from, 0, sizeof from);
    long count = recvfrom(fd, bytes, capacity, MSG_TRUNC, (struct sockaddr *)&from, &length);
    *sender = length == sizeof from && from.nl_family == AF_NETLINK ? from.nl_pid : ~0u;
    return count;
}

static inline int cip_probe_socket(void) {
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}
static inline int cip_probe_connect(int fd, const char *path) {
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) { errno = ENAMETOOLONG; return -1; }
    memcpy(address.sun_path, path, length);
    return connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1));
}

static inline int cip_inspect_resource_limit(int resource, struct rlimit *limit) { return getrlimit(resource, limit); }
static inline int cip_inspect_resource_descriptors(void) { return RLIMIT_NOFILE; }
static inline int cip_inspect_resource_queue_bytes(void) { return RLIMIT_MSGQUEUE; }
static inline int cip_inspect_resource_pending_signals(void) { return RLIMIT_SIGPENDING; }
static inline int cip_inspect_resource_locked_memory(void) { return RLIMIT_MEMLOCK; }
static inline int cip_inspect_resource_processes(void) { return RLIMIT_NPROC; }

/// The most bytes that a System V queue holds. IPC_STAT wants read permission; MSG_STAT_ANY (Linux 4.17) does not.
static inline int cip_inspect_sysv_queue(int id, unsigned long long *limit) {
    struct msqid_ds status;
    int result = msgctl(id, IPC_STAT, &status);
    if (result < 0 && errno == EACCES) {
        result = msgctl(id & 0x7fff, 13 /* MSG_STAT_ANY */, &status);
        if (result >= 0 && result != id) { errno = EACCES; return -1; }
    }
    if (result < 0) return -1;
    *limit = status.msg_qbytes;
    return 0;
}

static inline long cip_number_of_msgsnd(void) { return SYS_msgsnd; }
static inline long cip_number_of_msgrcv(void) { return SYS_msgrcv; }
static inline long cip_number_of_semop(void) { return SYS_semop; }
static inline long cip_number_of_semtimedop(void) { return SYS_semtimedop; }
static inline long cip_number_of_futex(void) { return SYS_futex; }
static inline long cip_number_of_fcntl(void) { return SYS_fcntl; }

/// semctl(2) is variadic; `values` has room for the largest set.
static inline int cip_inspect_semaphore_values(int id, unsigned short *values) {
    union { int value; unsigned short *array; void *status; } argument;
    argument.array = values;
    return semctl(id, 0, GETALL, argument);
}
static inline int cip_inspect_semaphore(int id, int number, int command) { return semctl(id, number, command); }
static inline int cip_semaphore_last_process(void) { return GETPID; }
static inline int cip_semaphore_waiting_for_more(void) { return GETNCNT; }
static inline int cip_semaphore_waiting_for_zero(void) { return GETZCNT; }

#endif
