// SPDX-License-Identifier: Apache-2.0
#ifndef COMPARE_H
#define COMPARE_H

// What every subject of Benchmarks/compare shares: the command line, the processes and their CPUs, the clock, the payload's
// filling and checking, and the loops around a subject's own `send` and `receive`.
//
//     PROGRAM SUBJECT WORKLOAD [--bytes N] [--subscribers K] [--mode M] [--milliseconds T] [--capacity B] [--batch N]
//
// prints one line of JSON: {"median":…,"best":…,"p99":…,"unit":…} or {"unsupported":"why"}.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define compare_children 16
#define compare_slices 50

/// What the processes of one run share beside the subject itself: who is to do how much, and what came of it.
struct compare_board {
    uint64_t ready, phase, rounds, done, failures;
    struct {
        double per_message;               // nanoseconds, of the whole phase
        double slices[compare_slices];    // the same of its parts
    } child[compare_children];
};

/// One run of one subject.
struct compare {
    const char *subject, *workload, *mode;
    uint64_t bytes, subscribers, milliseconds, capacity, batch;
    int child;       // whose process this is: -1 measures, the others answer or consume
    int child_count;
    int exchanges;   // latency and handover: messages go there and back
    int touches;     // payloads are filled and checked
    int blocks;      // a side without work sleeps in the kernel
    int yields;      // more processes than CPUs: a side without work lets the next one run
    uint64_t sent, received, failures;
    struct compare_board *board;
};

/// Reads the command line, makes the board, goes to this process's CPU. A child started by `compare_spawn` comes here too.
void compare_begin(struct compare *run, int count, char **arguments);
/// Starts the other processes as copies of this one, each on its CPU; returns in each of them.
void compare_fork(struct compare *run);
/// The same with programs of their own, that begin at main; returns in the parent, and at once in a child.
void compare_spawn(struct compare *run);
/// Child: waits for the next phase; how many messages it has, 0 at the end.
uint64_t compare_next_phase(struct compare *run);
/// Child: has done with the phase.
void compare_phase_done(struct compare *run);
/// Parent: begins a phase of so many messages; 0 ends the children.
void compare_start_phase(struct compare *run, uint64_t rounds);
/// Parent: waits until every child has done with the phase.
void compare_await_phase(struct compare *run);

/// Prints the result. `samples` are nanoseconds one way; sorted by this.
void compare_report_latency(struct compare *run, double *batches, uint64_t batch_count, double *singles, uint64_t single_count);
/// Prints messages a second from the children's slices, at the slowest of them.
void compare_report_rate(struct compare *run);
/// Ends the run as one that this subject cannot do, with its reason, or that failed.
__attribute__((noreturn)) void compare_unsupported(const char *why);
__attribute__((noreturn)) void compare_failed(const char *what);

/// Ends the process at once; or sleeps until another thread does.
void compare_end(void);
void compare_sleep(void);

uint64_t compare_now(void);
/// What one reading of the clock takes, in nanoseconds.
double compare_clock_cost(void);
/// Lets another process run.
void compare_yield(void);
/// The process's share of memory (PSS) in bytes, and how many descriptors it has open.
uint64_t compare_memory(void);
uint64_t compare_descriptors(void);
/// As many descriptors as the system lets this process have.
void compare_raise_descriptors(void);
/// So many bytes of a memfd that children inherit, filled with zeros; never given back.
void *compare_shared(size_t bytes);
/// Private memory that begins at a page; never given back.
void *compare_private(size_t bytes);
/// A name that only this run uses, for sockets and the like.
void compare_name(char *out, size_t room, const char *prefix, int channel);

/// Between two looks of a side that has no work.
static inline __attribute__((always_inline)) void compare_idle(const struct compare *run, unsigned *looks) {
    if (run->yields && ++*looks % 64 == 0) compare_yield();
}

static inline uint64_t compare_load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void compare_store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

/// The payload of message `number`: words that count up from a number that no neighbour shares.
static inline __attribute__((always_inline)) void compare_fill(const struct compare *run, void *payload, uint64_t number) {
    uint64_t *words = (uint64_t *)payload;
    uint64_t count = run->bytes / 8, first = number * 0x9e3779b97f4a7c15u;
    if (!run->touches) return;
    if (count == 8)
        for (uint64_t i = 0; i < 8; i++) words[i] = first + i;
    else
        for (uint64_t i = 0; i < count; i++) words[i] = first + i;
}

/// Notes a payload that is not that of message `number`.
static inline __attribute__((always_inline)) void compare_check(struct compare *run, const void *payload, uint64_t number) {
    const uint64_t *words = (const uint64_t *)payload;
    uint64_t count = run->bytes / 8, first = number * 0x9e3779b97f4a7c15u, wrong = 0;
    if (!run->touches) return;
    if (count == 8)
        for (uint64_t i = 0; i < 8; i++) wrong |= words[i] ^ (first + i);
    else
        for (uint64_t i = 0; i < count; i++) wrong |= words[i] ^ (first + i);
    if (wrong) run->failures += 1;
}

/// A subject's verb: sends or receives the next message (`run->sent`, `run->received` count them). A child sends on the way
/// back.
typedef void (*compare_verb)(struct compare *run);

static inline __attribute__((always_inline)) void compare_send(struct compare *run, compare_verb send) {
    send(run);
    run->sent += 1;
}

static inline __attribute__((always_inline)) void compare_receive(struct compare *run, compare_verb receive) {
    receive(run);
    run->received += 1;
}

static inline void compare_note_slice(struct compare *run, uint64_t slice, double per_message) {
    run->board->child[run->child].slices[slice] = per_message;
}

