// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessSyscalls
import Synchronization
package import SystemPackage

/// Names that no other test uses, and the cleaning up after them.
///
/// Paths lie in a folder of their own; POSIX queue names begin with `/swift-ipc-test-`; System V keys are drawn at
/// random from a range of their own. When the value goes, everything that bears one of these names goes with it.
package final class ScratchName: Sendable {
    private struct State {
        var count = 0
        var directory: FilePath?
        var queues: [String] = []
        var keys: [Int32] = []
    }

    /// What every name begins with; ``LeakCheck`` looks for it.
    package static let prefix = "swift-ipc-test-"

    private let state = Mutex(State())
    private let stem: String

    package init() {
        stem = Self.prefix + "\(sysProcessID())-" + String(UInt32.random(in: .min ... .max), radix: 36)
    }

    deinit {
        state.withLock { state in
            if let directory = state.directory { TestSyscalls.removeAll(directory) }
            for name in state.queues { TestSyscalls.discardQueue(named: name) }
            for key in state.keys { TestSyscalls.discardMessageQueue(key: key) }
        }
    }

    /// A folder of mode 0700, made at the first call.
    package var directory: FilePath {
        state.withLock { state in
            if let directory = state.directory { return directory }
            let path = FilePath(TestSyscalls.environmentVariable("TMPDIR") ?? "/tmp").appending(stem)
            do { try TestSyscalls.makeDirectory(path) } catch { fatalError("cannot make \(path): \(error)") }
            state.directory = path
            return path
        }
    }

    /// A path in ``directory`` at which there is nothing yet.
    package func path(_ label: String = "object") -> FilePath {
        let count = nextCount()
        return directory.appending("\(label)-\(count)")
    }

    /// A name for `unix:@…`.
    package func abstractName(_ label: String = "socket") -> String { "\(stem)-\(label)-\(nextCount())" }

    /// The name of a POSIX message queue that is not there yet.
    package func queueName(_ label: String = "queue") -> String {
        let name = "/\(stem)-\(label)-\(nextCount())"
        state.withLock { $0.queues.append(name) }
        return name
    }

    /// ``queueName(_:)`` as the library takes it.
    package func objectName(_ label: String = "queue") -> ObjectName {
        do { return try ObjectName(queueName(label)) } catch { fatalError("\(error)") }
    }

    /// A System V key, 0x53…, under which there is no message queue yet.
    package func key() -> Int32 {
        while true {
            let key = 0x5300_0000 | Int32.random(in: 1..<0x0100_0000)
            if TestSyscalls.messageQueueExists(key: key) { continue }
            state.withLock { $0.keys.append(key) }
            return key
        }
    }

    private func nextCount() -> Int {
        state.withLock { state in
            state.count += 1
            return state.count
        }
    }
}
