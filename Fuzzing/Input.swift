// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What libFuzzer hands over, read as decisions. At its end every decision is 0.
struct Input {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var place = 0

    init(_ start: UnsafePointer<UInt8>, _ count: Int) { bytes = UnsafeBufferPointer(start: start, count: count) }

    var isEmpty: Bool { place >= bytes.count }

    mutating func byte() -> UInt8 {
        guard place < bytes.count else { return 0 }
        defer { place += 1 }
        return bytes[place]
    }

    mutating func choose(_ count: Int) -> Int { Int(byte()) % count }

    mutating func flag() -> Bool { byte() & 1 == 1 }

    mutating func bits64() -> UInt64 {
        var word: UInt64 = 0
        for shift in 0..<8 { word |= UInt64(byte()) << UInt64(8 * shift) }
        return word
    }

    /// A word that matters where `near` does: lines before or behind it, lengths and kinds, powers of two, or anything.
    mutating func word(near: UInt64) -> UInt64 {
        switch byte() % 8 {
        case 0: return near
        case 1: return near &+ UInt64(bitPattern: Int64(Int8(bitPattern: byte())))
        case 2: return near &+ UInt64(bitPattern: Int64(Int8(bitPattern: byte())) * 64)
        case 3: return UInt64(byte())
        case 4: return UInt64(byte() & 3) << 32 | UInt64(byte()) | UInt64(byte()) << 8
        case 5: return 1 << UInt64(byte() & 63)
        case 6: return .max &- UInt64(byte())
        default: return bits64()
        }
    }
}

/// Memory of exactly so many bytes, aligned to a line: whoever leaves it meets the address sanitizer.
final class Region {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    init(_ byteCount: Int) {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(byteCount, 1)) == 0, let memory else { fatalError("no memory") }
        memset(memory, 0, byteCount)
        base = memory
        self.byteCount = byteCount
    }

    deinit { free(base) }

    var addresses: Range<UInt> { UInt(bitPattern: base)..<UInt(bitPattern: base) + UInt(byteCount) }

    /// Not through the words of the sources: what is meant here is what is written here.
    subscript(_ offset: Int) -> UInt64 {
        get { (base + offset).load(as: UInt64.self) }
        set { (base + offset).storeBytes(of: newValue, as: UInt64.self) }
    }
}

/// What must hold whatever the other side did.
func must(_ holds: Bool, _ what: @autoclosure () -> String, line: UInt = #line) {
    if holds { return }
    print("line \(line): \(what())")
    abort()
}

/// Layouts that differ in what can go wrong.
let layouts: [LogLayout] = [
    LogLayout(fixedPayloadBytes: 48, recordCount: 8)!, LogLayout(fixedPayloadBytes: 100, recordCount: 5)!,
    LogLayout(fixedPayloadBytes: 0, recordCount: 2)!,
    LogLayout(fixedPayloadBytes: 33, recordCount: 3, payloadOffset: 64)!,
    LogLayout(variableCapacity: 256)!, LogLayout(variableCapacity: 512)!, LogLayout(variableCapacity: 832)!,
    LogLayout(variableCapacity: 4096, payloadOffset: 48)!,
]

/// A log's birth: at nothing, or shortly before positions change their sign or wrap around. Only the rings of some sizes can
/// wrap: of others the place of a position would jump, after 2^64 bytes.
func origin(_ input: inout Input, _ layout: LogLayout) -> LogOrigin {
    let lap = UInt64(layout.capacity)
    let last = lap & (lap - 1) == 0 ? UInt64.max : 1 << 63
    return [
        LogOrigin.zero, LogOrigin(position: last / lap * lap - lap, sequence: 1 << 62),
        LogOrigin(position: (1 << 62) / lap * lap, sequence: (1 << 63) - 5),
    ][input.choose(3)]
}
