// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Names of shared memory that no other test has; what bears them is gone at the end.
final class ScratchMemory: Sendable {
    private let scratch = ScratchName()
    let name: ObjectName
    let key: SystemVKey

    init() {
        name = scratch.objectName("memory")
        key = .number(scratch.key())
    }

    deinit {
        TestSyscalls.discardSharedMemory(named: name.description)
        if case .number(let number) = key { TestSyscalls.discardSegment(key: number) }
    }

    var directory: FilePath { scratch.directory }
    func path(_ label: String = "file") -> FilePath { scratch.path(label) }

    func object(
        _ byteCount: Int = 8192, permissions: FilePermissions = .ownerOnly, allocation: MemoryAllocation = .reserved
    ) throws -> SharedMemoryObject {
        try SharedMemoryObject(
            name, mode: .createExclusive, byteCount: byteCount, permissions: permissions, allocation: allocation)
    }

    func file(_ byteCount: Int = 8192, allocation: MemoryAllocation = .reserved) throws -> MappedFile {
        try MappedFile(path(), mode: .createExclusive, byteCount: byteCount, allocation: allocation)
    }

    func segment(_ byteCount: Int = 8192, permissions: FilePermissions = .ownerOnly) throws -> SystemVSharedMemory {
        try SystemVSharedMemory(
            key: key, mode: .createExclusive, byteCount: byteCount, permissions: permissions, lifetime: .removeOnClose)
    }
}

/// A segment without a key; removed at the end of its handle.
func privateSegment(permissions: FilePermissions = .ownerOnly) throws -> SystemVSharedMemory {
    try SystemVSharedMemory(
        key: .private, mode: .createExclusive, byteCount: 8192, permissions: permissions, lifetime: .removeOnClose)
}

/// A payload of the tests.
struct Pose: SharedPayload, Equatable {
    var x: Double = 0
    var y: Double = 0
    var stamp: UInt64 = 0
    var hits: UInt32 = 0
    var kind: UInt8 = 0
}

/// Expects that `body` fails with this code, and errno if one is given.
func refused(
    _ code: IPCError.Code, _ errno: Errno? = nil, hint: String = "", at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    guard let error = #expect(throws: IPCError.self, sourceLocation: location, performing: { try body() }) else {
        return
    }
    #expect(error.code == code, "\(error)", sourceLocation: location)
    if let errno { #expect(error.errno == errno, "\(error)", sourceLocation: location) }
    if !hint.isEmpty { #expect(error.hint.contains(hint), "\(error)", sourceLocation: location) }
}

/// Expects that a system call fails with one of these.
func answers(_ errnos: Errno..., at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
    let error = #expect(throws: Errno.self, sourceLocation: location) { try body() }
    #expect(error.map { errnos.contains($0) } ?? false, "\(String(describing: error))", sourceLocation: location)
}

/// Whether a mapping of this process shows something whose line in /proc/self/maps contains `text`.
func mapsContain(_ text: String) throws -> Bool { try Checkout.text(of: "/proc/self/maps").contains(text) }
