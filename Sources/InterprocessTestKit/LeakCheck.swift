// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What a test left behind.
package struct Leak: Error, CustomStringConvertible {
    package let description: String
}

/// Compares what this process holds before and after.
///
/// Descriptors and threads belong to the whole process, and tests run beside each other: use it in an exit test. Run the
/// scenario once before the baseline is taken, so that what is made once and kept (the reactor) counts as there.
package struct LeakCheck: Sendable {
    private let descriptorsBefore: [CInt: String]
    private let threadsBefore: [Int32: String]

    /// Takes the baseline.
    package init() {
        descriptorsBefore = Self.descriptors()
        threadsBefore = Self.threads()
    }

    /// Throws ``Leak`` if there is more than before; what closes a little later is waited for.
    ///
    /// - Parameters:
    ///   - threads: whether threads count as well. Those of the cooperative pool are not counted.
    ///   - patience: how long to look again before calling it a leak.
    package func verify(threads: Bool = false, patience: Duration = .seconds(3)) throws {
        let deadline = Peer.point(patience)
        while true {
            let found = surplus(threads: threads)
            if found.isEmpty { return }
            if sysMonotonicNanoseconds() > deadline {
                throw Leak(description: "left behind: " + found.joined(separator: ", "))
            }
            TestSyscalls.sleep(nanoseconds: 5_000_000)
        }
    }

    private func surplus(threads: Bool) -> [String] {
        let fresh = Self.descriptors().filter { descriptorsBefore[$0.key] != $0.value }
        var found = Self.withoutThoseOfDispatch(fresh)
            .sorted { $0.key < $1.key }.map { "descriptor \($0.key) (\($0.value))" }
        if threads {
            found += Self.threads().filter { threadsBefore[$0.key] == nil && !Self.isShared($0.value) }
                .map { "thread \($0.key) (\($0.value))" }
        }
        return found
    }

    /// Dispatch opens an epoll and an eventfd once in the life of a process, when it first has to wait for something,
    /// which can be in the middle of any test: the first that appears is taken for that one. Timers (timerfd) are all
    /// its own; this package opens none.
    private static let ofDispatch = Mutex<[String: CInt]>([:])

    private static func withoutThoseOfDispatch(_ fresh: [CInt: String]) -> [CInt: String] {
        let once = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"]
        return ofDispatch.withLock { known in
            for (number, kind) in fresh.sorted(by: { $0.key < $1.key }) where once.contains(kind) && known[kind] == nil
            {
                known[kind] = number
            }
            return fresh.filter { known[$0.value] != $0.key && $0.value != "anon_inode:[timerfd]" }
        }
    }

    /// Threads of the runtime and of this kit, which come when there is work.
    private static func isShared(_ name: String) -> Bool {
        name == "test-watchdog" || name.hasPrefix("SWT ") || name.hasSuffix("-qos") || name.hasPrefix("-qos")
            || Self.processName.hasPrefix(name) || name.hasPrefix("com.apple")
            || name.hasPrefix("libdispatch")
    }

    private static let processName =
        ((try? Checkout.text(of: "/proc/self/comm")) ?? "").split(separator: "\n").first.map(String.init) ?? ""

    /// The open descriptors of this process and what they are.
    package static func descriptors() -> [CInt: String] {
        var all: [CInt: String] = [:]
        for name in (try? TestSyscalls.entries(of: "/proc/self/fd")) ?? [] {
            guard let number = CInt(name), let target = TestSyscalls.linkTarget(FilePath("/proc/self/fd/\(name)")),
                !target.hasSuffix("/fd"), !target.hasPrefix("/proc/")
            else { continue }
            all[number] = target
        }
        return all
    }

    /// The threads of this process and their names.
    package static func threads() -> [Int32: String] {
        var all: [Int32: String] = [:]
        for name in (try? TestSyscalls.entries(of: "/proc/self/task")) ?? [] {
            let path = FilePath("/proc/self/task/\(name)/comm")
            guard let number = Int32(name), let text = try? Checkout.text(of: path) else { continue }
            all[number] = text.split(separator: "\n").first.map(String.init) ?? ""
        }
        return all
    }

    /// Objects with a scratch name that are on this machine: paths under the temporary folder, POSIX queues, System V
    /// queues with a key of the test range.
    package static func scratchObjects() -> [String] {
        var found: [String] = []
        for folder in [FilePath(TestSyscalls.environmentVariable("TMPDIR") ?? "/tmp"), "/dev/mqueue"] {
            for name in (try? TestSyscalls.entries(of: folder)) ?? [] where name.hasPrefix(ScratchName.prefix) {
                found.append("\(folder)/\(name)")
            }
        }
        for line in ((try? Checkout.text(of: "/proc/sysvipc/msg")) ?? "").split(separator: "\n").dropFirst() {
            guard let key = line.split(separator: " ").first.flatMap({ Int32($0) }), key >> 24 == 0x53 else { continue }
            found.append("sysv-msg:0x" + String(UInt32(bitPattern: key), radix: 16))
        }
        return found.sorted()
    }
}
