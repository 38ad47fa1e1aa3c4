// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char **arguments_of_run;
static int count_of_arguments, board_fd = -1;
static cpu_set_t all_cpus;

uint64_t compare_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double compare_clock_cost(void) {
    uint64_t before = compare_now(), last = before;
    for (int i = 0; i < 10000; i++) last = compare_now();
    return (double)(last - before) / 10000;
}

void compare_end(void) { _exit(0); }

void compare_sleep(void) {
    while (1) pause();
}

void compare_yield(void) { sched_yield(); }

void compare_failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

void compare_unsupported(const char *why) {
    printf("{\"unsupported\":\"%s\"}\n", why);
    fflush(stdout);
    _exit(0);
}

uint64_t compare_memory(void) {
    char line[128];
    unsigned long long kibibytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %llu", &kibibytes) == 1) break;
    fclose(file);
    return kibibytes * 1024;
}

uint64_t compare_descriptors(void) {
    uint64_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) return 0;
    while (readdir(directory)) count += 1;
    closedir(directory);
    return count;
}

void compare_raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    const struct rlimit more = {65536, limit.rlim_max < 65536 ? 65536 : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void *compare_shared(size_t bytes) {
    int fd = memfd_create("compare", 0);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)bytes) != 0) compare_failed("memfd");
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED) compare_failed("mmap");
    close(fd);
    return memory;
}

void *compare_private(size_t bytes) {
    size_t page = 4096, room = (bytes + page - 1) / page * page + page;
    char *memory = aligned_alloc(page, room);
    if (!memory) compare_failed("memory");
    memset(memory, 0, room);
    return memory;
}

void compare_name(char *out, size_t room, const char *prefix, int channel) {
    // Of the process that measures, also in its children.
    static int owner;
    if (!owner) owner = getenv("COMPARE_OWNER") ? atoi(getenv("COMPARE_OWNER")) : getpid();
    snprintf(out, room, "%sswift-ipc-compare-%d-%d", prefix, owner, channel);
}

// The n-th of the CPUs that the run may use.
static int nth_cpu(int n) {
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all_cpus) && n-- == 0) return cpu;
    return 0;
}

static void go_to_cpu(const struct compare *run) {
    int cpus = CPU_COUNT(&all_cpus), one = !strcmp(run->mode, "blocking-one-cpu") || !strcmp(run->mode, "async");
    // The first for the side that measures, the others for the rest.
    int n = run->child < 0 || one || cpus < 2 ? 0 : 1 + run->child % (cpus - 1);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(nth_cpu(n), &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) compare_failed("sched_setaffinity");
}

static void read_option(struct compare *run, const char *name, const char *value) {
    struct { const char *name; uint64_t *number; } numbers[] = {{"--bytes", &run->bytes},
        {"--subscribers", &run->subscribers}, {"--milliseconds", &run->milliseconds}, {"--capacity", &run->capacity},
        {"--batch", &run->batch}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(name, numbers[i].name)) *numbers[i].number = strtoull(value, NULL, 10);
    if (!strcmp(name, "--mode")) run->mode = value;
    if (!strcmp(name, "--child")) run->child = atoi(value);
    if (!strcmp(name, "--board")) board_fd = atoi(value);
}

void compare_begin(struct compare *run, int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: %s SUBJECT WORKLOAD [--bytes N] [--subscribers K] [--mode M] [--milliseconds T]\n", arguments[0]);
        exit(64);
    }
    *run = (struct compare){.subject = arguments[1], .workload = arguments[2], .mode = "busy", .bytes = 64,
                            .subscribers = 1, .milliseconds = 100, .batch = 1, .child = -1};
    for (int i = 3; i + 1 < count; i += 2) read_option(run, arguments[i], arguments[i + 1]);
    arguments_of_run = arguments;
    count_of_arguments = count;
    if (run->subscribers < 1 || run->subscribers > compare_children) compare_unsupported("too many subscribers");
    run->exchanges = !strcmp(run->workload, "latency") || !strcmp(run->workload, "handover");
    run->touches = strcmp(run->workload, "handover") != 0;
    run->blocks = strcmp(run->mode, "busy") != 0;
    run->child_count = run->exchanges ? 1 : (int)run->subscribers;
    sched_getaffinity(0, sizeof all_cpus, &all_cpus);
    run->yields = !run->blocks && run->child_count + 1 > CPU_COUNT(&all_cpus);
    // One record needs its header as well; the same room for every subject that has a ring.
    if (!run->capacity) run->capacity = run->exchanges ? 65536 : 262144;
    if (run->capacity < 8 * (run->bytes + 64)) run->capacity = 8 * (run->bytes + 64);
    if (board_fd < 0) board_fd = memfd_create("compare-board", 0);
    if (run->child < 0 && ftruncate(board_fd, sizeof(struct compare_board)) < 0) compare_failed("board");
    run->board = mmap(NULL, sizeof(struct compare_board), PROT_READ | PROT_WRITE, MAP_SHARED, board_fd, 0);
    if (run->board == MAP_FAILED) compare_failed("board");
    signal(SIGPIPE, SIG_IGN);
    // Whatever hangs ends.
    alarm((unsigned)(run->milliseconds / 1000 + 20));
    char unused[64];
    compare_name(unused, sizeof unused, "", 0);
    if (run->child < 0) go_to_cpu(run);
    // A program of its own sees the one CPU that it was given.
    else run->yields = getenv("COMPARE_YIELDS") && atoi(getenv("COMPARE_YIELDS"));
}

