// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// Five philosophers and five forks; who eats needs the fork at his left and the one at his right.
///
/// Dijkstra's P is `wait`, his V is `post`. Without a P of both forks at once all take their left fork and starve.
@main
struct SemaphoresStarvation {
    static let seats = 5
    static let mealsEach = 3

    static func main() async throws {
        print("one fork after the other: \(try await dine(bothAtOnce: false)) meals")
        print("both forks or none: \(try await dine(bothAtOnce: true)) meals")
    }

    static func dine(bothAtOnce: Bool) async throws -> Int {
        // A semaphore for each fork, and one more: who has not taken his first fork yet.
        let table = try SystemVSemaphoreSet(
            key: .private, mode: .createExclusive, values: [Int](repeating: 1, count: seats) + [seats],
            lifetime: .removeOnClose)
        let id = table.id
        return try await withThrowingTaskGroup(of: Int.self) { group in
            for seat in 0..<seats {
                // Each with a handle of his own, as if he were a process of his own: nothing else is shared.
                group.addTask {
                    let table = try SystemVSemaphoreSet(id: id)
                    return try await bothAtOnce ? eatWell(seat, table) : starve(seat, table)
                }
            }
            return try await group.reduce(0, +)
        }
    }

    /// P of both forks as one operation: nobody ever holds one and waits for the other.
    static func eatWell(_ seat: Int, _ table: borrowing SystemVSemaphoreSet) async throws -> Int {
        let (left, right) = (seat, (seat + 1) % seats)
        for _ in 0..<mealsEach {
            try await table.perform([.wait(left, undo: true), .wait(right, undo: true)])
            try await Task.sleep(for: .milliseconds(1))
            try table.post(both: left, right)
        }
        return mealsEach
    }

    /// P of one fork, then of the other.
    static func starve(_ seat: Int, _ table: borrowing SystemVSemaphoreSet) async throws -> Int {
        let (left, right) = (seat, (seat + 1) % seats)
        try await table.wait(left, undo: true)
        // Everybody is that quick today: each waits here until all have their left fork.
        try await table.wait(seats)
        try await table.waitForZero(seats)
        do {
            try await table.wait(right, undo: true, until: .after(.milliseconds(300)))
        } catch let error where error.code == .timedOut {
            return 0  // without the deadline he would wait for ever, and so would all
        }
        return 1
    }
}

extension SystemVSemaphoreSet {
    /// V of both forks as one operation; it never waits.
    func post(both left: Int, _ right: Int) throws(IPCError) {
        try perform([.post(left, undo: true), .post(right, undo: true)])
    }
}
