// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// What it measures is not tested, only that it does, checks what arrives, and comes to an end.
@Suite struct BenchTests {
    @Test func everySubjectIsMeasuredAndChecked() throws {
        let output = try ipc("bench", "--payload", "64,5000", "--mode", "blocking", "--duration", "5ms", "--json").text
        let faults = """
            [m for m in d if not (m['schema'] == 1 and m['verified'] is True and m['median'] > 0 and m['repetitions'] == 5 \
            and m['subscribers'] == 1 and m['mode'] == 'blocking' and m['messages'] > 0 \
            and (m['unit'] == 'ns' and m['p99'] >= m['median'] if m['workload'] == 'latency' else m['unit'] == 'messages/s'))]
            """
        #expect(try parsed(output, faults) == "[]")
        #expect(try parsed(output, "sorted(set(m['payloadBytes'] for m in d))") == "[64, 5000]")
        #expect(try parsed(output, "len(d) == 4 * len(set(m['subject'] for m in d)) and len(d) >= 16") == "True")
    }

    @Test(arguments: ["busy", "blocking-one-cpu"]) func everyModeComesToAnEnd(_ mode: String) throws {
        let output = try ipc("bench", "pipe", "--payload", "64", "--mode", mode, "--duration", "5ms").text
        #expect(output.contains("pipe"))
        #expect(output.contains(mode))
        #expect(!output.contains("\u{1b}["), "nothing moves off a terminal")
    }

    @Test func whatAQueueDoesNotTakeIsToldAndIsNoFailure() throws {
        let output = try ipc("bench", "mq", "--payload", "1MiB", "--mode", "blocking", "--duration", "5ms", "--json")
            .text
        #expect(try parsed(output, "['at most' in m['reason'] for m in d]") == "[True, True]")
    }

    /// The other process may be in a wait that only a message ends.
    @Test func whenOneIsKilledTheOtherGoesToo() throws {
        let bench = try start("bench", "mq", "--payload", "64", "--mode", "blocking", "--duration", "10s", "--json")
        var other: Int32?
        try eventually("the other process is there") {
            let path = FilePath("/proc/\(bench.processID)/task/\(bench.processID)/children")
            let text = String(decoding: (try? Checkout.contents(of: path)) ?? [], as: UTF8.self)
            other = text.split(separator: " ").first.flatMap { Int32($0) }
            return other != nil
        }
        let peer = try #require(other)
        try sysKill(peer, 9)
        let outcome = try bench.finish()
        #expect(outcome.status == .exited(1) || outcome.text.contains("the other process"), "\(outcome.errorText)")

        let again = try start("bench", "mq", "--payload", "64", "--mode", "busy", "--duration", "10s", "--json")
        other = nil
        try eventually("the other process is there") {
            let path = FilePath("/proc/\(again.processID)/task/\(again.processID)/children")
            let text = String(decoding: (try? Checkout.contents(of: path)) ?? [], as: UTF8.self)
            other = text.split(separator: " ").first.flatMap { Int32($0) }
            return other != nil
        }
        again.kill(9)
        try again.wait()
        let orphan = try #require(other)
        try eventually("it is gone as well") { !exists(FilePath("/proc/\(orphan)")) }
    }
}