static void become_child(struct compare *run, int number) {
    run->child = number;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)(run->milliseconds / 1000 + 20));
    go_to_cpu(run);
}

void compare_fork(struct compare *run) {
    for (int i = 0; i < run->child_count; i++) {
        pid_t pid = fork();
        if (pid < 0) compare_failed("fork");
        if (pid > 0) continue;
        become_child(run, i);
        return;
    }
}

void compare_spawn(struct compare *run) {
    char board[16], child[16], owner[16];
    if (run->child >= 0) return;
    snprintf(owner, sizeof owner, "%d", getpid());
    setenv("COMPARE_OWNER", owner, 1);
    setenv("COMPARE_YIELDS", run->yields ? "1" : "0", 1);
    for (int i = 0; i < run->child_count; i++) {
        char **copy = calloc((size_t)count_of_arguments + 5, sizeof *copy);
        if (!copy) compare_failed("memory");
        memcpy(copy, arguments_of_run, (size_t)count_of_arguments * sizeof *copy);
        snprintf(board, sizeof board, "%d", board_fd);
        snprintf(child, sizeof child, "%d", i);
        char *more[] = {"--board", board, "--child", child};
        memcpy(copy + count_of_arguments, more, sizeof more);
        pid_t pid = fork();
        if (pid < 0) compare_failed("fork");
        if (pid == 0) {
            become_child(run, i);
            execv("/proc/self/exe", copy);
            _exit(127);
        }
        free(copy);
    }
}

static void rest(void) {
    const struct timespec moment = {0, 20000};
    nanosleep(&moment, NULL);
}

uint64_t compare_next_phase(struct compare *run) {
    static uint64_t phase;
    phase += 1;
    __atomic_fetch_add(&run->board->ready, 1, __ATOMIC_ACQ_REL);
    while (compare_load(&run->board->phase) < phase) rest();
    return run->board->rounds;
}

void compare_phase_done(struct compare *run) {
    __atomic_fetch_add(&run->board->failures, run->failures, __ATOMIC_RELAXED);
    run->failures = 0;
    __atomic_fetch_add(&run->board->done, 1, __ATOMIC_ACQ_REL);
}

static uint64_t phases;

void compare_start_phase(struct compare *run, uint64_t rounds) {
    phases += 1;
    while (compare_load(&run->board->ready) < phases * (uint64_t)run->child_count) rest();
    run->board->rounds = rounds;
    compare_store(&run->board->phase, phases);
}

void compare_await_phase(struct compare *run) {
    // Short naps: the end of a phase is also what its length is taken from.
    while (compare_load(&run->board->done) < phases * (uint64_t)run->child_count) rest();
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double at_percent(const double *sorted, uint64_t count, double percent) {
    uint64_t index = (uint64_t)((double)count * percent / 100);
    return sorted[index < count ? index : count - 1];
}

static void end_if_wrong(struct compare *run) {
    uint64_t wrong = run->board->failures + run->failures;
    if (!wrong) return;
    fprintf(stderr, "%llu payloads were not what was sent\n", (unsigned long long)wrong);
    exit(1);
}

void compare_report_latency(struct compare *run, double *batches, uint64_t batch_count, double *singles, uint64_t single_count) {
    end_if_wrong(run);
    qsort(batches, batch_count, sizeof *batches, ascending);
    qsort(singles, single_count, sizeof *singles, ascending);
    printf("{\"median\":%.2f,\"best\":%.2f,\"p99\":%.2f,\"unit\":\"ns\",\"samples\":%llu}\n", at_percent(batches, batch_count, 50),
           batches[0], at_percent(singles, single_count, 99), (unsigned long long)single_count);
    fflush(stdout);
}

void compare_report_rate(struct compare *run) {
    double whole = 0, best = 0, worst = 0;
    end_if_wrong(run);
    for (int child = 0; child < run->child_count; child++) {
        // The slowest of all. The whole phase counts: readers that take turns on a CPU are fast in some parts of it.
        if (run->board->child[child].per_message < whole) continue;
        double *slices = run->board->child[child].slices;
        qsort(slices, compare_slices, sizeof *slices, ascending);
        whole = run->board->child[child].per_message;
        best = slices[0];
        worst = at_percent(slices, compare_slices, 99);
    }
    printf("{\"median\":%.1f,\"best\":%.1f,\"p99\":%.1f,\"unit\":\"messages/s\",\"samples\":%d}\n", 1e9 / whole, 1e9 / best,
           1e9 / worst, compare_slices);
    fflush(stdout);
}
