// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// The file in `/dev/shm` that POSIX shared memory or a named semaphore is: its owner may change it without being able
/// to open it.
struct MemoryFile {
    private let address: Address
    private let path: FilePath

    init(_ address: Address) throws {
        guard case .object(let name) = address.name else { throw Failure.unfit(address, "that is no name") }
        let bare = String(name.description.dropFirst())
        self.address = address
        path = FilePath("/dev/shm/" + (address.kind == .sem ? "sem." : "") + bare)
    }

    @discardableResult
    func verify() throws(IPCError) -> FileStatus {
        let status = try Objects.rethrow(address, "stat") { () throws(Errno) in try sysStatus(path) }
        if status.kind == .regular { return status }
        throw IPCError(code: .wrongKind, subject: "\(address)", hint: "\(path) is no ordinary file; it is left alone")
    }

    func changeMode(_ text: String) throws {
        let now = FilePermissions(rawValue: CInterop.Mode(try verify().permissions))
        let mode = try Quantity.permissions(text, current: now)
        try Objects.rethrow(address, "chmod") { () throws(Errno) in try sysChangeMode(path, mode.rawValue) }
    }

    func changeOwner(_ user: UInt32?, _ group: UInt32?) throws {
        try verify()
        try Objects.rethrow(address, "chown") { () throws(Errno) in
            try sysChangeOwner(path, user: user ?? .max, group: group ?? .max)
        }
    }
}
