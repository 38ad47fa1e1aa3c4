// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// The way from the command, which waits with its thread, to calls that only tasks can make.
enum Bridge {
    /// Runs `body` as a task and waits for it.
    static func wait<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let (reading, writing) = try sysPlainPipe()
        let outcome = Shared<Result<Value, any Error>?>(nil)
        Task {
            let result: Result<Value, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            outcome.withLock { $0 = result }
            try? sysClose(writing)
        }
        _ = try readUpTo(1, reading)
        try sysClose(reading)
        guard let result = outcome.withLock({ $0 }) else {
            preconditionFailure("the pipe ends after the outcome is set")
        }
        return try result.get()
    }
}