static inline void compare_note_phase(struct compare *run, double per_message) {
    run->board->child[run->child].per_message = per_message;
}

static inline __attribute__((always_inline)) void compare_answer(struct compare *run, compare_verb send, compare_verb receive) {
    uint64_t rounds;
    while ((rounds = compare_next_phase(run))) {
        if (run->exchanges) {
            for (uint64_t i = 0; i < rounds; i++) {
                compare_receive(run, receive);
                compare_send(run, send);
            }
        } else {
            // The clock is read once a slice, and begins with the first message.
            compare_receive(run, receive);
            uint64_t slice = (rounds - 1) / compare_slices, first = compare_now(), before = first;
            for (uint64_t s = 0; s < compare_slices; s++) {
                for (uint64_t i = 0; i < slice; i++) compare_receive(run, receive);
                uint64_t now = compare_now();
                compare_note_slice(run, s, (double)(now - before) / (double)slice);
                before = now;
            }
            compare_note_phase(run, (double)(before - first) / (double)(slice * compare_slices));
            for (uint64_t i = 1 + slice * compare_slices; i < rounds; i++) compare_receive(run, receive);
        }
        compare_phase_done(run);
    }
}

static inline __attribute__((always_inline)) uint64_t compare_exchange(struct compare *run, compare_verb send, compare_verb receive,
                                                                       uint64_t rounds) {
    uint64_t before = compare_now();
    for (uint64_t i = 0; i < rounds; i++) {
        compare_send(run, send);
        compare_receive(run, receive);
    }
    return compare_now() - before;
}

/// How many messages take `milliseconds`, if `rounds` took `nanoseconds`.
static inline uint64_t compare_rounds(double milliseconds, uint64_t rounds, uint64_t nanoseconds) {
    double wanted = milliseconds * 1e6 / ((double)(nanoseconds ? nanoseconds : 1) / (double)rounds);
    return wanted < 10 ? 10 : wanted > 1e8 ? 100000000 : (uint64_t)wanted;
}

/// How a turn of exchanges is divided.
struct compare_plan {
    uint64_t batches, batch; // for the median: batches long enough that the two readings of the clock do not count
    uint64_t singles;        // for the tail: one reading an exchange, whose own cost is taken off
};

static inline struct compare_plan compare_plan_of(const struct compare *run, uint64_t rounds, uint64_t nanoseconds) {
    struct compare_plan plan;
    plan.batch = 1 + (uint64_t)(10000 / ((double)(nanoseconds + 1) / (double)rounds));
    plan.batches = compare_rounds((double)run->milliseconds * 0.6, rounds, nanoseconds) / plan.batch + 1;
    plan.singles = compare_rounds((double)run->milliseconds * 0.3, rounds, nanoseconds);
    if (plan.singles > 2000000) plan.singles = 2000000;
    return plan;
}

static inline double *compare_samples(uint64_t count) { return (double *)compare_private(count * sizeof(double)); }

/// How many messages the phase after this one has, of three, the last of which is reported: whole batches of 16, at least two messages a
/// slice.
static inline uint64_t compare_next_rate_rounds(const struct compare *run, int phase, uint64_t rounds, uint64_t nanoseconds) {
    return compare_rounds((double)run->milliseconds * (phase == 0 ? 0.1 : 1), rounds, nanoseconds) / 16 * 16 + 128;
}

static inline __attribute__((always_inline)) void compare_measure_latency(struct compare *run, compare_verb send, compare_verb receive) {
    uint64_t warm = 20;
    uint64_t spent = 0;
    // Twice: the first messages find cold pages.
    for (int i = 0; i < 2; i++) {
        compare_start_phase(run, warm);
        spent = compare_exchange(run, send, receive, warm);
        compare_await_phase(run);
        if (i == 0) warm = compare_rounds((double)run->milliseconds * 0.1, warm, spent);
    }
    struct compare_plan plan = compare_plan_of(run, warm, spent);
    double *means = compare_samples(plan.batches), *each = compare_samples(plan.singles), cost = compare_clock_cost();
    compare_start_phase(run, plan.batches * plan.batch);
    for (uint64_t i = 0; i < plan.batches; i++)
        means[i] = (double)compare_exchange(run, send, receive, plan.batch) / (double)plan.batch / 2;
    compare_await_phase(run);
    compare_start_phase(run, plan.singles);
    for (uint64_t i = 0, before = compare_now(); i < plan.singles; i++) {
        compare_send(run, send);
        compare_receive(run, receive);
        uint64_t now = compare_now();
        each[i] = ((double)(now - before) - cost) / 2;
        before = now;
    }
    compare_await_phase(run);
    compare_start_phase(run, 0);
    compare_report_latency(run, means, plan.batches, each, plan.singles);
}

static inline __attribute__((always_inline)) void compare_measure_rate(struct compare *run, compare_verb send) {
    uint64_t rounds = 128, spent = 0;
    for (int i = 0; i < 3; i++) {
        compare_start_phase(run, rounds);
        uint64_t before = compare_now();
        for (uint64_t n = 0; n < rounds; n++) compare_send(run, send);
        compare_await_phase(run);
        spent = compare_now() - before;
        rounds = compare_next_rate_rounds(run, i, rounds, spent);
    }
    compare_start_phase(run, 0);
    compare_report_rate(run);
}

/// The whole of a subject's program, once its channels are open in every process.
static inline __attribute__((always_inline)) int compare_run(struct compare *run, compare_verb send, compare_verb receive) {
    if (run->child >= 0)
        compare_answer(run, send, receive);
    else if (run->exchanges)
        compare_measure_latency(run, send, receive);
    else
        compare_measure_rate(run, send);
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
