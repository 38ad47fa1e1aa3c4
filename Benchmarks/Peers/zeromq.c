// SPDX-License-Identifier: Apache-2.0
// ZeroMQ over ipc: PAIR for exchanges, PUSH and PULL for streams, XPUB (that does not drop) and SUB for several.
#include <compare.h>
#include <string.h>
#include <zmq.h>

static void *out, *in;

static void check(int result) {
    if (result < 0) compare_failed("zeromq");
}

static void *open_socket(void *context, int type, const char *name, int is_bound) {
    void *socket = zmq_socket(context, type);
    int yes = 1, linger = 0;
    if (!socket) compare_failed("zmq_socket");
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (type == ZMQ_XPUB) check(zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &yes, sizeof yes));
    // Every subscription is told of, not only the first.
    if (type == ZMQ_XPUB) check(zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &yes, sizeof yes));
    if (type == ZMQ_SUB) check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0));
    check(is_bound ? zmq_bind(socket, name) : zmq_connect(socket, name));
    return socket;
}

static void send(struct compare *run) {
    zmq_msg_t message;
    check(zmq_msg_init_size(&message, run->bytes));
    compare_fill(run, zmq_msg_data(&message), run->sent);
    check(zmq_msg_send(&message, out, 0));
}

static void receive(struct compare *run) {
    zmq_msg_t message;
    check(zmq_msg_init(&message));
    check(zmq_msg_recv(&message, in, 0));
    if (zmq_msg_size(&message) != run->bytes) run->failures += 1;
    else compare_check(run, zmq_msg_data(&message), run->received);
    zmq_msg_close(&message);
}

int main(int count, char **arguments) {
    struct compare run;
    compare_begin(&run, count, arguments);
    if (!run.touches) compare_unsupported("it copies every message");
    if (!run.blocks) compare_unsupported("a thread of its own needs the CPU that polling takes");
    if (!strcmp(run.mode, "async")) compare_unsupported("not measured");
    char name[64];
    compare_name(name, sizeof name, "ipc://@", 0);
    compare_fork(&run);
    void *context = zmq_ctx_new();
    int is_parent = run.child < 0, is_fanout = !run.exchanges && run.child_count > 1;
    int type = run.exchanges ? ZMQ_PAIR : is_fanout ? (is_parent ? ZMQ_XPUB : ZMQ_SUB) : is_parent ? ZMQ_PUSH : ZMQ_PULL;
    out = in = open_socket(context, type, name, is_parent);
    for (int i = 0; is_parent && is_fanout && i < run.child_count; i++) {
        char subscription[8];
        check(zmq_recv(out, subscription, sizeof subscription, 0));
    }
    return compare_run(&run, send, receive);
}
