// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// What is written to: it refuses whoever comes with an older token than it has seen.
struct Store: SharedPayload {
    var value = 0
    var highestToken: UInt64 = 0

    mutating func write(_ value: Int, _ token: FencingToken) -> Bool {
        guard token.rawValue >= highestToken else { return false }
        highestToken = token.rawValue
        self.value = value
        return true
    }
}

/// A leader that stops for longer than its lease, and goes on as if nothing had been.
@main
struct LocksLease {
    static func main() async throws {
        let path = FilePath(CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "/tmp/leader")
        let leadership = try Lease(path, term: .milliseconds(200))
        let store = try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: Store(), recovery: .keep)

        let first = try await leadership.acquire()
        let (old, one) = (first.token, try await write(1, first.token, store))
        print("first holder: token \(old), written: \(one)")
        print("taken by another meanwhile: \(leadership.tryAcquire() != nil)")

        // The first one is stopped: it does not renew. Who waits gets the lease when the term is over.
        let second = try await leadership.acquire()
        let two = try await write(2, second.token, store)
        print("second holder: token \(second.token), written: \(two)")

        // The first one goes on and has not looked: only the token stops it.
        print("first again: written: \(try await write(3, old, store))")
        print("first asks: renewed: \(first.renew())")
        print("the store has \(try await store.withLock { $0.value })")
    }

    private static func write(
        _ value: Int, _ token: FencingToken, _ store: borrowing RobustMutex<Store>
    ) async throws -> Bool {
        try await store.withLock { $0.write(value, token) }
    }
}
