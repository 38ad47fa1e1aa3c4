// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_SOCKETS_H
#define CINTERPROCESS_SOCKETS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

// Newer than the headers of some distributions; the numbers are those of asm-generic, which x86-64 and
// arm64 share.
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

// With _GNU_SOURCE an address parameter is a transparent union, which Swift cannot pass.
static inline int cip_bind(int fd, const void *address, socklen_t length) {
    return bind(fd, (const struct sockaddr *)address, length);
}
static inline int cip_connect(int fd, const void *address, socklen_t length) {
    return connect(fd, (const struct sockaddr *)address, length);
}
static inline int cip_accept4(int fd, void *address, socklen_t *length, int flags) {
    return accept4(fd, (struct sockaddr *)address, length, flags);
}
static inline int cip_getsockname(int fd, void *address, socklen_t *length) {
    return getsockname(fd, (struct sockaddr *)address, length);
}
static inline int cip_getpeername(int fd, void *address, socklen_t *length) {
    return getpeername(fd, (struct sockaddr *)address, length);
}
static inline ssize_t cip_sendto(
    int fd, const void *bytes, size_t count, int flags, const void *address, socklen_t length) {
    return sendto(fd, bytes, count, flags, (const struct sockaddr *)address, length);
}

// Ancillary data is made and read by macros.
static inline struct cmsghdr *cip_cmsg_first(const struct msghdr *message) { return CMSG_FIRSTHDR(message); }
static inline struct cmsghdr *cip_cmsg_next(struct msghdr *message, struct cmsghdr *item) {
    return CMSG_NXTHDR(message, item);
}
static inline unsigned char *cip_cmsg_data(struct cmsghdr *item) { return CMSG_DATA(item); }
static inline size_t cip_cmsg_length(size_t count) { return CMSG_LEN(count); }
static inline size_t cip_cmsg_space(size_t count) { return CMSG_SPACE(count); }

#endif
