// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// What semctl(2) with IPC_STAT says.
package struct SystemVSemaphoreState: Sendable, Equatable {
    package var key: Int32
    package var sequence: UInt32
    package var user: UInt32
    package var group: UInt32
    package var creatorUser: UInt32
    package var creatorGroup: UInt32
    package var permissions: UInt32
    package var count: Int
    /// Seconds since 1970 of the last semop(2); 0 if there was none.
    package var operated: Int
    package var changed: Int

    init(_ raw: semid_ds) {
        key = raw.sem_perm.__key
        sequence = UInt32(raw.sem_perm.__seq)
        user = raw.sem_perm.uid
        group = raw.sem_perm.gid
        creatorUser = raw.sem_perm.cuid
        creatorGroup = raw.sem_perm.cgid
        permissions = UInt32(raw.sem_perm.mode) & 0o777
        count = Int(raw.sem_nsems)
        operated = raw.sem_otime
        changed = raw.sem_ctime
    }
}

/// One of the numbers that semctl(2) has of each semaphore.
package enum SystemVSemaphoreNumber: Sendable {
    case value, lastProcess, waitingForMore, waitingForZero

    var command: CInt {
        switch self {
        case .value: GETVAL
        case .lastProcess: GETPID
        case .waitingForMore: GETNCNT
        case .waitingForZero: GETZCNT
        }
    }
}

/// How many bytes a `struct sembuf` takes: number, change and flags, 16 bits each.
private let operationByteCount = MemoryLayout<sembuf>.size

/// semget(2); the mode is exact, no umask applies.
package func sysSemaphoreSetGet(
    _ key: Int32, count: Int, create: Bool = false, exclusive: Bool = false, mode: UInt32 = 0
) throws(Errno) -> CInt {
    let flags = (create ? IPC_CREAT : 0) | (exclusive ? IPC_EXCL : 0) | CInt(mode & 0o777)
    return try invoke("semget") { semget(key, CInt(clamping: count), flags) }
}

/// semop(2) with one operation: number, change and flags, 16 bits each, the number lowest.
///
/// This is the hot path of a set. The errno is a value, 0 for none: nothing is kept for an error that hardly ever is.
package func sysSemaphoreOperate(_ id: CInt, _ operation: UInt64, retryOnInterrupt: Bool = true) -> CInt {
    #if !DEBUG
        if cip_semop_one(id, UInt(operation)) >= 0 { return 0 }
        let error = cip_errno()
        if error != EINTR || !retryOnInterrupt { return error }
    #endif
    return operateAgain(id, operation, retryOnInterrupt)
}

@inline(never)
private func operateAgain(_ id: CInt, _ operation: UInt64, _ retryOnInterrupt: Bool) -> CInt {
    do throws(Errno) {
        _ = try invoke("semop", retryOnInterrupt: retryOnInterrupt) { cip_semop_one(id, UInt(operation)) }
        return 0
    } catch {
        return error.rawValue
    }
}

/// semop(2) with a group of operations, or semtimedop(2) with a deadline; all of them or none.
///
/// - Safety: the bytes are a sequence of `struct sembuf`.
@unsafe
package func sysSemaphoreOperate(
    _ id: CInt, _ operations: UnsafeRawBufferPointer, untilNanoseconds deadline: UInt64? = nil,
    retryOnInterrupt: Bool = true
) throws(Errno) {
    let count = operations.count / operationByteCount
    while true {
        do throws(Errno) {
            guard let deadline else {
                // SAFETY: the kernel copies `count` operations, which lie in the buffer.
                _ = try invoke("semop", retryOnInterrupt: retryOnInterrupt) {
                    unsafe cip_semtimedop(id, operations.baseAddress, count, nil)
                }
                return
            }
            let now = sysMonotonicNanoseconds()
            var left = timespecOf(nanoseconds: deadline > now ? deadline - now : 0)
            // The limit is relative, so an interrupted call is not made again with the same one.
            _ = try invoke("semtimedop", retryOnInterrupt: false) {
                // SAFETY: as above; `left` is a local.
                unsafe cip_semtimedop(id, operations.baseAddress, count, &left)
            }
            return
        } catch  where error == .interrupted && retryOnInterrupt {}
    }
}

