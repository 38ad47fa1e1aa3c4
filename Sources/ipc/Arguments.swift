// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// What the command was started with, byte for byte.
enum Arguments {
    /// Why they cannot be taken as they are; nil if they can.
    ///
    /// Swift puts U+FFFD in the place of what is no UTF-8: other bytes than those given would be sent, another path opened.
    static func objection(to arguments: [String]) -> Failure? {
        guard arguments.contains(where: { $0.unicodeScalars.contains("\u{fffd}") }), let given = try? bytes() else {
            return nil
        }
        let isText = given.split(separator: 0).allSatisfy { String(validating: $0, as: UTF8.self) != nil }
        return isText
            ? nil
            : .usage("an argument is not UTF-8: write \\xHH in an address, and send such data by standard input")
    }

    private static func bytes() throws(Errno) -> [UInt8] {
        let file = try sysOpen("/proc/self/cmdline", flags: 0)
        defer { try? sysClose(file) }
        var all: [UInt8] = []
        while true {
            let part = try [UInt8](capacity: 65536) { (buffer: inout OutputSpan<UInt8>) throws(Errno) in
                _ = try sysRead(file, into: &buffer)
            }
            if part.isEmpty { return all }
            all += part
        }
    }
}
