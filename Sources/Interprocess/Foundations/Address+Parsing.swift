// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Reads the grammar of addresses; every refusal names the part and shows a right example.
///
/// It looks at bytes, never at characters: to Swift `@` followed by a combining mark is another character.
enum AddressParser {
    /// What is wrong with a part, and whether it is its form or its size.
    enum Fault: Error {
        case name(String)
        case range(String)
    }

    static func refusal(_ fault: Fault, in text: String, kind: Address.Kind) -> IPCError {
        let (code, reason): (IPCError.Code, String) =
            switch fault {
            case .name(let reason): (.invalidName, reason)
            case .range(let reason): (.invalidArgument, reason)
            }
        return IPCError(code: code, subject: quoted(text), hint: "\(reason); a right address is \(kind.example)")
    }

    static func parse(_ text: String) throws(IPCError) -> Address {
        let kind = try kindOf(text)
        let rest = text[text.utf8.index(after: text.utf8.firstIndex(of: colon)!)...]
        do throws(Fault) {
            let name = try name(rest, kind).normalized(for: kind)
            if let fault = name.fault(for: kind) { throw fault }
            return Address(unchecked: kind, name)
        } catch {
            throw refusal(error, in: text, kind: kind)
        }
    }

    // MARK: The kind

    private static func kindOf(_ text: String) throws(IPCError) -> Address.Kind {
        guard let colon = text.utf8.firstIndex(of: colon) else { throw withoutColon(text) }
        let word = text[..<colon]
        if let kind = Address.Kind(rawValue: String(word)) { return kind }
        let rest = text[text.utf8.index(after: colon)...]
        func refuse(_ hint: String) -> IPCError {
            IPCError(code: .invalidArgument, subject: quoted(text), hint: hint)
        }
        if word.isEmpty {
            throw refuse("the kind is missing before the colon; a right address is \(example(for: rest))")
        }
        guard let near = Address.Kind.nearest(to: String(word)) else {
            throw refuse(
                "there is no kind \(quoted(word)); the kinds are \(listOfKinds), as in \(example(for: rest))")
        }
        throw refuse(
            "there is no kind \(quoted(word)); did you mean \(near.rawValue):\(AddressEscapes.text(Array(rest.utf8), isQuotation: true))?"
        )
    }

    private static func withoutColon(_ text: String) -> IPCError {
        if let kind = Address.Kind(rawValue: text) {
            return IPCError(
                code: .invalidName, subject: quoted(text),
                hint: "the name is missing after the kind; a right address is \(kind.example)")
        }
        var hint = "an address is kind:name, for example \(example(for: text[...]))"
        if text.utf8.first != UInt8(ascii: "/"), let near = Address.Kind.nearest(to: text) {
            hint = "did you mean \(near.example)?"
        }
        return IPCError(code: .invalidArgument, subject: quoted(text), hint: hint)
    }

    private static var listOfKinds: String { Address.Kind.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func example(for rest: Substring) -> String {
        let shown = AddressEscapes.text(Array(rest.utf8), isQuotation: true)
        if rest.utf8.first == UInt8(ascii: "/") {
            return rest.utf8.dropFirst().contains(UInt8(ascii: "/")) ? "fifo:\(shown)" : "fifo:\(shown) or mq:\(shown)"
        }
        if rest.utf8.first == UInt8(ascii: "@") { return "unix:\(shown)" }
        if rest.hasPrefix("0x") { return "sysv-msg:\(shown)" }
        return "fifo:/tmp/log or mq:/orders"
    }

    static func quoted(_ text: some StringProtocol) -> String {
        "\"\(AddressEscapes.text(Array(text.utf8), isQuotation: true))\""
    }

    // MARK: The name

    private static func name(_ text: Substring, _ kind: Address.Kind) throws(Fault) -> Address.Name {
        if text.isEmpty { throw .name("the name is missing after \(kind.rawValue):") }
        switch kind {
        case .fifo, .file: return .path(try path(text))
        case .unix, .unixDatagram, .unixSeqpacket:
            if let inode = bracketedNumber(text) { return .number(inode) }
            if text.utf8.first == UInt8(ascii: "@") { return .abstract(AddressEscapes.bytes(after(1, text))) }
            return .path(try path(text))
        case .tcp, .udp:
            if let inode = bracketedNumber(text) { return .number(inode) }
            return try endpoint(text)
        case .mq, .shm, .sem: return .object(try objectName(text))
        case .sysvMsg, .sysvShm, .sysvSem: return try systemVName(text)
        case .topic, .service, .event, .queue, .dict: return .label(String(text))
        case .pid:
            guard let id = UInt64(text) else { throw .name("a process id is a number, \(quoted(text)) is none") }
            guard id >= 1, id <= Int32.max else { throw .range("a process id is 1 to \(Int32.max)") }
            return .process(Int32(id))
        case .signal:
            guard let number = SignalNames.number(of: text) else {
                throw .name(
                    "there is no signal \(quoted(text)): a name such as USR1, SIGRTMIN+0 to SIGRTMIN+30, or 1 to 64")
            }
            return .signal(number)
        case .pipe, .eventfd, .memfd:
            guard let number = bracketedNumber(text) ?? UInt64(text) else {
                throw .name("\(quoted(text)) is neither an inode in brackets nor a number")
            }
            return .number(number)
        }
    }

    private static let colon = UInt8(ascii: ":")

    private static func after(_ count: Int, _ text: Substring) -> Substring {
        text[text.utf8.index(text.startIndex, offsetBy: count)...]
    }

    private static func path(_ text: Substring) throws(Fault) -> FilePath {
        let bytes = AddressEscapes.bytes(text)
        if bytes.isEmpty { throw .name("the path is missing") }
        if bytes.contains(0) { throw .name("a path holds no NUL byte") }
        if bytes.count > 4095 { throw .name("a path has at most 4095 bytes, this one \(bytes.count)") }
        return FilePath(bytes: bytes)
    }

    private static func objectName(_ text: Substring) throws(Fault) -> ObjectName {
        let bytes = AddressEscapes.bytes(text)
        guard let string = String(validating: bytes, as: UTF8.self) else { throw .name("the name is not valid UTF-8") }
        do throws(IPCError) { return try ObjectName(string) } catch { throw .name(error.hint) }
    }

    /// `[123]` and nothing else.
    static func bracketedNumber(_ text: some StringProtocol) -> UInt64? {
        let bytes = Array(text.utf8)
        guard bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") else { return nil }
        let digits = bytes.dropFirst().dropLast()
        guard let first = digits.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else { return nil }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    private static func systemVName(_ text: Substring) throws(Fault) -> Address.Name {
        if text == "private" { return .key(.private) }
        if let hash = text.utf8.lastIndex(of: UInt8(ascii: "#")) {
            let project = text[text.utf8.index(after: hash)...]
            guard let number = Int(project) else {
                var reason = "the project after # is a number from 1 to 255, \(quoted(project)) is none"
                if project.utf8.count == 1, let letter = project.utf8.first {
                    reason += " (ftok's '\(project)' is project \(letter))"
                }
                throw .name(reason)
            }
            return .projectFile(try path(text[..<hash]), project: number)
        }
        if text.hasPrefix("id=") {
            let digits = after(3, text)
            guard let id = Int64(digits) else { throw .name("the id is a number, \(quoted(digits)) is none") }
            guard (0...Int64(Int32.max)).contains(id) else { throw .range("an id is 0 to \(Int32.max)") }
            return .id(Int32(id))
        }
        let isHex = text.hasPrefix("0x") || text.hasPrefix("0X")
        let digits = isHex ? after(2, text) : text
        guard !digits.isEmpty,
            digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && (isHex || $0 <= UInt8(ascii: "9")) })
        else {
            throw .name("\(quoted(text)) is no key: write a number (42 or 0x2a), id=NUMBER, PATH#PROJECT, or private")
        }
        guard let key = UInt32(digits, radix: isHex ? 16 : 10) else {
            throw .range("a key has 32 bits: 1 to 0xffffffff")
        }
        return .key(.number(Int32(bitPattern: key)))
    }

