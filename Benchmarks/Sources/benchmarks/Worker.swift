// SPDX-License-Identifier: Apache-2.0
import CSupport
import Interprocess

/// This program as one of the processes that are measured: `benchmarks worker ROLE WORKLOAD SIZE RECEIVE SEND`.
struct Worker {
    let program: String
    let role: String
    let workload: String
    let size: Int
    let receive: String
    let send: String

    init?(_ arguments: [String]) {
        guard arguments.count == 7, arguments[1] == "worker", let size = Int(arguments[4]) else { return nil }
        (program, role, workload) = (arguments[0], arguments[2], arguments[3])
        (self.size, receive, send) = (size, arguments[5], arguments[6])
    }

    func run() throws(IPCError) {
        switch (role, workload) {
        case _ where SemaphoreBenchmarks.names.contains(workload): try SemaphoreBenchmarks.work(self)
        case ("async", "eventfd"): try counterAsync()
        case ("async", _): try pipeAsync()
        case (_, "pipe"): try exchange(try PipeExchange())
        case (_, "unix-seqpacket"): try exchange(try PacketExchange())
        case (_, "mq"): try exchange(try QueueExchange(receive: receive, send: send))
        default: try exchange(try SystemVExchange(receive: Int32(receive) ?? -1, send: Int32(send) ?? -1))
        }
    }

    private func exchange(_ exchange: borrowing some Exchange & ~Copyable) throws(IPCError) {
        if role == "echo" { try echo(exchange, size) } else { try ping(exchange, size) }
    }
}

// MARK: Tasks

extension Worker {
    /// Two counters between a task and a C process that blocks. The counters are ours, so the peer is started here;
    /// it ends with this process.
    private func counterAsync() throws(IPCError) {
        let outgoing = try EventCounter()
        let incoming = try EventCounter()
        var peer = bench_worker()
        let failure = bench_start(
            &peer, Side.programOfC(beside: program), "echo", workload, size, "", "", bench_first_cpu(),
            outgoing.rawValue, incoming.rawValue)
        if failure != 0 { throw IPCError(code: .system, call: "fork", subject: "the peer") }
        let reactor = try Reactor(name: "benchmark")
        Task(executorPreference: reactor) { [outgoing = consume outgoing, incoming = consume incoming] in
            do throws(IPCError) { try await pingAsync(outgoing, incoming) } catch { print(error) }
            bench_end()
        }
        bench_wait_for_end()
    }

    private func pipeAsync() throws(IPCError) {
        let exchange = try PipeExchange()
        let reactor = try Reactor(name: "benchmark")
        Task(executorPreference: reactor) { [exchange = consume exchange, size] in
            do throws(IPCError) { try await pingAsync(exchange.reader, exchange.writer, size) } catch { print(error) }
            bench_end()
        }
        bench_wait_for_end()
    }
}

private func pingAsync(_ outgoing: borrowing EventCounter, _ incoming: borrowing EventCounter) async throws(IPCError) {
    while true {
        let rounds = bench_next()
        if rounds == 0 { return }
        let start = bench_now()
        for _ in 0..<rounds {
            try await outgoing.add(1)
            try await incoming.take()
        }
        bench_report(bench_now() - start)
    }
}

private func pingAsync(
    _ reader: borrowing PipeReader, _ writer: borrowing PipeWriter, _ size: Int
) async throws(IPCError) {
    let payload = [UInt8](repeating: 7, count: size)
    let answer = memory(size)
    while true {
        let rounds = bench_next()
        if rounds == 0 { return }
        let start = bench_now()
        for _ in 0..<rounds {
            try await writer.write(payload.span)
            var buffer = OutputSpan<UInt8>(buffer: answer, initializedCount: 0)
            while buffer.freeCapacity > 0 {
                if try await reader.read(into: &buffer) == 0 { return }
            }
        }
        bench_report(bench_now() - start)
    }
}
