// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection
import InterprocessSyscalls
import SystemPackage

/// What descriptors, ids and places in memory of traced processes are called.
struct TraceObjects {
    /// Sockets by inode: what is known of them from calls that were seen, or from the socket tables.
    private var sockets: [UInt64: String] = [:]
    private var hasReadSockets = false
    private var systemV: [String: String] = [:]
    private var attachments: [Int32: [UInt64: String]] = [:]

    // MARK: Descriptors

    /// The object behind a descriptor; nil if it is none by which processes talk (`files`: unless it is to be a file's path).
    mutating func descriptor(_ number: Int32, of process: Int32, files: Bool = false) -> String? {
        guard number >= 0, let link = try? sysReadLink(FilePath("/proc/\(process)/fd/\(number)")) else { return nil }
        let text = String(decoding: link, as: UTF8.self)
        if text.hasPrefix("pipe:[") { return text }
        if text.hasPrefix("socket:["), let inode = UInt64(text.dropFirst(8).dropLast()) { return socket(inode) }
        if text.hasPrefix("anon_inode:") { return anonymous(text, number, process) }
        guard text.hasPrefix("/") else { return nil }
        return file(text, number, process, files: files)
    }

    private func file(_ text: String, _ number: Int32, _ process: Int32, files: Bool) -> String? {
        var path = text
        if path.hasSuffix(" (deleted)") { path.removeLast(10) }
        let place = FilePath("/proc/\(process)/fd/\(number)")
        if path.hasPrefix("/memfd:") {
            let inode = (try? sysStatus(place, followLinks: true))?.inode ?? 0
            return "memfd:[\(inode)]"
        }
        if let shared = TraceObjects.sharedFile(path) { return shared }
        guard let status = try? sysStatus(place, followLinks: true) else { return nil }
        if status.kind == .fifo { return Address.fifo(FilePath(path)).description }
        guard status.kind == .regular else { return nil }
        if (try? sysFileSystemType(place)) == 0x1980_0202 {
            return "mq:" + (path.hasPrefix("/dev/mqueue/") ? String(path.dropFirst(11)) : path)
        }
        return files ? Address.file(FilePath(path)).description : nil
    }

    /// `/dev/shm/x` is shared memory, `/dev/shm/sem.x` a semaphore.
    static func sharedFile(_ path: String) -> String? {
        guard path.hasPrefix("/dev/shm/") else { return nil }
        let name = path.dropFirst(9)
        return name.hasPrefix("sem.") ? "sem:/\(name.dropFirst(4))" : "shm:/\(name)"
    }

    private func anonymous(_ text: String, _ number: Int32, _ process: Int32) -> String? {
        switch text {
        case "anon_inode:[eventfd]": return "eventfd:" + (fact("eventfd-id", number, process) ?? "?")
        case "anon_inode:[signalfd]": return "signalfd"
        case "anon_inode:[pidfd]": return "pid:" + (fact("Pid", number, process) ?? "?")
        default: return nil
        }
    }

    private func fact(_ key: String, _ number: Int32, _ process: Int32) -> String? {
        guard let bytes = try? sysReadFile(FilePath("/proc/\(process)/fdinfo/\(number)"), limit: 4096) else {
            return nil
        }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix(key + ":") {
            return String(line.dropFirst(key.count + 1).drop { $0 == " " || $0 == "\t" })
        }
        return nil
    }

    // MARK: Sockets

    private mutating func socket(_ inode: UInt64) -> String {
        if let known = sockets[inode] { return known }
        if !hasReadSockets {
            hasReadSockets = true
            let kinds: Set<Address.Kind> = [.unix, .unixDatagram, .unixSeqpacket, .tcp, .udp]
            for object in HostView.read(.init(kinds: kinds, findsHolders: false, directories: [])).objects {
                switch object.details {
                case .unix(let details): sockets[details.inode] = object.address.description
                case .internet(let details): sockets[details.inode] = object.address.description
                default: break
                }
            }
            if let known = sockets[inode] { return known }
        }
        return "socket:[\(inode)]"
    }

    /// A socket of this kind was made.
    mutating func note(_ number: Int32, of process: Int32, domain: UInt64, type: UInt64) {
        guard let inode = inode(number, process) else { return }
        let kind: String? =
            switch (domain, type & 0xf) {
            case (1, 1): "unix"
            case (1, 2): "unix-datagram"
            case (1, 5): "unix-seqpacket"
            case (2, 1), (10, 1): "tcp"
            case (2, 2), (10, 2): "udp"
            default: nil
            }
        if let kind { sockets[inode] = "\(kind):[\(inode)]" }
    }

