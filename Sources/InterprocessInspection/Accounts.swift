// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The names of users, read once from `/etc/passwd`.
///
/// Not by `getpwuid(3)`: it may ask a directory server and wait for it, and does not work in a static binary.
struct Accounts {
    private let names: [UInt32: String]

    init(passwd bytes: [UInt8]) {
        var names: [UInt32: String] = [:]
        for line in TextLine.lines(of: bytes) {
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 3, !fields[0].isEmpty, let id = parseNumber(fields[2], as: UInt32.self) else {
                continue
            }
            if names[id] == nil { names[id] = String(decoding: fields[0], as: UTF8.self) }
        }
        self.names = names
    }

    static func ofThisHost() -> Accounts {
        Accounts(passwd: (try? sysReadFile("/etc/passwd", limit: 4 << 20)) ?? [])
    }

    func account(_ id: UInt32) -> Account { Account(id: id, name: names[id]) }

    func account(_ id: UInt32?) -> Account? { id.map { account($0) } }
}
