// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Two accounts in shared memory, and a clerk who is killed between taking from one and giving to the other.
struct Accounts: SharedPayload {
    var left = 100
    var right = 0
    /// What is on its way: written before the money leaves, cleared when it has arrived.
    var underWay = 0
    var leftBefore = 100

    /// Whoever died left the transfer half done: undo it.
    mutating func repair() -> Bool {
        if underWay != 0 {
            left = leftBefore
            underWay = 0
            print("repaired: \(left) and \(right)")
        }
        return left + right == 100
    }
}

@main
struct LocksSurviveAKill {
    static func main() async throws {
        let arguments = CommandLine.arguments
        let name = try ObjectName(arguments.count > 1 ? arguments[1] : "/accounts")
        let accounts = try RobustMutex(
            name, mode: .openOrCreate, initial: Accounts(), recovery: .repair { $0.repair() })
        if arguments.last == "clerk" { return try dieAtWork(accounts) }
        defer { try? LockMemory.unlink(name) }

        let clerk = try ProcessHandle.spawn(.thisProgram([name.description, "clerk"]))
        if let signal = try await clerk.exit().signal { print("the clerk was ended by \(signal)") }
        // Asked by a task: the lock of the dead is passed on, with the news.
        let (left, right) = try await accounts.withLock { ($0.left, $0.right) }
        print("left has \(left), right has \(right)")
    }

    private static func dieAtWork(_ accounts: borrowing RobustMutex<Accounts>) throws {
        try accounts.withLock { accounts in
            accounts.leftBefore = accounts.left
            accounts.underWay = 30
            accounts.left -= 30
            try Signal.kill.sendToThisProcess()
        }
    }
}
