// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess

/// Which bytes of the memory.
struct PlaceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where to begin, in bytes. (default: 0)", valueName: "size"), transform: Read.size)
    var offset: Int?

    @Option(help: ArgumentHelp("How many bytes; without it, all.", valueName: "size"), transform: Read.size)
    var length: Int?

    @Flag(help: "As hexadecimal digits.")
    var hex = false

    var start: Int { offset ?? 0 }
}

struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "Read shared memory or a file from an offset on.",
        discussion: """
            Without --length to the end. The bytes are as they are at that moment: who
            writes at the same time is not waited for.

            Examples:
              ipc read shm:/frames --offset 64 --length 16 --hex
              ipc read sysv-shm:0x2a > copy
              ipc read file:/tmp/ledger --length 1K
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @OptionGroup var place: PlaceOptions

    func run() throws {
        let memory = try MemoryPlaces.open(address, writing: false)
        let size = try memory.byteCount
        guard place.start <= size else {
            throw Failure("\(address): it has \(size) bytes; there is nothing at offset \(place.start) (EINVAL)")
        }
        var offset = place.start
        var left = min(place.length ?? size - offset, size - offset)
        while left > 0 {
            let bytes = try memory.read(min(left, 1 << 20), at: offset)
            if bytes.isEmpty { break }
            Output.write(place.hex ? Hexadecimal.digits(bytes) : bytes)
            offset += bytes.count
            left -= bytes.count
        }
        if place.hex { Output.write([10]) }
    }
}

struct WriteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "write", abstract: "Write DATA, or standard input, into shared memory or a file.",
        discussion: """
            The memory keeps its size: what does not fit is refused, and nothing is
            written. --length takes no more than so many bytes of the input.

            Examples:
              ipc write shm:/frames --offset 64 'ready'
              ipc write sysv-shm:0x2a --hex 00000001
              ipc write file:/tmp/ledger --offset 4K < page
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Argument(help: ArgumentHelp("What to write; without it, standard input.", valueName: "data"))
    var data: String?

    @OptionGroup var place: PlaceOptions

    func run() throws {
        // Before the input is waited for.
        let memory = try MemoryPlaces.open(address, writing: true)
        let size = try memory.byteCount
        var bytes = try input(room: max(0, size - place.start))
        if place.hex {
            guard let decoded = Hexadecimal.bytes(bytes) else {
                throw Failure.usage("--hex: the data are pairs of hexadecimal digits, such as 00ff10")
            }
            bytes = decoded
        }
        if let length = place.length { bytes = Array(bytes.prefix(length)) }
        guard place.start <= size, bytes.count <= size - place.start else {
            throw Failure(
                "\(address): no room (ENOSPC): it has \(size) bytes, and \(bytes.count) do not fit at offset \(place.start); nothing was written"
            )
        }
        if !bytes.isEmpty { try memory.write(bytes, at: place.start) }
    }

    /// All of it, but not much more than can fit.
    private func input(room: Int) throws -> [UInt8] {
        if let data { return Array(data.utf8) }
        if Output.inputIsTerminal, Output.errorIsTerminal {
            Output.note("reading from the terminal; Ctrl-D ends the input")
        }
        let limit = place.hex ? 4 * room + 4096 : min(room, place.length ?? room)
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            if !place.hex, let length = place.length, bytes.count >= length { break }
            let part = try readUpTo(1 << 16, 0)
            if part.isEmpty { break }
            bytes += part
        }
        return bytes
    }
}

/// Two digits a byte.
enum Hexadecimal {
    static func digits(_ bytes: [UInt8]) -> [UInt8] {
        let alphabet = Array("0123456789abcdef".utf8)
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            digits.append(alphabet[Int(byte >> 4)])
            digits.append(alphabet[Int(byte & 15)])
        }
        return digits
    }

    /// White space between the digits is allowed; nil for what is no whole number of bytes.
    static func bytes(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var half: UInt8?
        for character in text {
            let digit: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - UInt8(ascii: "A") + 10
            case 0x09, 0x0a, 0x0d, 0x20: continue
            default: return nil
            }
            if let high = half {
                bytes.append(high << 4 | digit)
                half = nil
            } else {
                half = digit
            }
        }
        return half == nil ? bytes : nil
    }
}
