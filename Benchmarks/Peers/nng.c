// SPDX-License-Identifier: Apache-2.0
// nng over ipc: PAIR for exchanges, PUSH and PULL for streams, one a subscriber, since PUB drops what is too fast.
#include <compare.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nng_socket sockets[compare_children];

static void check(int result) {
    if (result == 0) return;
    fprintf(stderr, "nng: %s\n", nng_strerror(result));
    exit(1);
}

static void open_socket(struct compare *run, int i) {
    char name[64];
    compare_name(name, sizeof name, "abstract://", i);
    if (run->exchanges)
        check(nng_pair0_open(&sockets[i]));
    else
        check(run->child < 0 ? nng_push0_open(&sockets[i]) : nng_pull0_open(&sockets[i]));
    nng_socket_set_size(sockets[i], NNG_OPT_RECVMAXSZ, 0);
    nng_socket_set_int(sockets[i], NNG_OPT_SENDBUF, 128);
    nng_socket_set_int(sockets[i], NNG_OPT_RECVBUF, 128);
    if (run->child < 0)
        check(nng_listen(sockets[i], name, NULL, 0));
    else
        check(nng_dial(sockets[i], name, NULL, NNG_FLAG_NONBLOCK));
}

static void send(struct compare *run) {
    int last = run->exchanges || run->child >= 0 ? 0 : run->child_count - 1;
    for (int i = 0; i <= last; i++) {
        nng_msg *message;
        check(nng_msg_alloc(&message, run->bytes));
        compare_fill(run, nng_msg_body(message), run->sent);
        check(nng_sendmsg(sockets[i], message, 0));
    }
}

static void receive(struct compare *run) {
    nng_msg *message;
    check(nng_recvmsg(sockets[run->child < 0 ? 0 : run->child], &message, 0));
    if (nng_msg_len(message) != run->bytes) run->failures += 1;
    else compare_check(run, nng_msg_body(message), run->received);
    nng_msg_free(message);
}

int main(int count, char **arguments) {
    struct compare run;
    compare_begin(&run, count, arguments);
    if (!run.touches) compare_unsupported("it copies every message");
    if (!run.blocks) compare_unsupported("threads of its own need the CPU that polling takes");
    if (!strcmp(run.mode, "async")) compare_unsupported("not measured");
    compare_fork(&run);
    for (int i = 0; i < run.child_count; i++)
        if (run.child < 0 || run.child == i) open_socket(&run, i);
    return compare_run(&run, send, receive);
}
