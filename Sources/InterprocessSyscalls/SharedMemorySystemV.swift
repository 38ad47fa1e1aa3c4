// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// What shmctl(2) with IPC_STAT says.
package struct SystemVSegmentState: Sendable, Equatable {
    package var key: Int32
    package var sequence: UInt32
    package var user: UInt32
    package var group: UInt32
    package var creatorUser: UInt32
    package var creatorGroup: UInt32
    package var permissions: UInt32
    package var isDestroyed: Bool
    package var isLocked: Bool
    package var byteCount: Int
    package var attachments: Int
    package var creator: Int32
    package var lastUser: Int32
    package var attached: Int
    package var detached: Int
    package var changed: Int

    init(_ raw: shmid_ds) {
        key = raw.shm_perm.__key
        sequence = UInt32(raw.shm_perm.__seq)
        user = raw.shm_perm.uid
        group = raw.shm_perm.gid
        creatorUser = raw.shm_perm.cuid
        creatorGroup = raw.shm_perm.cgid
        let mode = UInt32(raw.shm_perm.mode)
        permissions = mode & 0o777
        isDestroyed = mode & UInt32(cip_shm_mode_destroyed()) != 0
        isLocked = mode & UInt32(cip_shm_mode_locked()) != 0
        byteCount = Int(raw.shm_segsz)
        attachments = Int(raw.shm_nattch)
        creator = raw.shm_cpid
        lastUser = raw.shm_lpid
        attached = raw.shm_atime
        detached = raw.shm_dtime
        changed = raw.shm_ctime
    }
}

/// shmget(2); the mode is exact, no umask applies.
package func sysSegmentGet(
    _ key: Int32, byteCount: Int = 0, create: Bool = false, exclusive: Bool = false, mode: UInt32 = 0,
    hugePages: Bool = false, noReserve: Bool = false
) throws(Errno) -> CInt {
    var flags = (create ? IPC_CREAT : 0) | (exclusive ? IPC_EXCL : 0) | CInt(mode & 0o777)
    if hugePages { flags |= cip_shm_huge() }
    if noReserve { flags |= cip_shm_noreserve() }
    return try invoke("shmget") { shmget(key, byteCount, flags) }
}

/// shmat(2) at an address that the kernel chooses.
package func sysAttachSegment(_ id: CInt, readOnly: Bool) throws(Errno) -> UnsafeMutableRawPointer {
    let address = try invoke("shmat") { cip_shmat(id, readOnly ? cip_shm_readonly() : 0) }
    // SAFETY: the kernel has just returned it, and never returns zero without being asked to.
    return unsafe UnsafeMutableRawPointer(bitPattern: address)!
}

/// shmdt(2).
///
/// - Safety: nothing may use the segment at this address any more.
@unsafe
package func sysDetachSegment(_ base: UnsafeMutableRawPointer) throws(Errno) {
    // SAFETY: the caller promises it.
    _ = try invoke("shmdt") { unsafe shmdt(base) }
}

/// shmctl(2) with IPC_STAT.
package func sysSegmentState(_ id: CInt) throws(Errno) -> SystemVSegmentState {
    var raw = shmid_ds()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("shmctl") { unsafe shmctl(id, IPC_STAT, &raw) }
    return SystemVSegmentState(raw)
}

/// shmctl(2) with IPC_SET: what is nil stays as it is.
package func sysSegmentChange(
    _ id: CInt, user: UInt32? = nil, group: UInt32? = nil, permissions: UInt32? = nil
) throws(Errno) {
    var raw = shmid_ds()
    // SAFETY: `raw` is a local of the size that the calls fill and read.
    _ = try invoke("shmctl") { unsafe shmctl(id, IPC_STAT, &raw) }
    if let user { raw.shm_perm.uid = user }
    if let group { raw.shm_perm.gid = group }
    if let permissions { raw.shm_perm.mode = .init(permissions & 0o777) }
    // SAFETY: as above.
    _ = try invoke("shmctl") { unsafe shmctl(id, IPC_SET, &raw) }
}

/// shmctl(2) with IPC_RMID.
package func sysSegmentRemove(_ id: CInt) throws(Errno) {
    _ = try invoke("shmctl") { shmctl(id, IPC_RMID, nil) }
}

/// shmctl(2) with SHM_LOCK or SHM_UNLOCK.
package func sysSegmentLock(_ id: CInt, _ locked: Bool) throws(Errno) {
    _ = try invoke("shmctl") { shmctl(id, locked ? SHM_LOCK : SHM_UNLOCK, nil) }
}

/// shmctl(2) with a command of the caller's choice.
package func sysSegmentControl(_ id: CInt, command: CInt) throws(Errno) -> CInt {
    var raw = shmid_ds()
    // SAFETY: `raw` is a local as large as what a command of segments fills; the tests ask for none that is larger.
    return try invoke("shmctl") { unsafe shmctl(id, command, &raw) }
}
