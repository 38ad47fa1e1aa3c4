// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension MappableObject where Self: ~Copyable {
    /// Blocks until the object has at least so many bytes.
    ///
    /// For objects that another implementation makes, in two steps: for a moment they have a name and no bytes. And for
    /// readers that wait until the owner has made an object longer. The kernel tells nobody, so this looks again and again,
    /// after 0.1 milliseconds at first and 5 later.
    ///
    /// - Parameters:
    ///   - byteCount: at least 1 to wait for any size at all.
    ///   - deadline: when to give up.
    /// - Returns: how many bytes it has.
    /// - Throws: ``IPCError/Code/timedOut``.
    @discardableResult
    public func waitForSize(atLeast byteCount: Int = 1, until deadline: Deadline) throws(IPCError) -> Int {
        var pause: UInt64 = 100_000
        while true {
            let size = try sizeBytes()
            if size >= byteCount { return size }
            if Deadline.now >= deadline { throw tooShort(size, byteCount) }
            sysNap(nanoseconds: pause)
            pause = min(pause * 2, 5_000_000)
        }
    }

    /// Suspends until the object has at least so many bytes; as the blocking form.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/cancelled``.
    @discardableResult
    public func waitForSize(atLeast byteCount: Int = 1, until deadline: Deadline) async throws(IPCError) -> Int {
        var pause: UInt64 = 100_000
        while true {
            let size = try sizeBytes()
            if size >= byteCount { return size }
            if Deadline.now >= deadline { throw tooShort(size, byteCount) }
            do { try await Task.sleep(nanoseconds: pause) } catch {
                throw IPCError(code: .cancelled, subject: subject, hint: "the task was cancelled while it waited")
            }
            pause = min(pause * 2, 5_000_000)
        }
    }

    private func tooShort(_ size: Int, _ wanted: Int) -> IPCError {
        IPCError(code: .timedOut, subject: subject, hint: "it has \(size) bytes, and \(wanted) were waited for")
    }
}
