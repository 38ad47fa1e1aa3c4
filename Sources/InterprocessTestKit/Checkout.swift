// SPDX-License-Identifier: Apache-2.0
package import SystemPackage
import InterprocessSyscalls

/// Where this package's own files and products are.
package enum Checkout {
    /// The package's folder.
    package static let root: FilePath = {
        var path = FilePath(#filePath)
        for _ in 0..<3 { path.removeLastComponent() }
        return path
    }()

    /// The folder of the running test binary, where SwiftPM puts the command as well.
    package static let products: FilePath = {
        let image = FilePath(TestSyscalls.linkTarget("/proc/self/exe") ?? "/")
        return image.removingLastComponent()
    }()

    /// The built command: `IPC_COMMAND` if that is set, otherwise `ipc` beside the test binary.
    package static let command: FilePath = {
        if let given = TestSyscalls.environmentVariable("IPC_COMMAND") { return FilePath(given) }
        return products.appending("ipc")
    }()

    /// The bytes of a file.
    package static func contents(of path: FilePath) throws -> [UInt8] {
        let descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        defer { try? descriptor.close() }
        var bytes: [UInt8] = []
        while true {
            let part = try TestSyscalls.read(descriptor.rawValue)
            if part.isEmpty { return bytes }
            bytes += part
        }
    }

    /// The text of a file.
    package static func text(of path: FilePath) throws -> String {
        String(decoding: try contents(of: path), as: UTF8.self)
    }

    /// Writes a file, replacing what was there.
    package static func write(_ text: String, to path: FilePath, mode: FilePermissions = .ownerReadWrite) throws {
        let descriptor = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: mode)
        defer { try? descriptor.close() }
        try descriptor.writeAll(text.utf8)
    }
}
