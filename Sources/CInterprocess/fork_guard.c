// SPDX-License-Identifier: Apache-2.0
// What a forked child is not to have: a handler of pthread_atfork needs state with one address in the whole process, which a
// header cannot have. Installed at the first use of messaging.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "include/cinterprocess.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

// A bit for each number that a descriptor usually has; pages of it that nobody touches are not there. What lies beyond is
// inherited, and the watch on the process notices its end all the same.
enum { cip_fork_bits = 1 << 20, cip_fork_words = cip_fork_bits / 64 };
static _Atomic uint64_t cip_fork_marks[cip_fork_words];
static _Atomic int cip_fork_used;  // words that were ever written
static uint64_t *_Atomic cip_fork_page;
static int cip_fork_tombstone = -1;
static pthread_mutex_t cip_fork_lock = PTHREAD_MUTEX_INITIALIZER;

// In the child, before fork returns there. A number is not set free but made to mean a socket without a peer: the objects
// of the parent are in this memory too, and one of them that closes its number must not close somebody else's.
static void cip_fork_child(void) {
    int saved = errno;
    cip_fork_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    int used = atomic_load(&cip_fork_used);
    for (int word = 0; word < used; word++) {
        uint64_t marks = atomic_exchange(&cip_fork_marks[word], 0);
        for (; marks; marks &= marks - 1) {
            int fd = word * 64 + __builtin_ctzll(marks);
            if (dup3(cip_fork_tombstone, fd, O_CLOEXEC) < 0) close(fd);
        }
    }
    errno = saved;
}

// The kernel wipes the page also where fork is called without glibc and no handler runs.
static uint64_t *cip_fork_new_page(void) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return NULL;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
        int error = errno;
        munmap(page, size);
        errno = error;
        return NULL;
    }
    *page = 1;
    return page;
}

static int cip_fork_guard_handle(void) {
    if (cip_fork_tombstone >= 0) return 0;
    int tombstone = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (tombstone < 0) return -1;
    int error = pthread_atfork(NULL, NULL, cip_fork_child);
    if (error == 0) {
        cip_fork_tombstone = tombstone;
        return 0;
    }
    close(tombstone);
    errno = error;
    return -1;
}

static int cip_fork_guard_is_made(void) {
    uint64_t *page = atomic_load(&cip_fork_page);
    return page && *page;
}

// A child that begins anew gets a page of its own; that of its parent stays, wiped: handles of the parent's point at it.
int cip_fork_guard_install(void) {
    if (cip_fork_guard_is_made()) return 0;
    pthread_mutex_lock(&cip_fork_lock);
    int result = 0;
    if (!cip_fork_guard_is_made()) {
        uint64_t *page = NULL;
        result = cip_fork_guard_handle();
        if (result == 0) page = cip_fork_new_page();
        if (page) atomic_store(&cip_fork_page, page);
        else result = -1;
    }
    pthread_mutex_unlock(&cip_fork_lock);
    return result;
}

const uint64_t *cip_fork_guard_word(void) { return atomic_load(&cip_fork_page); }

int cip_fork_guard_mark(int fd) {
    if (fd < 0 || fd >= cip_fork_bits) return 0;
    int word = fd / 64, used = atomic_load(&cip_fork_used);
    while (used <= word && !atomic_compare_exchange_weak(&cip_fork_used, &used, word + 1)) {}
    atomic_fetch_or(&cip_fork_marks[word], UINT64_C(1) << (fd % 64));
    return 1;
}

void cip_fork_guard_unmark(int fd) {
    if (fd < 0 || fd >= cip_fork_bits) return;
    atomic_fetch_and(&cip_fork_marks[fd / 64], ~(UINT64_C(1) << (fd % 64)));
}
