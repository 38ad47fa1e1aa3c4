// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

// MARK: Values

extension SystemVSemaphoreSet {
    /// The values of all semaphores, as they were at one moment.
    ///
    /// - Throws: ``IPCError/Code/removed``; ``IPCError/Code/permissionDenied`` without read permission.
    ///
    /// The corresponding C function is `semctl(2)` with `GETALL`.
    public func values() throws(IPCError) -> [Int] {
        do throws(Errno) { return try sysSemaphoreSetValues(id, count: count).map { Int($0) } } catch {
            throw core.failure(error, "semctl")
        }
    }

    /// The value of one semaphore.
    ///
    /// - Throws: ``IPCError/Code/invalidArgument`` for a number that the set does not have; as ``values()``.
    ///
    /// The corresponding C function is `semctl(2)` with `GETVAL`.
    public func value(_ number: Int = 0) throws(IPCError) -> Int {
        try check(number)
        do throws(Errno) { return try sysSemaphoreNumber(id, number: number, .value) } catch {
            throw core.failure(error, "semctl")
        }
    }

    /// Gives all semaphores their values at once, and lets those proceed that now can.
    ///
    /// What processes had done with undo is forgotten: nothing of it is undone when they end.
    ///
    /// - Parameter values: as many as the set has, 0 to ``maximumValue`` each.
    /// - Throws: ``IPCError/Code/invalidArgument`` (ERANGE) for a value out of range, and for another number of values;
    ///   ``IPCError/Code/removed``; ``IPCError/Code/permissionDenied``.
    ///
    /// The corresponding C function is `semctl(2)` with `SETALL`.
    public func setValues(_ values: [Int]) throws(IPCError) {
        if values.count != count {
            throw IPCError(
                code: .invalidArgument, call: "semctl", subject: subject,
                hint: "\(values.count) values were given; the set has \(count) semaphores")
        }
        // What does not fit becomes something that the kernel refuses.
        let raw = values.map { UInt16(exactly: $0) ?? .max }
        do throws(Errno) { try sysSemaphoreSetSetValues(id, raw) } catch {
            throw valueFailure(error, values.first { !(0...Self.maximumValue).contains($0) })
        }
    }

    /// Gives one semaphore a value, and lets those proceed that now can; undo of this semaphore is forgotten.
    ///
    /// - Throws: as ``setValues(_:)``.
    ///
    /// The corresponding C function is `semctl(2)` with `SETVAL`.
    public func setValue(_ value: Int, of number: Int = 0) throws(IPCError) {
        try check(number)
        do throws(Errno) { try sysSemaphoreSetSetValue(id, number: number, value) } catch {
            throw valueFailure(error, value)
        }
    }

    private func valueFailure(_ error: Errno, _ value: Int?) -> IPCError {
        guard error == .outOfRange else { return core.failure(error, "semctl") }
        return IPCError(
            error, "semctl", subject,
            hint: "\(value.map { "\($0)" } ?? "a value") is not 0 to \(Self.maximumValue) (SEMVMX)")
    }

    func check(_ number: Int) throws(IPCError) {
        if (0..<count).contains(number) { return }
        throw IPCError(
            code: .invalidArgument, call: "semctl", subject: subject,
            hint: "there is no semaphore \(number): the set has \(count), from 0")
    }
}

// MARK: The set

extension SystemVSemaphoreSet {
    /// Changes who may use the set; only reading and writing count.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `semctl(2)` with `IPC_SET`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        do throws(Errno) { try sysSemaphoreSetChange(id, permissions: UInt32(permissions.rawValue)) } catch {
            throw core.changeFailure(error)
        }
    }

    /// Gives the set to another user or group; nil leaves it as it is. The creator keeps its rights.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `semctl(2)` with `IPC_SET`.
    public func setOwner(user: UInt32? = nil, group: UInt32? = nil) throws(IPCError) {
        do throws(Errno) { try sysSemaphoreSetChange(id, user: user, group: group) } catch {
            throw core.changeFailure(error)
        }
    }

    /// Removes the set. Whoever waits gets ``IPCError/Code/removed``.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``
    ///   if it is gone already.
    ///
    /// The corresponding C function is `semctl(2)` with `IPC_RMID`.
    public func remove() throws(IPCError) {
        do throws(Errno) { try sysSemaphoreSetRemove(id) } catch { throw core.changeFailure(error) }
    }

    /// Removes a set by its key, whether it is ready or not.
    ///
    /// - Throws: ``IPCError/Code/notFound``; as ``remove()``.
    public static func remove(key: SystemVKey) throws(IPCError) {
        try SystemVSemaphoreSet(key: key, initialization: .asFound).remove()
    }

    /// Removes the sets whose users were all killed, of those that were opened with ``Lifetime/whileUsed(in:)``.
    ///
    /// Opening a set in that way does so too.
    ///
    /// - Parameter directory: as there.
    /// - Returns: how many were removed.
    /// - Throws: ``IPCError/Code/notFound``, ``IPCError/Code/permissionDenied`` if the directory cannot be read.
    @discardableResult
    public static func removeUnused(in directory: FilePath? = nil) throws(IPCError) -> Int {
        try SystemVUsed.semaphoreSet.removeUnused(in: directory)
    }

    /// Whether a set has that key.
    ///
    /// The corresponding C function is `semget(2)`.
    public static func exists(key: SystemVKey) throws(IPCError) -> Bool {
        if key.rawValue == 0 { return false }
        do throws(Errno) { _ = try sysSemaphoreSetGet(key.rawValue, count: 0) } catch {
            if error == .noSuchFileOrDirectory { return false }
            throw IPCError(error, "semget", "sysv-sem:\(key)")
        }
        return true
    }
}
