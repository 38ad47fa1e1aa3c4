// SPDX-License-Identifier: Apache-2.0
// The loops as one would write them in C: one buffer, no allocation, the plain call.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "semaphores.h"
#include "support.h"

/// One end of an exchange.
struct end {
    int receive, send;
    size_t size;
    int epoll;
};

/// A System V message carries its type in front of its bytes.
struct message {
    long type;
    char bytes[];
};

typedef int transfer(struct end *end, struct message *message);

static int send_pipe(struct end *end, struct message *message) {
    size_t done = 0;
    while (done < end->size) {
        ssize_t count = write(end->send, message->bytes + done, end->size - done);
        if (count < 0) return -1;
        done += (size_t)count;
    }
    return 0;
}
static int receive_pipe(struct end *end, struct message *message) {
    size_t done = 0;
    while (done < end->size) {
        ssize_t count = read(end->receive, message->bytes + done, end->size - done);
        if (count <= 0) return -1;
        done += (size_t)count;
    }
    return 0;
}

static int send_packet(struct end *end, struct message *message) {
    return send(end->send, message->bytes, end->size, MSG_NOSIGNAL) == (ssize_t)end->size ? 0 : -1;
}
static int receive_packet(struct end *end, struct message *message) {
    // MSG_TRUNC, because who cares about his messages wants to know that one was cut.
    return recv(end->receive, message->bytes, end->size, MSG_TRUNC) == (ssize_t)end->size ? 0 : -1;
}

static int send_mq(struct end *end, struct message *message) {
    return mq_send(end->send, message->bytes, end->size, 0);
}
static int receive_mq(struct end *end, struct message *message) {
    unsigned priority;
    return mq_receive(end->receive, message->bytes, end->size, &priority) == (ssize_t)end->size ? 0 : -1;
}

static int send_sysv(struct end *end, struct message *message) {
    message->type = 1;
    return msgsnd(end->send, message, end->size, 0);
}
static int receive_sysv(struct end *end, struct message *message) {
    return msgrcv(end->receive, message, end->size, 0, 0) == (ssize_t)end->size ? 0 : -1;
}

static int send_counter(struct end *end, struct message *message) {
    (void)message;
    uint64_t one = 1;
    return write(end->send, &one, sizeof one) == sizeof one ? 0 : -1;
}
static int receive_counter(struct end *end, struct message *message) {
    (void)message;
    uint64_t count;
    return read(end->receive, &count, sizeof count) == sizeof count ? 0 : -1;
}

/// Tries, and waits with epoll (edge-triggered) while there is nothing.
static inline __attribute__((always_inline)) int receive_epoll(struct end *end, void *bytes, size_t size) {
    while (1) {
        ssize_t count = read(end->receive, bytes, size);
        if (count == (ssize_t)size) return 0;
        if (count >= 0 || errno != EAGAIN) return -1;
        struct epoll_event event;
        if (epoll_wait(end->epoll, &event, 1, -1) < 0) return -1;
    }
}
static int receive_counter_epoll(struct end *end, struct message *message) {
    (void)message;
    uint64_t count;
    return receive_epoll(end, &count, sizeof count);
}
static int receive_pipe_epoll(struct end *end, struct message *message) {
    return receive_epoll(end, message->bytes, end->size);
}

static struct message *allocate(const struct end *end) {
    char *bytes = bench_allocate(end->size);
    return (struct message *)(bytes - offsetof(struct message, bytes));
}

static inline __attribute__((always_inline)) int ping(struct end *end, transfer *sending, transfer *receiving) {
    struct message *out = allocate(end), *in = allocate(end);
    memset(out->bytes, 7, end->size);
    uint64_t rounds;
    while ((rounds = bench_next()) > 0) {
        uint64_t start = bench_now();
        for (uint64_t i = 0; i < rounds; i++)
            if (sending(end, out) < 0 || receiving(end, in) < 0) return 1;
        bench_report(bench_now() - start);
    }
    return 0;
}
static inline __attribute__((always_inline)) int echo(struct end *end, transfer *sending, transfer *receiving) {
    struct message *message = allocate(end);
    while (receiving(end, message) == 0 && sending(end, message) == 0) {}
    return 1;
}

static int become_epoll(struct end *end) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    end->epoll = epoll_create1(EPOLL_CLOEXEC);
    fcntl(end->receive, F_SETFL, fcntl(end->receive, F_GETFL) | O_NONBLOCK);
    return end->epoll < 0 ? -1 : epoll_ctl(end->epoll, EPOLL_CTL_ADD, end->receive, &event);
}

#define EITHER(sending, receiving) (is_echo ? echo(&end, sending, receiving) : ping(&end, sending, receiving))

int main(int count, char **arguments) {
    if (count < 7) return 2;
    const char *role = arguments[2], *workload = arguments[3];
    struct end end = {bench_receive_fd, bench_send_fd, (size_t)atol(arguments[4]), -1};
    int is_echo = !strcmp(role, "echo");
    signal(SIGPIPE, SIG_IGN);
    if (strstr(workload, "sem-")) return semaphores_main(role, workload, arguments[5], arguments[6]);
    if (!strcmp(workload, "unix-seqpacket")) return EITHER(send_packet, receive_packet);
    if (!strcmp(workload, "mq")) {
        end.receive = mq_open(arguments[5], O_RDONLY | O_CLOEXEC);
        end.send = mq_open(arguments[6], O_WRONLY | O_CLOEXEC);
        return EITHER(send_mq, receive_mq);
    }
    if (!strcmp(workload, "sysv-msg")) {
        end.receive = atoi(arguments[5]);
        end.send = atoi(arguments[6]);
        return EITHER(send_sysv, receive_sysv);
    }
    int is_counter = !strcmp(workload, "eventfd");
    if (!strcmp(role, "epoll")) {
        if (become_epoll(&end) < 0) return 1;
        return is_counter ? ping(&end, send_counter, receive_counter_epoll) : ping(&end, send_pipe, receive_pipe_epoll);
    }
    // Our counters are non-blocking from birth, and this is the other end of one.
    bench_make_blocking(end.receive);
    return is_counter ? EITHER(send_counter, receive_counter) : EITHER(send_pipe, receive_pipe);
}