    // MARK: Internet endpoints

    private static func endpoint(_ text: Substring) throws(Fault) -> Address.Name {
        // ASCII from here on, so that characters and bytes are the same.
        if text.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
            throw .name("\(quoted(text)) is no host: host names are printable ASCII (xn--… for others)")
        }
        let host: Substring
        let port: Substring
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else {
                throw .name("the bracket around the IPv6 address is not closed")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.first == ":" else { throw .name("the port is missing: [\(host)]:8080") }
            guard host.contains(":") else { throw .name("brackets are for IPv6 addresses, \(quoted(host)) is none") }
            port = rest.dropFirst()
        } else {
            guard let colon = text.lastIndex(of: ":") else { throw .name("the port is missing: \(text):8080") }
            host = text[..<colon]
            port = text[text.index(after: colon)...]
            if host.contains(":") { throw .name("an IPv6 address stands in brackets: [\(text)]:8080") }
        }
        guard !port.isEmpty, port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            throw .name("the port is a number, \(quoted(port)) is none")
        }
        guard let number = UInt16(port) else { throw .range("a port is 0 to 65535, \(port) is not") }
        return .endpoint(host: host.lowercased(), port: number)
    }

    static func faultOfHost(_ host: String) -> Fault? {
        if host.isEmpty { return .name("the host is missing; 127.0.0.1 is this machine, 0.0.0.0 every address of it") }
        if host.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) { return .name("\(quoted(host)) is no host") }
        if host.utf8.count > 253 { return .name("a host name has at most 253 bytes") }
        let isV6 = host.contains(":")
        for byte in (isV6 ? host.prefix { $0 != "%" } : host[...]).utf8 {
            let character = Character(Unicode.Scalar(byte))
            let fits =
                isV6
                ? character.isHexDigit && byte < 0x80 || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
                : byte > 0x20 && byte < 0x7f && !"[]/@#%?\\".utf8.contains(byte)
            if !fits { return .name("\(quoted(host)) is no \(isV6 ? "IPv6 address" : "host")") }
        }
        return nil
    }

    // MARK: Names of messaging

    static func faultOfLabel(_ label: String) -> Fault? {
        if label.isEmpty { return .name("the name is missing") }
        if label.utf8.count > 255 { return .name("a name has at most 255 bytes, this one \(label.utf8.count)") }
        for byte in label.utf8 {
            let character = Character(Unicode.Scalar(byte))
            if byte < 0x80 && (character.isLetter || character.isNumber || "._-/".utf8.contains(byte)) { continue }
            return .name("a name is made of letters, digits and . _ - /, \(quoted(label)) is not")
        }
        let parts = label.split(separator: "/", omittingEmptySubsequences: false)
        if parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) {
            return .name("between slashes stands a word, not nothing, . or ..")
        }
        return nil
    }
}

extension Address {
    /// Why a text cannot be the name of a topic, service, event, queue or dictionary; nil if it can.
    package static func faultOfLabel(_ text: String) -> String? {
        switch AddressParser.faultOfLabel(text) {
        case nil: nil
        case .name(let reason), .range(let reason): reason
        }
    }
}
