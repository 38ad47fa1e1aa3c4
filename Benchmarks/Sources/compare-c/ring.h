// SPDX-License-Identifier: Apache-2.0
#ifndef RING_H
#define RING_H

#include <compare.h>

// The limit: a ring of records in shared memory, in which a payload lies beside the word that tells of it.
//
//     record  0  commit   number of the message + 1, stored last
//             8  payload
//
// A reader polls the record that it expects next. What it has done with it writes into a line of its own, at which the
// sender looks only when its last look would not let it go on.

enum { ring_header = 8 };

struct ring_reader {
    _Alignas(128) uint64_t released;
    _Alignas(64) uint32_t sleeps; // the reader sleeps on it; the sender looks at it after each message
};

struct ring {
    struct ring_reader readers[compare_children];
    _Alignas(128) uint32_t waits; // the sender sleeps on it until there is room
    _Alignas(4096) char records[];
};

/// One process's end of a ring.
struct ring_end {
    struct ring *ring;
    char *at, *end;
    uint64_t limit;
};

/// The rings of the run: 0 leads from the process that measures to the others, 1 back.
extern struct ring *rings[2];
extern uint64_t ring_stride, ring_slots, ring_readers[2];
extern struct ring_end ring_out, ring_in;

/// Makes both rings, of records of so many bytes of payload, and starts the other processes.
void ring_open(struct compare *run, uint64_t payload_bytes);

static inline __attribute__((always_inline)) void ring_advance(struct ring_end *end) {
    end->at += ring_stride;
    if (end->at == end->end) end->at = end->ring->records;
}

/// How far the sender may go by what the slowest reader has released.
static inline __attribute__((always_inline)) uint64_t ring_look(const struct ring *ring, uint64_t readers) {
    uint64_t least = compare_load(&ring->readers[0].released);
    for (uint64_t i = 1; i < readers; i++) {
        uint64_t released = compare_load(&ring->readers[i].released);
        if (released < least) least = released;
    }
    return least + ring_slots;
}

#endif
