// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection
import InterprocessSyscalls
import SystemPackage

/// Semaphores as objects.
extension Objects {
    static func createSemaphore(_ name: ObjectName, _ plan: CreationPlan) throws -> Address {
        do throws(IPCError) {
            let semaphore = try NamedSemaphore(
                name, mode: plan.mode, initialValue: plan.value ?? 0, permissions: plan.permissions)
            if !semaphore.wasCreated, plan.value != nil {
                Output.note("sem:\(name): was there already; its value stays as it is")
            }
            try semaphore.close()
        } catch {
            throw reworded(error)
        }
        return try Address(kind: .sem, name: .object(name))
    }

    static func createSemaphoreSet(_ address: Address, _ plan: CreationPlan) throws -> Address {
        let key = try systemVKey(address)
        let values = plan.values ?? Array(repeating: plan.value ?? 0, count: plan.count ?? 1)
        let isAsked = plan.values != nil || plan.value != nil || plan.count != nil
        do throws(IPCError) {
            if key != .private, !plan.exclusive, try SystemVSemaphoreSet.exists(key: key) {
                let set = try SystemVSemaphoreSet(key: key, initialization: .asFound)
                if isAsked { Output.note("\(address): was there already, with \(set.count) semaphores; it stays so") }
                try set.close()
                return Address(unchecked: .sysvSem, .key(key))
            }
            let mode: CreationMode = key == .private ? .createExclusive : plan.mode
            let set = try SystemVSemaphoreSet(
                key: key, mode: mode, values: values, permissions: plan.permissions, initialization: .asFound)
            let id = set.id
            try set.close()
            return Address(unchecked: .sysvSem, key == .private ? .id(id) : .key(key))
        } catch {
            throw reworded(error)
        }
    }

    static func openSemaphoreSet(_ address: Address) throws -> SystemVSemaphoreSet {
        do {
            if case .id(let id) = address.name { return try SystemVSemaphoreSet(id: id) }
            let key = try systemVKey(address)
            if key == .private { throw privateHasNone(address) }
            // A set that ipcmk(1) made has never been operated on: it is taken as it is found.
            return try SystemVSemaphoreSet(key: key, initialization: .asFound)
        } catch let error as IPCError {
            throw reworded(error)
        }
    }

    static func privateHasNone(_ address: Address) -> Failure {
        .unfit(address, "private makes a new object: ipc create \(address) prints its id= address")
    }
}

/// What `wait` takes and `post` gives.
protocol Permit: AnyObject {
    /// - Parameter noWait: fails with EAGAIN rather than wait.
    func take(until deadline: Deadline, noWait: Bool) throws
    func give() throws
}

/// A POSIX semaphore: one permit at a time.
final class NamedPermit: Permit {
    private let address: Address
    private let semaphore: NamedSemaphore
    private let count: Int

    /// - Parameter count: how many `give` gives.
    init(_ address: Address, _ name: ObjectName, count: Int) throws {
        self.address = address
        self.count = count
        semaphore = try Self.open(name)
    }

    private static func open(_ name: ObjectName) throws(IPCError) -> NamedSemaphore {
        do throws(IPCError) { return try NamedSemaphore(name) } catch { throw Objects.reworded(error) }
    }

    func take(until deadline: Deadline, noWait: Bool) throws {
        if noWait {
            if try semaphore.tryWait() { return }
            throw IPCError(
                .resourceTemporarilyUnavailable, "sem_trywait", "\(address)",
                hint: "its value is 0; wait with --timeout, or raise it with: ipc post \(address)")
        }
        if deadline == .never { return try semaphore.wait() }
        try semaphore.wait(until: deadline)
    }

    func give() throws {
        for _ in 0..<count { try semaphore.post() }
    }
}

/// One semaphore of a System V set.
final class SystemVPermit: Permit {
    private let address: Address
    private let set: SystemVSemaphoreSet
    private let index: Int
    private let amount: Int
    private let undo: Bool

    init(_ address: Address, index: Int, amount: Int, undo: Bool) throws {
        self.address = address
        self.index = index
        self.amount = amount
        self.undo = undo
        set = try Objects.openSemaphoreSet(address)
        guard index < set.count else {
            throw IPCError(
                .fileTooLarge, "semop", "\(address)",
                hint: "it has \(set.count) semaphores, counted from 0: there is none with index \(index)")
        }
    }

    func take(until deadline: Deadline, noWait: Bool) throws {
        if noWait {
            let done =
                amount == 0
                ? try set.tryPerform([.waitForZero(index, noWait: true)])
                : try set.tryWait(index, by: amount, undo: undo)
            if done { return }
            let value = (try? set.value(index)).map { "its value is \($0)" } ?? "its value does not allow it"
            throw IPCError(
                .resourceTemporarilyUnavailable, "semop", "\(address)",
                hint: amount == 0 ? "\(value), and 0 was waited for" : "\(value), and \(amount) were asked for")
        }
        if amount == 0 { return try set.waitForZero(index, until: deadline) }
        if deadline == .never { return try set.wait(index, by: amount, undo: undo) }
        try set.wait(index, by: amount, undo: undo, until: deadline)
    }

    func give() throws {
        if amount == 0 { return }
        try set.post(index, by: amount, undo: undo)
    }
}