/// The group with IPC_NOWAIT in each operation.
///
/// - Safety: the bytes are a sequence of `struct sembuf`.
@unsafe
package func sysSemaphoreTryOperate(_ id: CInt, _ operations: UnsafeRawBufferPointer) throws(Errno) {
    let count = operations.count / operationByteCount
    // SAFETY: the copy has the size of the original; flags are the third 16 bits of each operation.
    let failure = unsafe withUnsafeTemporaryAllocation(byteCount: max(operations.count, 8), alignment: 8) {
        copy -> Errno? in
        unsafe copy.copyMemory(from: operations)
        for index in 0..<count {
            let place = index * operationByteCount + 4
            let flags = unsafe copy.load(fromByteOffset: place, as: Int16.self)
            unsafe copy.storeBytes(of: flags | Int16(IPC_NOWAIT), toByteOffset: place, as: Int16.self)
        }
        do throws(Errno) {
            _ = try invoke("semop") { unsafe cip_semtimedop(id, copy.baseAddress, count, nil) }
            return nil
        } catch {
            return error
        }
    }
    if let failure { throw failure }
}

/// semctl(2) with IPC_STAT.
package func sysSemaphoreSetState(_ id: CInt) throws(Errno) -> SystemVSemaphoreState {
    var raw = semid_ds()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("semctl") { unsafe cip_semctl_status(id, IPC_STAT, &raw) }
    return SystemVSemaphoreState(raw)
}

/// semctl(2) with IPC_SET: what is nil stays as it is.
package func sysSemaphoreSetChange(
    _ id: CInt, user: UInt32? = nil, group: UInt32? = nil, permissions: UInt32? = nil
) throws(Errno) {
    var raw = semid_ds()
    // SAFETY: `raw` is a local of the size that the calls fill and read.
    _ = try invoke("semctl") { unsafe cip_semctl_status(id, IPC_STAT, &raw) }
    if let user { raw.sem_perm.uid = user }
    if let group { raw.sem_perm.gid = group }
    if let permissions { raw.sem_perm.mode = .init(permissions & 0o777) }
    // SAFETY: as above.
    _ = try invoke("semctl") { unsafe cip_semctl_status(id, IPC_SET, &raw) }
}

/// semctl(2) with IPC_RMID.
package func sysSemaphoreSetRemove(_ id: CInt) throws(Errno) {
    _ = try invoke("semctl") { cip_semctl(id, 0, IPC_RMID) }
}

/// More semaphores than a set can have that operations can name. The calls for all values take no size: the kernel writes
/// and reads as many as the set has, and an id may mean another, larger set by now.
private let mostSemaphores = 65536

/// semctl(2) with GETALL: the first `count`.
package func sysSemaphoreSetValues(_ id: CInt, count: Int) throws(Errno) -> [UInt16] {
    // SAFETY: the room is for the largest set; what is read back lies in it and was written by the kernel or is zero.
    let result = unsafe withUnsafeTemporaryAllocation(of: UInt16.self, capacity: mostSemaphores) {
        values -> Result<[UInt16], Errno> in
        unsafe values.initialize(repeating: 0)
        do throws(Errno) {
            _ = try invoke("semctl") { unsafe cip_semctl_values(id, GETALL, values.baseAddress) }
            return .success(unsafe Array(values.prefix(count)))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

/// semctl(2) with SETALL.
package func sysSemaphoreSetSetValues(_ id: CInt, _ values: [UInt16]) throws(Errno) {
    var room = [UInt16](repeating: 0, count: mostSemaphores)
    room.replaceSubrange(0..<values.count, with: values)
    // SAFETY: the kernel reads as many values as the set has, which is no more than there are.
    _ = try invoke("semctl") { unsafe cip_semctl_values(id, SETALL, &room) }
}

/// semctl(2) with SETVAL.
package func sysSemaphoreSetSetValue(_ id: CInt, number: Int, _ value: Int) throws(Errno) {
    _ = try invoke("semctl") { cip_semctl_value(id, CInt(clamping: number), CInt(clamping: value)) }
}

/// semctl(2) with GETVAL, GETPID, GETNCNT or GETZCNT.
package func sysSemaphoreNumber(
    _ id: CInt, number: Int, _ which: SystemVSemaphoreNumber
) throws(Errno) -> Int {
    Int(try invoke("semctl") { cip_semctl(id, CInt(clamping: number), which.command) })
}

/// semctl(2) with a command of the caller's choice and no argument.
package func sysSemaphoreSetControl(_ id: CInt, command: CInt) throws(Errno) -> CInt {
    try invoke("semctl") { cip_semctl(id, 0, command) }
}

/// nanosleep(2), interrupted or not.
package func sysPause(nanoseconds: UInt64) {
    var time = timespecOf(nanoseconds: nanoseconds)
    // SAFETY: a local; the rest is not asked for.
    _ = unsafe nanosleep(&time, nil)
}
