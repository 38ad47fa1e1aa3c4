// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subjects.h"

// What the kernel offers. One channel a subscriber, since none of them knows more than one receiver; channel
// `compare_children` is the way back. Busy: the descriptors do not block, and who finds nothing tries again.

static int sending[compare_children + 1], receiving[compare_children + 1];
static char *buffer;
enum { way_back = compare_children };

static int is_transient(ssize_t result) { return result < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS); }

static int first_out(const struct compare *run) { return run->child < 0 ? 0 : way_back; }
static int last_out(const struct compare *run) { return run->child < 0 ? run->child_count - 1 : way_back; }
static int in(const struct compare *run) { return receiving[run->child < 0 ? way_back : run->child]; }

static void open_channels(struct compare *run, void (*open_one)(struct compare *run, int channel)) {
    for (int i = 0; i < run->child_count; i++) open_one(run, i);
    open_one(run, way_back);
    compare_fork(run);
    buffer = compare_private(run->bytes);
}

static void make_non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// A pipe: a stream of bytes, so that a message is read until it is whole.

static void open_pipe(struct compare *run, int channel) {
    int pair[2];
    if (pipe(pair) < 0) compare_failed("pipe");
    fcntl(pair[1], F_SETPIPE_SZ, 1 << 20);
    for (int i = 0; i < 2 && !run->blocks; i++) make_non_blocking(pair[i]);
    receiving[channel] = pair[0];
    sending[channel] = pair[1];
}

static void send_pipe(struct compare *run) {
    compare_fill(run, buffer, run->sent);
    for (int i = first_out(run); i <= last_out(run); i++) {
        unsigned looks = 0;
        for (size_t done = 0; done < run->bytes;) {
            ssize_t count = write(sending[i], buffer + done, run->bytes - done);
            if (count >= 0)
                done += (size_t)count;
            else if (is_transient(count))
                compare_idle(run, &looks);
            else
                compare_failed("write");
        }
    }
}

static void receive_pipe(struct compare *run) {
    unsigned looks = 0;
    for (size_t done = 0; done < run->bytes;) {
        ssize_t count = read(in(run), buffer + done, run->bytes - done);
        if (count > 0)
            done += (size_t)count;
        else if (is_transient(count))
            compare_idle(run, &looks);
        else
            compare_failed("read");
    }
    compare_check(run, buffer, run->received);
}

int run_pipe(struct compare *run) {
    open_channels(run, open_pipe);
    return compare_run(run, send_pipe, receive_pipe);
}

// A unix socket that keeps messages apart.

static void open_socket(struct compare *run, int channel) {
    int pair[2], room = 8 << 20;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0) compare_failed("socketpair");
    if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    for (int i = 0; i < 2 && !run->blocks; i++) make_non_blocking(pair[i]);
    receiving[channel] = pair[0];
    sending[channel] = pair[1];
}

static void send_socket(struct compare *run) {
    compare_fill(run, buffer, run->sent);
    for (int i = first_out(run); i <= last_out(run); i++) {
        unsigned looks = 0;
        ssize_t count;
        while (is_transient(count = send(sending[i], buffer, run->bytes, MSG_NOSIGNAL))) {
            // ENOBUFS: the kernel has no room for a message that long, however often one asks.
            if (errno == ENOBUFS && looks++ > 1000) compare_unsupported("the kernel takes no message that long");
            compare_idle(run, &looks);
        }
        if (count < 0 && errno == EMSGSIZE) compare_unsupported("the kernel takes no message that long");
        if (count < 0) compare_failed("send");
    }
}

static void receive_socket(struct compare *run) {
    unsigned looks = 0;
    ssize_t count;
    while (is_transient(count = recv(in(run), buffer, run->bytes, 0))) compare_idle(run, &looks);
    if (count != (ssize_t)run->bytes) compare_failed("recv");
    compare_check(run, buffer, run->received);
}

int run_seqpacket(struct compare *run) {
    open_channels(run, open_socket);
    return compare_run(run, send_socket, receive_socket);
}

// POSIX message queues, in an IPC namespace of the run's own where root may raise the limits without anybody noticing.

static void raise_limit(const char *path, unsigned long value) {
    FILE *file = fopen(path, "we");
    if (!file) return;
    fprintf(file, "%lu\n", value);
    fclose(file);
}

static void open_queue(struct compare *run, int channel) {
    char name[64];
    compare_name(name, sizeof name, "/", channel);
    int flags = O_RDWR | O_CREAT | O_EXCL | (run->blocks ? 0 : O_NONBLOCK);
    struct mq_attr attributes = {.mq_maxmsg = run->exchanges ? 8 : 64, .mq_msgsize = (long)run->bytes};
    mqd_t queue;
    // As long as the limits of this user allow.
    while ((queue = mq_open(name, flags, 0600, &attributes)) < 0 && attributes.mq_maxmsg > 1) attributes.mq_maxmsg /= 2;
    if (queue < 0) compare_unsupported("beyond fs.mqueue.msgsize_max or RLIMIT_MSGQUEUE");
    mq_unlink(name);
    sending[channel] = receiving[channel] = queue;
}

static void send_queue(struct compare *run) {
    compare_fill(run, buffer, run->sent);
    for (int i = first_out(run); i <= last_out(run); i++) {
        unsigned looks = 0;
        int result;
        while (is_transient(result = mq_send(sending[i], buffer, run->bytes, 0))) compare_idle(run, &looks);
        if (result < 0) compare_failed("mq_send");
    }
}

static void receive_queue(struct compare *run) {
    unsigned looks = 0;
    ssize_t count;
    while (is_transient(count = mq_receive(in(run), buffer, run->bytes, NULL))) compare_idle(run, &looks);
    if (count != (ssize_t)run->bytes) compare_failed("mq_receive");
    compare_check(run, buffer, run->received);
}

int run_mq(struct compare *run) {
    if (unshare(CLONE_NEWIPC) == 0) {
        raise_limit("/proc/sys/fs/mqueue/msgsize_max", 16 << 20);
        raise_limit("/proc/sys/fs/mqueue/msg_max", 1024);
        const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_MSGQUEUE, &limit);
    }
    open_channels(run, open_queue);
    return compare_run(run, send_queue, receive_queue);
}
