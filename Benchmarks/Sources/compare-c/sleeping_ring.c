// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "ring.h"

#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "subjects.h"

// The ring again, with sides that sleep: the one that goes to sleep says so and looks once more, the other looks at that
// word after what it has stored.

static int counter = -1, set = -1;

static void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static void sleep_while_set(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL, NULL, 0); }

static inline void wake(uint32_t *word) {
    if (!__atomic_load_n(word, __ATOMIC_RELAXED)) return;
    __atomic_store_n(word, 0, __ATOMIC_RELAXED);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void wait_for_room(struct compare *run) {
    struct ring *ring = ring_out.ring;
    uint64_t readers = ring_readers[run->child >= 0];
    while (run->sent == ring_out.limit) {
        __atomic_store_n(&ring->waits, 1, __ATOMIC_RELAXED);
        fence();
        ring_out.limit = ring_look(ring, readers);
        if (run->sent == ring_out.limit) sleep_while_set(&ring->waits);
        __atomic_store_n(&ring->waits, 0, __ATOMIC_RELAXED);
    }
}

static inline __attribute__((always_inline)) void put(struct compare *run) {
    if (run->sent == ring_out.limit) wait_for_room(run);
    compare_fill(run, ring_out.at + ring_header, run->sent);
    compare_store((uint64_t *)ring_out.at, run->sent + 1);
    ring_advance(&ring_out);
    fence();
}

static inline int is_there(struct compare *run) { return compare_load((uint64_t *)ring_in.at) == run->received + 1; }

static inline __attribute__((always_inline)) void take(struct compare *run, struct ring_reader *line) {
    compare_check(run, ring_in.at + ring_header, run->received);
    compare_store(&line->released, run->received + 1);
    ring_advance(&ring_in);
    fence();
    wake(&ring_in.ring->waits);
}

static void send(struct compare *run) {
    put(run);
    for (uint64_t i = 0; i < ring_readers[run->child >= 0]; i++) wake(&ring_out.ring->readers[i].sleeps);
}

static void receive(struct compare *run) {
    struct ring_reader *line = &ring_in.ring->readers[run->child < 0 ? 0 : run->child];
    while (!is_there(run)) {
        __atomic_store_n(&line->sleeps, 1, __ATOMIC_RELAXED);
        fence();
        if (!is_there(run)) sleep_while_set(&line->sleeps);
        __atomic_store_n(&line->sleeps, 0, __ATOMIC_RELAXED);
    }
    take(run, line);
}

int run_ring_with_futex(struct compare *run) {
    ring_open(run, run->bytes);
    return compare_run(run, send, receive);
}

// The side that measures sleeps in an event loop, the other as above.

static void send_to_loop(struct compare *run) {
    if (run->child < 0) {
        send(run);
        return;
    }
    uint32_t *sleeps = &ring_out.ring->readers[0].sleeps;
    uint64_t one = 1;
    put(run);
    if (!__atomic_load_n(sleeps, __ATOMIC_RELAXED)) return;
    __atomic_store_n(sleeps, 0, __ATOMIC_RELAXED);
    if (write(counter, &one, sizeof one) != sizeof one) compare_failed("eventfd");
}

static void receive_in_loop(struct compare *run) {
    if (run->child >= 0) {
        receive(run);
        return;
    }
    struct ring_reader *line = &ring_in.ring->readers[0];
    struct epoll_event event;
    uint64_t count;
    while (!is_there(run)) {
        __atomic_store_n(&line->sleeps, 1, __ATOMIC_RELAXED);
        fence();
        if (!is_there(run) && epoll_wait(set, &event, 1, -1) == 1 && read(counter, &count, sizeof count) < 0)
            compare_failed("eventfd");
        __atomic_store_n(&line->sleeps, 0, __ATOMIC_RELAXED);
    }
    take(run, line);
}

int run_ring_with_epoll(struct compare *run) {
    if (!run->exchanges) compare_unsupported("an event loop is measured at one end of an exchange only");
    counter = eventfd(0, EFD_NONBLOCK);
    set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (counter < 0 || set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, counter, &event) < 0) compare_failed("epoll");
    ring_open(run, run->bytes);
    return compare_run(run, send_to_loop, receive_in_loop);
}
