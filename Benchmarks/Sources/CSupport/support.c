// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void become_worker(const char *program, char *const arguments[], int cpu, const int fds[4]) {
    static const int numbers[4] = {0, 1, bench_receive_fd, bench_send_fd};
    int high[4];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // First out of the way, then into place.
    for (int i = 0; i < 4; i++) high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 32);
    for (int i = 0; i < 4; i++)
        if (high[i] >= 0) dup2(high[i], numbers[i]);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) == 0) execv(program, arguments);
    _exit(127);
}

int bench_start(struct bench_worker *worker, const char *program, const char *role, const char *workload, long size,
                const char *receive, const char *send, int cpu, int receive_fd, int send_fd) {
    char text[24];
    snprintf(text, sizeof text, "%ld", size);
    char *arguments[] = {(char *)program, "worker",        (char *)role, (char *)workload,
                         text,            (char *)receive, (char *)send, NULL};
    int commands[2], results[2];
    if (pipe2(commands, O_CLOEXEC) < 0) return errno;
    if (pipe2(results, O_CLOEXEC) < 0) return errno;
    pid_t pid = fork();
    if (pid < 0) return errno;
    if (pid == 0) become_worker(program, arguments, cpu, (int[4]){commands[0], results[1], receive_fd, send_fd});
    close(commands[0]);
    close(results[1]);
    *worker = (struct bench_worker){pid, commands[1], results[0]};
    return 0;
}

uint64_t bench_run(const struct bench_worker *worker, uint64_t rounds) {
    uint64_t result = 0;
    if (write(worker->commands, &rounds, sizeof rounds) != sizeof rounds) return 0;
    return read(worker->results, &result, sizeof result) == sizeof result ? result : 0;
}

void bench_stop(struct bench_worker *worker) {
    close(worker->commands);
    close(worker->results);
    kill(worker->pid, SIGKILL);
    waitpid(worker->pid, NULL, 0);
}

uint64_t bench_next(void) {
    uint64_t rounds = 0;
    return read(0, &rounds, sizeof rounds) == sizeof rounds ? rounds : 0;
}

void bench_report(uint64_t nanoseconds) {
    if (write(1, &nanoseconds, sizeof nanoseconds) != sizeof nanoseconds) exit(1);
}

void bench_fail(void) { exit(1); }

void bench_end(void) { _exit(0); }

void bench_wait_for_end(void) {
    while (1) pause();
}

uint64_t bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void *bench_allocate(size_t size) {
    size_t page = 4096;
    char *memory = aligned_alloc(page, (size + 64 + page - 1) / page * page);
    if (!memory) exit(1);
    memset(memory, 0, size + 64);
    return memory + 64;
}

static int any_cpu(int from, int step) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 0;
    for (int cpu = from; cpu >= 0 && cpu < CPU_SETSIZE; cpu += step)
        if (CPU_ISSET(cpu, &set)) return cpu;
    return 0;
}

int bench_first_cpu(void) { return any_cpu(0, 1); }
int bench_last_cpu(void) { return any_cpu(CPU_SETSIZE - 1, -1); }

int bench_own_namespace(void) {
    // A worker that is gone shows itself as a result that does not come.
    signal(SIGPIPE, SIG_IGN);
    return unshare(CLONE_NEWIPC) < 0 ? errno : 0;
}

void bench_make_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); }

int bench_make_pair(int is_socket, int *first, int *second) {
    int pair[2];
    int result = is_socket ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) : pipe2(pair, O_CLOEXEC);
    if (result < 0) return errno;
    *first = pair[0];
    *second = pair[1];
    return 0;
}

int bench_make_counter(void) { return eventfd(0, EFD_CLOEXEC); }

void bench_close(int fd) { close(fd); }

long bench_limit(const char *path) {
    long value = -1;
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    if (fscanf(file, "%ld", &value) != 1) value = -1;
    fclose(file);
    return value;
}

int bench_write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    if (!file) return -1;
    int failed = fputs(text, file) < 0;
    return (fclose(file) != 0 || failed) ? -1 : 0;
}

int bench_set_limit(const char *path, long value) {
    char text[24];
    snprintf(text, sizeof text, "%ld\n", value);
    return bench_write_file(path, text);
}

int bench_line_after(const char *path, const char *prefix, char *out, int room) {
    char line[512];
    int found = -1;
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    while (found < 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, prefix, strlen(prefix)) != 0) continue;
        char *text = line + strlen(prefix);
        text += strspn(text, " \t:");
        text[strcspn(text, "\n")] = 0;
        found = snprintf(out, (size_t)room, "%s", text);
    }
    fclose(file);
    return found;
}
