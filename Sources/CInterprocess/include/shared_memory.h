// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_SHARED_MEMORY_H
#define CINTERPROCESS_SHARED_MEMORY_H

#include "foundations.h"
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x0004U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static inline int cip_limit_locked_memory(void) { return RLIMIT_MEMLOCK; }
static inline int cip_limit_address_space(void) { return RLIMIT_AS; }
static inline int cip_limit_file_size(void) { return RLIMIT_FSIZE; }
static inline int cip_shared_memory_limit(int resource, struct rlimit *limit) { return getrlimit(resource, limit); }

/// Whether a file is made of huge pages.
static inline int cip_is_huge_file(int fd) {
    struct statfs status;
    if (fstatfs(fd, &status) != 0) return -1;
    return (unsigned long)status.f_type == 0x958458f6UL;
}
/// Gives a file another name unless it is taken: EEXIST.
static inline int cip_rename_new(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1U);
}

/// shmat(2) returns an address or -1; -1 is never an address.
static inline intptr_t cip_shmat(int id, int flags) { return (intptr_t)shmat(id, (void *)0, flags); }
static inline int cip_shm_mode_destroyed(void) { return SHM_DEST; }
static inline int cip_shm_mode_locked(void) { return SHM_LOCKED; }
static inline int cip_shm_huge(void) { return SHM_HUGETLB; }
static inline int cip_shm_noreserve(void) { return SHM_NORESERVE; }
static inline int cip_shm_readonly(void) { return SHM_RDONLY; }

/// Copies between memory of this process: a page that is gone is EFAULT, and no signal.
static inline ssize_t cip_read_own_memory(void *into, const void *from, size_t count) {
    struct iovec local = { into, count }, remote = { (void *)from, count };
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}
static inline ssize_t cip_write_own_memory(const void *from, void *to, size_t count) {
    struct iovec local = { (void *)from, count }, remote = { to, count };
    return process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
}

// Tests only.
static inline int cip_test_mount(const char *place, const char *options) {
    return (int)syscall(SYS_mount, "tmpfs", place, "tmpfs", 0UL, options);
}
static inline int cip_test_mount_private(void) {
    return (int)syscall(SYS_mount, "none", "/", (void *)0, 0x44000UL, (void *)0);   // MS_REC | MS_PRIVATE
}
static inline int cip_test_unmount(const char *place) { return (int)syscall(SYS_umount2, place, 2); }
static inline int cip_test_memfd_without_name(void) { return (int)syscall(SYS_memfd_create, (void *)0, 0); }
static inline int cip_test_load(const volatile unsigned char *place) { return *place; }
static inline void cip_test_store(volatile unsigned char *place, unsigned char value) { *place = value; }
static inline void cip_test_sigbus_handler(int signal) { (void)signal; _exit(77); }
static inline void cip_test_make_sigbus(struct sigaction *action) {
    memset(action, 0, sizeof *action);
    action->sa_handler = cip_test_sigbus_handler;
}

/// The SIGBUS guard; see sigbus_guard.c.
int cip_guard_install(void);
int cip_guard_register(const void *start, size_t count);
void cip_guard_unregister(int slot);
uint64_t cip_guard_faults(int slot);

static inline void *cip_mremap(void *address, size_t old_size, size_t new_size, int flags) {
    return mremap(address, old_size, new_size, flags);
}

/// FUTEX_WAIT_BITSET: its time limit is absolute, by CLOCK_MONOTONIC; null waits for ever.
static inline long cip_futex_wait(const uint32_t *word, uint32_t expected, int shared, const struct timespec *limit) {
    int operation = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    return syscall(SYS_futex, word, operation, expected, limit, (void *)0, FUTEX_BITSET_MATCH_ANY);
}
static inline long cip_futex_wake(const uint32_t *word, int count, int shared) {
    int operation = FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    return syscall(SYS_futex, word, operation, count, (void *)0, (void *)0, 0);
}

#endif
