// SPDX-License-Identifier: Apache-2.0
// Boost.Interprocess: message_queue, one a subscriber; a channel of two ends.
#include <compare.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <memory>

namespace ipc = boost::interprocess;

static std::unique_ptr<ipc::message_queue> queues[compare_children + 1];
static char *buffer;
static constexpr int way_back = compare_children;

static void open_queue(const compare &run, int channel) {
    char name[64];
    compare_name(name, sizeof name, "", channel);
    queues[channel] = std::make_unique<ipc::message_queue>(ipc::create_only, name, run.capacity / (run.bytes + 64), run.bytes);
    // The children inherit the mapping; nothing is left when they are killed.
    ipc::message_queue::remove(name);
}

static void send(compare *run) {
    compare_fill(run, buffer, run->sent);
    int first = run->child < 0 ? 0 : way_back, last = run->child < 0 ? run->child_count - 1 : way_back;
    for (int i = first; i <= last; i++) {
        unsigned looks = 0;
        if (run->blocks)
            queues[i]->send(buffer, run->bytes, 0);
        else
            while (!queues[i]->try_send(buffer, run->bytes, 0)) compare_idle(run, &looks);
    }
}

static void receive(compare *run) {
    auto &queue = *queues[run->child < 0 ? way_back : run->child];
    ipc::message_queue::size_type count;
    unsigned priority, looks = 0;
    if (run->blocks)
        queue.receive(buffer, run->bytes, count, priority);
    else
        while (!queue.try_receive(buffer, run->bytes, count, priority)) compare_idle(run, &looks);
    compare_check(run, buffer, run->received);
}

int main(int count, char **arguments) {
    compare run;
    compare_begin(&run, count, arguments);
    if (!run.touches) compare_unsupported("it copies every message");
    for (int i = 0; i < run.child_count; i++) open_queue(run, i);
    open_queue(run, way_back);
    compare_fork(&run);
    buffer = static_cast<char *>(compare_private(run.bytes));
    return compare_run(&run, send, receive);
}
