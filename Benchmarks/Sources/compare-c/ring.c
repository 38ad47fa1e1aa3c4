// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include "subjects.h"

struct ring *rings[2];
uint64_t ring_stride, ring_slots, ring_readers[2];
struct ring_end ring_out, ring_in;

void ring_open(struct compare *run, uint64_t payload_bytes) {
    ring_stride = (ring_header + payload_bytes + 63) / 64 * 64;
    ring_slots = run->capacity / ring_stride;
    for (int i = 0; i < 2; i++) rings[i] = compare_shared(sizeof(struct ring) + ring_slots * ring_stride);
    ring_readers[0] = (uint64_t)run->child_count;
    ring_readers[1] = 1;
    compare_fork(run);
    struct ring *out = rings[run->child >= 0], *in = rings[run->child < 0];
    ring_out = (struct ring_end){out, out->records, out->records + ring_slots * ring_stride, ring_slots};
    ring_in = (struct ring_end){in, in->records, in->records + ring_slots * ring_stride, 0};
}

static inline __attribute__((always_inline)) void wait_for_room(struct compare *run, uint64_t readers) {
    unsigned looks = 0;
    while (run->sent == ring_out.limit) {
        ring_out.limit = ring_look(ring_out.ring, readers);
        if (run->sent == ring_out.limit) compare_idle(run, &looks);
    }
}

static inline __attribute__((always_inline)) void wait_for_record(struct compare *run) {
    unsigned looks = 0;
    while (compare_load((uint64_t *)ring_in.at) != run->received + 1) compare_idle(run, &looks);
}

static inline struct ring_reader *own_line(struct compare *run) {
    return &ring_in.ring->readers[run->child < 0 ? 0 : run->child];
}

static void send(struct compare *run) {
    wait_for_room(run, ring_readers[run->child >= 0]);
    compare_fill(run, ring_out.at + ring_header, run->sent);
    compare_store((uint64_t *)ring_out.at, run->sent + 1);
    ring_advance(&ring_out);
}

static void receive(struct compare *run) {
    wait_for_record(run);
    compare_check(run, ring_in.at + ring_header, run->received);
    compare_store(&own_line(run)->released, run->received + 1);
    ring_advance(&ring_in);
}

int run_ring(struct compare *run) {
    ring_open(run, run->bytes);
    return compare_run(run, send, receive);
}

// Sixteen messages a record, with one commit word: sent when the last is there, released when the last is read.

enum { batch = 16 };

static void send_in_batches(struct compare *run) {
    uint64_t place = run->sent % batch, record = run->sent / batch;
    if (place == 0) {
        unsigned looks = 0;
        while (record == ring_out.limit) {
            ring_out.limit = ring_look(ring_out.ring, ring_readers[0]);
            if (record == ring_out.limit) compare_idle(run, &looks);
        }
    }
    compare_fill(run, ring_out.at + ring_header + place * run->bytes, run->sent);
    if (place != batch - 1) return;
    compare_store((uint64_t *)ring_out.at, record + 1);
    ring_advance(&ring_out);
}

static void receive_in_batches(struct compare *run) {
    uint64_t place = run->received % batch, record = run->received / batch;
    unsigned looks = 0;
    if (place == 0)
        while (compare_load((uint64_t *)ring_in.at) != record + 1) compare_idle(run, &looks);
    compare_check(run, ring_in.at + ring_header + place * run->bytes, run->received);
    if (place != batch - 1) return;
    compare_store(&own_line(run)->released, record + 1);
    ring_advance(&ring_in);
}

int run_ring_in_batches(struct compare *run) {
    if (run->exchanges) compare_unsupported("a message that waits for fifteen others has no latency");
    ring_open(run, run->bytes * batch);
    return compare_run(run, send_in_batches, receive_in_batches);
}
