// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// What every object on the host is called: `kind:name`, as in `fifo:/run/log`, `mq:/orders`, `sysv-msg:0x2a`.
///
/// An address is a value: making one touches nothing. It prints in one canonical form, and parsing that
/// form gives the same address again; the command and the errors of this package use it for every object.
///
/// | kind | name |
/// |---|---|
/// | `fifo`, `file` | a path |
/// | `unix`, `unix-datagram`, `unix-seqpacket` | a path, `@name` (abstract), or `[inode]` for one without a name |
/// | `tcp`, `udp` | `host:port`, `[v6]:port`, or `[inode]` |
/// | `mq`, `shm`, `sem` | `/name` |
/// | `sysv-msg`, `sysv-shm`, `sysv-sem` | a key (`0x2a` or `42`), `id=32769`, `PATH#PROJECT`, `private` |
/// | `topic`, `service`, `event`, `queue`, `dict` | a name of letters, digits and `.` `_` `-` `/` |
/// | `pid` | a number |
/// | `signal` | `USR1`, `SIGRTMIN+3`, or a number |
/// | `pipe`, `eventfd`, `memfd` | `[inode]`, or an id |
///
/// Bytes that a terminal cannot show (names of unix sockets may hold any) are written `\xHH`.
public struct Address: Sendable, Hashable {
    /// Which mechanism.
    public let kind: Kind
    /// Which object of that mechanism.
    public let name: Name

    /// An address from its parts.
    ///
    /// - Throws: ``IPCError/Code/invalidName`` if objects of this kind do not have such a name.
    public init(kind: Kind, name: Name) throws(IPCError) {
        let name = name.normalized(for: kind)
        if let fault = name.fault(for: kind) {
            throw AddressParser.refusal(fault, in: "\(kind.rawValue):\(name.text(for: kind))", kind: kind)
        }
        self.init(unchecked: kind, name)
    }

    /// Reads an address.
    ///
    /// - Parameter text: `kind:name`.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a kind that is none or a number out of range,
    ///   ``IPCError/Code/invalidName`` for a name that cannot be one. The hint says which part is wrong and
    ///   shows a right example.
    public init(_ text: String) throws(IPCError) {
        self = try AddressParser.parse(text)
    }

    package init(unchecked kind: Kind, _ name: Name) {
        self.kind = kind
        self.name = name
    }
}

extension Address: CustomStringConvertible {
    /// The canonical form.
    public var description: String { "\(kind.rawValue):\(name.text(for: kind))" }
}

// MARK: Short ways to make one

extension Address {
    /// A named pipe.
    public static func fifo(_ path: FilePath) -> Address { Address(unchecked: .fifo, .path(path)) }
    /// An ordinary file.
    public static func file(_ path: FilePath) -> Address { Address(unchecked: .file, .path(path)) }
    /// A unix socket by path; `kind` is one of the three unix kinds.
    public static func unix(_ path: FilePath, kind: Kind = .unix) -> Address {
        precondition(kind.isUnix, "one of the three kinds of unix socket")
        return Address(unchecked: kind, Name.path(path).normalized(for: kind))
    }
    /// A unix socket by abstract name (without the `@`).
    public static func unix(abstract name: [UInt8], kind: Kind = .unix) -> Address {
        precondition(kind.isUnix, "one of the three kinds of unix socket")
        return Address(unchecked: kind, .abstract(name))
    }
    /// A TCP endpoint.
    public static func tcp(host: String, port: UInt16) -> Address {
        Address(unchecked: .tcp, .endpoint(host: host, port: port))
    }
    /// A UDP endpoint.
    public static func udp(host: String, port: UInt16) -> Address {
        Address(unchecked: .udp, .endpoint(host: host, port: port))
    }
    /// A POSIX message queue.
    public static func messageQueue(_ name: ObjectName) -> Address { Address(unchecked: .mq, .object(name)) }
    /// A System V message queue by key.
    public static func systemVMessageQueue(_ key: SystemVKey) -> Address { Address(unchecked: .sysvMsg, .key(key)) }
    /// A System V message queue by the kernel's id.
    public static func systemVMessageQueue(id: Int32) -> Address { Address(unchecked: .sysvMsg, .id(id)) }
    /// A process.
    public static func process(_ id: Int32) -> Address { Address(unchecked: .pid, .process(id)) }
    /// An unnamed pipe by its inode.
    public static func pipe(inode: UInt64) -> Address { Address(unchecked: .pipe, .number(inode)) }
    /// An event counter by the id that `/proc/PID/fdinfo` shows.
    public static func eventfd(id: UInt64) -> Address { Address(unchecked: .eventfd, .number(id)) }
}
