// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_MESSAGE_QUEUES_H
#define CINTERPROCESS_MESSAGE_QUEUES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <signal.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static inline int cip_mq_open(const char *name, int flags, mode_t mode, const struct mq_attr *attributes) {
    return (int)mq_open(name, flags, mode, attributes);
}

// An empty Span has no address, and glibc's declarations insist on one.
static inline int cip_mq_send(int queue, const void *bytes, size_t count, unsigned priority) {
    return mq_send((mqd_t)queue, bytes ? (const char *)bytes : "", count, priority);
}
static inline int cip_mq_timedsend(int queue, const void *bytes, size_t count, unsigned priority, const struct timespec *limit) {
    return mq_timedsend((mqd_t)queue, bytes ? (const char *)bytes : "", count, priority, limit);
}
static inline ssize_t cip_mq_receive(int queue, void *bytes, size_t count, unsigned *priority) {
    char none;
    return mq_receive((mqd_t)queue, bytes ? (char *)bytes : &none, bytes ? count : 0, priority);
}
static inline ssize_t cip_mq_timedreceive(int queue, void *bytes, size_t count, unsigned *priority, const struct timespec *limit) {
    char none;
    return mq_timedreceive((mqd_t)queue, bytes ? (char *)bytes : &none, bytes ? count : 0, priority, limit);
}

/// What glibc does for SIGEV_THREAD, without its thread: the kernel writes the 32 bytes of `cookie` to
/// the netlink socket when the notification fires (last byte 1) or is withdrawn (last byte 2).
static inline int cip_mq_notify_socket(int queue, int socket, const void *cookie) {
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_signo = socket;
    event.sigev_value.sival_ptr = (void *)cookie;
    return (int)syscall(SYS_mq_notify, queue, &event);
}
static inline int cip_mq_notify_signal(int queue, int signal) {
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = signal ? SIGEV_SIGNAL : SIGEV_NONE;
    event.sigev_signo = signal;
    return mq_notify((mqd_t)queue, &event);
}
static inline int cip_mq_notify_end(int queue) { return mq_notify((mqd_t)queue, (void *)0); }
static inline int cip_netlink_socket(void) {
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
}

static inline int cip_limit_msgqueue(struct rlimit *limit) { return getrlimit(RLIMIT_MSGQUEUE, limit); }
static inline int cip_limit_nofile(struct rlimit *limit) { return getrlimit(RLIMIT_NOFILE, limit); }

/// A lock of the open file description on the whole file; `type` is F_RDLCK, F_WRLCK or F_UNLCK.
static inline int cip_ofd_lock(int fd, int type, int wait) {
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = (short)type;
    lock.l_whence = SEEK_SET;
    return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
}

/// msgsnd(2) of at most 8192 bytes, which the kernel wants to find behind their type: on the stack, where Swift
/// would take a block from the heap.
enum { cip_small_message = 8192 };
static inline int cip_msgsnd_small(int id, long type, const void *bytes, size_t count, int flags) {
    struct { long type; char bytes[cip_small_message]; } message;
    message.type = type;
    if (count > 0) memcpy(message.bytes, bytes, count);
    return msgsnd(id, &message, count, flags);
}

/// msgrcv(2) into a small buffer: by way of the stack, so that a buffer which fits exactly needs no second call.
enum { cip_small_room = 512 };
static inline ssize_t cip_msgrcv_small(int id, void *bytes, size_t room, long *type, long selection, int flags) {
    struct { long type; char bytes[cip_small_room]; } message;
    ssize_t count = msgrcv(id, &message, room, selection, flags);
    if (count < 0) return count;
    *type = message.type;
    if (count > 0) memcpy(bytes, message.bytes, (size_t)count);
    return count;
}

#endif
