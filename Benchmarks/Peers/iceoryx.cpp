// SPDX-License-Identifier: Apache-2.0
// iceoryx 2.0: samples loaned and published in place; RouDi, its daemon, must run.
#include <compare.h>

#include <cstring>
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <memory>
#include <optional>

namespace popo = iox::popo;

static std::optional<popo::UntypedPublisher> publisher;
static std::optional<popo::UntypedSubscriber> subscriber;
static std::optional<popo::WaitSet<>> waiter;

static iox::capro::ServiceDescription service(int direction) {
    char name[64];
    compare_name(name, sizeof name, "", direction);
    return {"compare", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, name), "messages"};
}

static void open(const compare &run, int sending, int receiving) {
    if (sending >= 0) {
        popo::PublisherOptions options;
        options.subscriberTooSlowPolicy = popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
        publisher.emplace(service(sending), options);
    }
    if (receiving < 0) return;
    popo::SubscriberOptions options;
    // No more than the pool of the longest messages holds.
    options.queueCapacity = run.bytes > 100000 ? 2 : run.bytes > 10000 ? 32 : 256;
    options.queueFullPolicy = popo::QueueFullPolicy::BLOCK_PRODUCER;
    subscriber.emplace(service(receiving), options);
    while (subscriber->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED) compare_yield();
    if (!run.blocks) return;
    waiter.emplace();
    if (waiter->attachState(*subscriber, popo::SubscriberState::HAS_DATA).has_error()) compare_failed("attachState");
}

static void send(compare *run) {
    // The pool is as long as it is: who finds it empty waits for the reader.
    unsigned looks = 0;
    for (bool sent = false; !sent; compare_idle(run, &looks))
        publisher->loan(static_cast<uint32_t>(run->bytes), 8)
            .and_then([&](auto &payload) {
                compare_fill(run, payload, run->sent);
                publisher->publish(payload);
                sent = true;
            });
}

static void receive(compare *run) {
    unsigned looks = 0;
    for (bool received = false; !received;) {
        subscriber->take().and_then([&](const void *payload) {
            compare_check(run, payload, run->received);
            subscriber->release(payload);
            received = true;
        });
        if (received) break;
        if (run->blocks) waiter->wait();
        else compare_idle(run, &looks);
    }
}

int main(int count, char **arguments) {
    compare run;
    compare_begin(&run, count, arguments);
    if (!strcmp(run.mode, "async")) compare_unsupported("not measured");
    compare_fork(&run);
    char name[64];
    compare_name(name, sizeof name, "", run.child + 1);
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
    iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name));
    if (run.child < 0) open(run, 0, run.exchanges ? 1 : -1);
    else open(run, run.exchanges ? 1 : -1, 0);
    compare_run(&run, send, receive);
    // RouDi hears of the end; the children end after the process that measures has told them.
    waiter.reset();
    subscriber.reset();
    publisher.reset();
    return 0;
}
