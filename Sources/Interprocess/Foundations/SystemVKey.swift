// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// How processes find the same System V object: a 32-bit number that both know, or none.
public enum SystemVKey: Sendable, Hashable {
    /// No key: a new object that only its id names (IPC_PRIVATE).
    case `private`
    /// The key itself. Zero is IPC_PRIVATE and therefore not a key.
    case number(Int32)

    /// The key that `ftok(3)` makes of a file that exists and a project number.
    ///
    /// It holds 16 bits of the inode and 8 of the device, so two files can make the same key; an
    /// object found by it should be checked.
    ///
    /// - Parameters:
    ///   - path: an existing file; links are followed.
    ///   - project: 1 to 255.
    /// - Throws: ``IPCError/Code/notFound`` if the file is not there; ``IPCError/Code/invalidArgument``
    ///   for a project out of range.
    public static func path(_ path: FilePath, project: Int) throws(IPCError) -> SystemVKey {
        guard (1...255).contains(project) else {
            throw IPCError(
                code: .invalidArgument, call: "ftok", subject: "\(path)#\(project)",
                hint: "the project is a number from 1 to 255")
        }
        let status: FileStatus
        do throws(Errno) { status = try sysStatus(path, followLinks: true) } catch {
            throw IPCError(error, "ftok", "\(path)#\(project)", hint: "the file must exist")
        }
        // The formula is glibc's and part of its ABI: programs that use ftok(3) find the same key.
        let key = UInt32(status.inode & 0xffff) | UInt32(status.device & 0xff) << 16 | UInt32(project & 0xff) << 24
        return .number(Int32(bitPattern: key))
    }

    /// What the system calls take.
    package var rawValue: Int32 {
        switch self {
        case .private: 0
        case .number(let number): number
        }
    }
}

extension SystemVKey: CustomStringConvertible {
    /// `"0x2a"`, as `ipcs` prints it, or `"private"`.
    public var description: String {
        switch self {
        case .private: "private"
        case .number(let number): "0x" + String(UInt32(bitPattern: number), radix: 16)
        }
    }
}
