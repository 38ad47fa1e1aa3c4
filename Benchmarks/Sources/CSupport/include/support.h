// SPDX-License-Identifier: Apache-2.0
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stddef.h>
#include <stdint.h>

// What a worker finds open: commands on 0, results on 1, and what it sends and receives through.
enum { bench_receive_fd = 3, bench_send_fd = 4 };

/// A process that runs one side's loop.
struct bench_worker {
    int pid, commands, results;
};

/// Starts `program` on one CPU with two descriptors as 3 and 4 (-1 for none); 0, or an errno.
///
/// `role` is ping, echo, async or epoll; `workload` pipe, unix-seqpacket, mq, sysv-msg or eventfd; `receive` and `send`
/// are the names or ids of queues.
int bench_start(struct bench_worker *worker, const char *program, const char *role, const char *workload, long size,
                const char *receive, const char *send, int cpu, int receive_fd, int send_fd);
/// Lets a worker make so many round trips; the nanoseconds that they took, 0 if it is gone.
uint64_t bench_run(const struct bench_worker *worker, uint64_t rounds);
void bench_stop(struct bench_worker *worker);

/// Worker: how many round trips to make next, 0 at the end.
uint64_t bench_next(void);
/// Worker: the nanoseconds that they took.
void bench_report(uint64_t nanoseconds);

/// Ends with exit status 1.
void bench_fail(void);
/// Worker: ends the process, or sleeps until another thread does.
void bench_end(void);
void bench_wait_for_end(void);

uint64_t bench_now(void);
/// Memory that begins 64 bytes into a page, with room for a type in front of it; never given back.
void *bench_allocate(size_t size);
/// The number of the first or last CPU that this process may use.
int bench_first_cpu(void);
int bench_last_cpu(void);
/// An IPC namespace of one's own, in which limits can be raised without anybody noticing; 0, or an errno.
int bench_own_namespace(void);
/// Makes calls that would find a descriptor non-blocking block again.
void bench_make_blocking(int fd);
/// A pipe (reader first) or a pair of seqpacket sockets; 0, or an errno.
int bench_make_pair(int is_socket, int *first, int *second);
int bench_make_counter(void);
void bench_close(int fd);
/// Reads a small file of /proc/sys as a number, or writes it; -1 if that failed.
long bench_limit(const char *path);
int bench_set_limit(const char *path, long value);
int bench_write_file(const char *path, const char *text);
/// The first line of a file after `prefix`, for the kernel's and the CPU's name.
int bench_line_after(const char *path, const char *prefix, char *out, int room);

#endif
