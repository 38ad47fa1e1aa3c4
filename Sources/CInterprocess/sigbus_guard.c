// SPDX-License-Identifier: Apache-2.0
// The one handler of a signal in this package that does something, and one of the files here that are compiled: a handler needs
// state with one address in the whole process, and a header cannot have that. Installed only on request.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "include/cinterprocess.h"
#include <stdatomic.h>

enum { cip_guard_slots = 256 };

// A slot is taken while `start` is not zero. `count` is written before `start`, so that a handler sees both or none.
static struct {
    _Atomic uintptr_t start;
    _Atomic size_t count;
    _Atomic uint64_t faults;
} cip_guards[cip_guard_slots];
static struct sigaction cip_guard_previous;
static _Atomic int cip_guard_state;  // 0 not installed, 1 being installed, 2 installed
static uintptr_t cip_guard_page;

static void cip_guard_pass_on(int signal, siginfo_t *info, void *context) {
    if (cip_guard_previous.sa_flags & SA_SIGINFO) {
        cip_guard_previous.sa_sigaction(signal, info, context);
    } else if (cip_guard_previous.sa_handler != SIG_DFL && cip_guard_previous.sa_handler != SIG_IGN) {
        cip_guard_previous.sa_handler(signal);
    } else if (cip_guard_previous.sa_handler == SIG_IGN && info->si_code <= 0) {
        // Sent by somebody, and ignored before: only a fault cannot be.
    } else {
        // Back to the default: the instruction is executed again, or the signal sent, and ends the process as it would have.
        struct sigaction standard;
        memset(&standard, 0, sizeof standard);
        standard.sa_handler = SIG_DFL;
        sigaction(SIGBUS, &standard, (void *)0);
        if (info->si_code <= 0) syscall(SYS_tgkill, getpid(), gettid(), signal);
    }
}

static void cip_guard_handle(int signal, siginfo_t *info, void *context) {
    int saved = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    if (info->si_code > 0) {
        for (int slot = 0; slot < cip_guard_slots; slot++) {
            uintptr_t start = atomic_load_explicit(&cip_guards[slot].start, memory_order_acquire);
            if (start == 0 || address < start) continue;
            if (address - start >= atomic_load_explicit(&cip_guards[slot].count, memory_order_relaxed)) continue;
            // First the mark: who reads the zeros that come now must find it.
            atomic_fetch_add_explicit(&cip_guards[slot].faults, 1, memory_order_release);
            void *page = (void *)(address & ~(cip_guard_page - 1));
            void *got = mmap(page, cip_guard_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            errno = saved;
            if (got != MAP_FAILED) return;
            break;
        }
    }
    cip_guard_pass_on(signal, info, context);
    errno = saved;
}

int cip_guard_install(void) {
    int expected = 0;
    if (atomic_compare_exchange_strong(&cip_guard_state, &expected, 1)) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = cip_guard_handle;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        cip_guard_page = (uintptr_t)sysconf(_SC_PAGESIZE);
        if (sigaction(SIGBUS, (void *)0, &cip_guard_previous) != 0 || sigaction(SIGBUS, &action, (void *)0) != 0) {
            atomic_store(&cip_guard_state, 0);
            return -1;
        }
        atomic_store(&cip_guard_state, 2);
    }
    while (atomic_load(&cip_guard_state) == 1) sched_yield();
    return 0;
}

int cip_guard_register(const void *start, size_t count) {
    for (int slot = 0; slot < cip_guard_slots; slot++) {
        // The highest address is in no region: it holds the place until the length stands.
        uintptr_t expected = 0;
        if (!atomic_compare_exchange_strong(&cip_guards[slot].start, &expected, UINTPTR_MAX)) continue;
        atomic_store(&cip_guards[slot].faults, 0);
        atomic_store(&cip_guards[slot].count, count);
        atomic_store_explicit(&cip_guards[slot].start, (uintptr_t)start, memory_order_release);
        return slot;
    }
    errno = EAGAIN;
    return -1;
}

void cip_guard_unregister(int slot) { atomic_store_explicit(&cip_guards[slot].start, 0, memory_order_release); }

uint64_t cip_guard_faults(int slot) { return atomic_load_explicit(&cip_guards[slot].faults, memory_order_acquire); }