    /// A socket got a name, or a connected peer's name in its place.
    mutating func name(_ number: Int32, of process: Int32, _ address: String) {
        guard let inode = inode(number, process), let now = sockets[inode] else { return }
        sockets[inode] = "\(now.prefix { $0 != ":" }):\(address)"
    }

    /// The connection that a listener accepted bears its name.
    mutating func accept(_ number: Int32, by listener: String?, of process: Int32) {
        guard let inode = inode(number, process), let listener else { return }
        sockets[inode] = listener
    }

    private func inode(_ number: Int32, _ process: Int32) -> UInt64? {
        guard let link = try? sysReadLink(FilePath("/proc/\(process)/fd/\(number)")) else { return nil }
        let text = String(decoding: link, as: UTF8.self)
        return text.hasPrefix("socket:[") ? UInt64(text.dropFirst(8).dropLast()) : nil
    }

    /// What stands after the colon for a socket address of the kernel's; nil for one without a name, or of another family.
    static func socketName(_ bytes: [UInt8]) -> String? {
        guard bytes.count > 2 else { return nil }
        let port = { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }
        switch UInt16(bytes[0]) | UInt16(bytes[1]) << 8 {
        case 1:
            if bytes[2] == 0 {
                return bytes.count == 3 ? nil : Address.unix(abstract: Array(bytes[3...])).description.after(":")
            }
            return Address.unix(FilePath(bytes: Array(bytes[2...].prefix { $0 != 0 }))).description.after(":")
        case 2 where bytes.count >= 8:
            return "\(bytes[4]).\(bytes[5]).\(bytes[6]).\(bytes[7]):\(port())"
        case 10 where bytes.count >= 24:
            func half(_ start: Int) -> UInt64 { bytes[start..<(start + 8)].reduce(0) { $0 << 8 | UInt64($1) } }
            return "[\(IPv6Address(high: half(8), low: half(16)))]:\(port())"
        default: return nil
        }
    }

    // MARK: System V

    /// By key, where it has one, as all of this command names it.
    mutating func systemV(_ kind: TraceCallTable.SystemV, id: Int32) -> String {
        let plain = "sysv-\(kind.rawValue):id=\(id)"
        if let known = systemV[plain] { return known }
        let table = (try? sysReadFile(FilePath("/proc/sysvipc/\(kind.rawValue)"), limit: 1 << 22)) ?? []
        for line in String(decoding: table, as: UTF8.self).split(separator: "\n").dropFirst() {
            let words = line.split(separator: " ")
            guard words.count > 2, let key = Int32(words[0]), Int32(words[1]) == id else { continue }
            let name = key == 0 ? plain : "sysv-\(kind.rawValue):" + TraceObjects.hexadecimal(key)
            systemV[plain] = name
            return name
        }
        return plain
    }

    static func hexadecimal(_ key: Int32) -> String { "0x" + String(UInt32(bitPattern: key), radix: 16) }

    /// A segment was attached at, or detached from, an address.
    mutating func attach(_ process: Int32, _ address: UInt64, _ object: String?) {
        attachments[process, default: [:]][address] = object
    }

    func attachment(_ process: Int32, _ address: UInt64) -> String? { attachments[process]?[address] }

    /// The id may be another object's from now on.
    mutating func forget(_ kind: TraceCallTable.SystemV, id: Int32) { systemV["sysv-\(kind.rawValue):id=\(id)"] = nil }

    // MARK: Memory

    /// What shared memory an address is in, and how far in; nil if it is not shared.
    func mapping(_ address: UInt64, of process: Int32) -> (object: String, offset: UInt64)? {
        guard let bytes = try? sysReadFile(FilePath("/proc/\(process)/maps"), limit: 1 << 22) else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard words.count >= 5 else { continue }
            let range = words[0].split(separator: "-")
            guard range.count == 2, let low = UInt64(range[0], radix: 16), let high = UInt64(range[1], radix: 16),
                (low..<high).contains(address)
            else { continue }
            guard words[1].last == "s", let start = UInt64(words[2], radix: 16) else { return nil }
            let offset = address - low + start
            var path = words.count == 6 ? String(words[5].drop { $0 == " " }) : ""
            if path.hasSuffix(" (deleted)") { path.removeLast(10) }
            if let shared = TraceObjects.sharedFile(path) { return (shared, offset) }
            if path.hasPrefix("/SYSV"), let id = Int32(words[4]) { return ("sysv-shm:id=\(id)", offset) }
            if path.hasPrefix("/memfd:") { return ("memfd:[\(words[4])]", offset) }
            if path.isEmpty || path == "/dev/zero" { return ("anonymous shared memory", offset) }
            return (Address.file(FilePath(path)).description, offset)
        }
        return nil
    }
}

extension String {
    fileprivate func after(_ mark: Character) -> String { String(drop { $0 != mark }.dropFirst()) }
}
