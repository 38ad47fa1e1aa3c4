// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension Address {
    /// What stands after the colon.
    public enum Name: Sendable, Hashable {
        /// A path of the file system: `fifo`, `unix`, `file`.
        case path(FilePath)
        /// A name in the abstract namespace of unix sockets, without the `@`: any bytes, 1 to 107 of them.
        case abstract([UInt8])
        /// Host (a name, an IPv4 or an IPv6 address without brackets) and port: `tcp`, `udp`.
        case endpoint(host: String, port: UInt16)
        /// A POSIX name: `mq`, `shm`, `sem`.
        case object(ObjectName)
        /// A System V key, or none.
        case key(SystemVKey)
        /// A System V object by the id that the kernel gave it.
        case id(Int32)
        /// The System V key that `ftok(3)` makes of a file and a project, 1 to 255.
        case projectFile(FilePath, project: Int)
        /// A name of this package's messaging.
        case label(String)
        /// A process id.
        case process(Int32)
        /// A signal number, 1 to 64.
        case signal(Int32)
        /// The inode (or, of an event counter, the id) of what has no name.
        case number(UInt64)
    }
}

extension Address.Name {
    /// The name as it stands after the colon of an address of `kind`.
    public func text(for kind: Address.Kind) -> String {
        switch self {
        case .path(let path): AddressEscapes.text(path.bytes)
        case .abstract(let name): "@" + AddressEscapes.text(name)
        case .endpoint(let host, let port):
            host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .object(let name): AddressEscapes.text(Array(name.description.utf8))
        case .key(let key): key.description
        case .id(let id): "id=\(id)"
        case .projectFile(let path, let project): "\(AddressEscapes.text(path.bytes))#\(project)"
        case .label(let label): label
        case .process(let id): "\(id)"
        case .signal(let number): SignalNames.name(of: number)
        case .number(let number): kind == .eventfd ? "\(number)" : "[\(number)]"
        }
    }

    /// Paths that would read as something else get a `./` in front.
    func normalized(for kind: Address.Kind) -> Address.Name {
        guard case .path(let path) = self, kind.isUnix else { return self }
        let bytes = path.bytes
        if bytes.first == UInt8(ascii: "@")
            || AddressParser.bracketedNumber(String(decoding: bytes, as: UTF8.self)) != nil
        {
            return .path(FilePath(bytes: [UInt8(ascii: "."), UInt8(ascii: "/")] + bytes))
        }
        return self
    }

    /// Why an object of `kind` cannot have this name; nil if it can.
    func fault(for kind: Address.Kind) -> AddressParser.Fault? {
        let fits =
            switch (self, kind) {
            case (.path, .fifo), (.path, .file): true
            case (.path, _), (.abstract, _): kind.isUnix
            case (.endpoint, .tcp), (.endpoint, .udp): true
            case (.object, .mq), (.object, .shm), (.object, .sem): true
            case (.key, _), (.id, _), (.projectFile, _): kind.isSystemV
            case (.label, .topic), (.label, .service), (.label, .event), (.label, .queue), (.label, .dict): true
            case (.process, .pid), (.signal, .signal): true
            case (.number, .pipe), (.number, .eventfd), (.number, .memfd): true
            case (.number, _): kind.isSocket
            default: false
            }
        guard fits else { return .name("a \(kind.title) has no name of this sort") }
        switch self {
        case .path(let path) where path.isEmpty: return .name("the path is missing")
        case .projectFile(let path, _) where path.isEmpty: return .name("the path is missing")
        case .abstract(let name) where !(1...107).contains(name.count):
            return .name("an abstract name has 1 to 107 bytes, this one \(name.count)")
        case .endpoint(let host, _): return AddressParser.faultOfHost(host)
        case .key(.number(0)): return .range("key 0 means private; write \(kind.rawValue):private")
        case .id(let id) where id < 0: return .range("an id is 0 or more")
        case .projectFile(_, let project) where !(1...255).contains(project):
            return .range("the project is a number from 1 to 255")
        case .label(let label): return AddressParser.faultOfLabel(label)
        case .process(let id) where id < 1: return .range("a process id is 1 or more")
        case .signal(let number) where !(1...64).contains(number): return .range("a signal number is 1 to 64")
        default: return nil
        }
    }
}

/// Bytes that cannot stand in an address as they are: control characters, what is not UTF-8, and a
/// backslash that would read as the start of an escape. Each is written `\xHH`; everything else is itself.
enum AddressEscapes {
    /// - Parameter isQuotation: whether the text is shown only, never read again: backslashes stay as they are.
    static func text(_ bytes: [UInt8], isQuotation: Bool = false) -> String {
        var text = ""
        var rest = bytes[...]
        while let first = rest.first {
            let plain = first >= 0x20 && first < 0x7f && (isQuotation || escape(at: rest) == nil)
            if plain {
                text.unicodeScalars.append(Unicode.Scalar(first))
                rest = rest.dropFirst()
            } else if first >= 0x80, let scalar = multibyteScalar(at: rest) {
                text.unicodeScalars.append(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            } else {
                text += "\\x" + (first < 16 ? "0" : "") + String(first, radix: 16)
                rest = rest.dropFirst()
            }
        }
        return text
    }

    static func bytes(_ text: some StringProtocol) -> [UInt8] {
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        var rest = source[...]
        while let first = rest.first {
            if let byte = escape(at: rest) {
                bytes.append(byte)
                rest = rest.dropFirst(4)
            } else {
                bytes.append(first)
                rest = rest.dropFirst()
            }
        }
        return bytes
    }

    /// The byte that `\xHH` at the start of `rest` means.
    private static func escape(at rest: ArraySlice<UInt8>) -> UInt8? {
        guard rest.count >= 4, rest[rest.startIndex] == UInt8(ascii: "\\"),
            rest[rest.startIndex + 1] == UInt8(ascii: "x")
        else { return nil }
        let digits = rest[(rest.startIndex + 2)..<(rest.startIndex + 4)]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && $0 < 0x80 }) else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    /// The printable character beyond ASCII at the start of `rest`, if its bytes are valid UTF-8.
    private static func multibyteScalar(at rest: ArraySlice<UInt8>) -> Unicode.Scalar? {
        for width in 2...4 where rest.count >= width {
            guard let string = String(validating: rest.prefix(width), as: UTF8.self),
                let scalar = string.unicodeScalars.first,
                string.unicodeScalars.count == 1
            else { continue }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse: return nil
            default: return scalar
            }
        }
        return nil
    }
}
