// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// State of the whole process that a test changes. Only in exit tests: other tests run beside.
package enum ProcessState {
    /// Becomes the user `nobody` for good, without groups and capabilities.
    package static func becomeNobody() throws { try TestSyscalls.becomeUser(65534) }

    /// Becomes a user for good, without groups and capabilities.
    package static func become(user: UInt32) throws { try TestSyscalls.becomeUser(user) }

    /// The soft limit of descriptors (RLIMIT_NOFILE).
    package static func limitDescriptors(_ count: Int) throws { try TestSyscalls.setLimit(.descriptors, UInt64(count)) }

    /// The soft limit of bytes in POSIX queues of this user (RLIMIT_MSGQUEUE).
    package static func limitQueueBytes(_ count: Int) throws {
        try TestSyscalls.setLimit(.messageQueueBytes, UInt64(count))
    }

    /// Opens `/dev/null` until no descriptor is left but `spare`.
    package static func exhaustDescriptors(leaving spare: Int = 0) throws {
        var held: [CInt] = []
        while let next = try? sysOpen("/dev/null", flags: 0) { held.append(next) }
        for number in held.suffix(spare) { TestSyscalls.close(number) }
    }

    /// The umask.
    package static func setFileModeMask(_ mask: UInt32) { TestSyscalls.setFileModeMask(mask) }

    /// Whether SIGPIPE (13), or another signal, has its default disposition.
    package static func hasDefaultDisposition(_ signal: CInt = 13) -> Bool {
        TestSyscalls.disposition(of: signal) == .standard
    }

    /// Ignores a signal, or gives it back its default.
    package static func setIgnored(_ signal: CInt, _ ignored: Bool = true) { TestSyscalls.setIgnored(signal, ignored) }
}

/// Interrupts the calling thread again and again while a body runs, so that its system calls meet EINTR.
///
/// The handler, which does nothing, stays for the life of the process: use it in an exit test.
package enum SignalStorm {
    /// Runs `body` on this thread under SIGUSR1, one every `interval` nanoseconds. At least one came when it returns.
    @discardableResult
    package static func run<R>(everyNanoseconds interval: UInt64 = 200_000, _ body: () throws -> R) throws -> R {
        try TestSyscalls.installInterruptingHandler(10)
        TestSyscalls.admitSignal(10)
        let thread = sysThreadID()
        let stop = Flag()
        let stopped = Flag()
        let first = Flag()
        try TestSyscalls.startThread("signal-storm") {
            while !stop.isSet {
                try? TestSyscalls.signalThread(thread, 10)
                first.set()
                TestSyscalls.sleep(nanoseconds: interval)
            }
            stopped.set()
        }
        defer {
            while !first.isSet { TestSyscalls.sleep(nanoseconds: 50_000) }
            stop.set()
            while !stopped.isSet { TestSyscalls.sleep(nanoseconds: 50_000) }
        }
        return try body()
    }
}

/// A flag that threads share.
package final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    package init() {}
    package var isSet: Bool { value.load(ordering: .acquiring) }
    package func set() { value.store(true, ordering: .releasing) }
}
