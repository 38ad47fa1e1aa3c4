// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_PIPES_H
#define CINTERPROCESS_PIPES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Linux 6.18; older headers do not know it. A kernel without it answers EOPNOTSUPP.
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif

/// The bare system call. glibc's wrappers are cancellation points, which in a program with threads costs about
/// as much as RWF_NOSIGNAL does; nothing here is ever cancelled by pthread_cancel(3).
static inline long cip_call6(long number, long a, long b, long c, long d, long e, long f) {
    long result;
#if defined(__x86_64__) && defined(__LP64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    result = x0;
#else
    return syscall(number, a, b, c, d, e, f);
#endif
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static inline long cip_read(int fd, void *bytes, unsigned long count) {
    return cip_call6(SYS_read, fd, (long)bytes, (long)count, 0, 0, 0);
}
static inline long cip_write(int fd, const void *bytes, unsigned long count) {
    return cip_call6(SYS_write, fd, (long)bytes, (long)count, 0, 0, 0);
}
/// preadv2 and pwritev2 of one piece at the current position (offset −1) with flags.
static inline long cip_read_flags(int fd, void *bytes, unsigned long count, int flags) {
    struct iovec piece = {bytes, count};
    return cip_call6(SYS_preadv2, fd, (long)&piece, 1, -1, -1, flags);
}
static inline long cip_write_flags(int fd, const void *bytes, unsigned long count, int flags) {
    struct iovec piece = {(void *)bytes, count};
    return cip_call6(SYS_pwritev2, fd, (long)&piece, 1, -1, -1, flags);
}
static inline long cip_vmsplice(int fd, const void *bytes, unsigned long count, unsigned int flags) {
    struct iovec piece = {(void *)bytes, count};
    return vmsplice(fd, &piece, 1, flags);
}

static inline int cip_bytes_available(int fd, int *count) { return ioctl(fd, FIONREAD, count); }
static inline int cip_mknodat_fifo(int directory, const char *path, mode_t mode) {
    return mknodat(directory, path, S_IFIFO | mode, 0);
}
static inline int cip_rwf_nosignal(void) { return RWF_NOSIGNAL; }
static inline int cip_rwf_nowait(void) { return RWF_NOWAIT; }

#endif
