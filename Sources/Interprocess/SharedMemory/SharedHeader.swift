// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// What lies in front of values in shared memory: who opens them compares it with what his own program expects.
struct SharedHeader: SharedPayload {
    /// `SwIPCmem` in memory.
    static let magic: UInt64 = 0x6d65_6d43_5049_7753
    static let ready: UInt32 = 2
    static let byteCount = 128
    /// Where the state is, in bytes; it is written last.
    static let stateOffset = 8

    var magic: UInt64
    /// 0 nothing yet, 1 being made, 2 ready.
    var state: UInt32
    var headerVersion: UInt32
    var fingerprint: UInt64
    var size: UInt64
    var stride: UInt64
    var alignment: UInt64
    var version: UInt64
    var count: UInt64
    /// The type's name, filled up with zeros; the start of it if it is longer.
    var name: InlineArray<64, UInt8>

    init(_ layout: SharedLayout, count: Int) {
        magic = Self.magic
        state = 1
        headerVersion = 1
        fingerprint = layout.fingerprint
        size = UInt64(layout.sizeBytes)
        stride = UInt64(layout.strideBytes)
        alignment = UInt64(layout.alignmentBytes)
        version = UInt64(layout.version)
        self.count = UInt64(count)
        name = InlineArray(repeating: 0)
        for (index, byte) in layout.typeName.utf8.prefix(64).enumerated() { name[index] = byte }
    }

    /// Checks a header and says how many elements follow; all of it was written by somebody else.
    ///
    /// - Parameter room: how many bytes follow it.
    static func validate(
        _ region: borrowing MappedRegion, at offset: Int, _ expected: SharedLayout, count: Int?, subject: String
    ) throws(IPCError) -> Int {
        func refuse(_ code: IPCError.Code, _ hint: String) -> IPCError {
            IPCError(code: code, subject: subject, hint: hint)
        }
        guard region.contains(byteCount: byteCount, at: offset) else {
            throw refuse(
                .malformed, "it has \(region.byteCount) bytes, too few for the header of \(expected.typeName)")
        }
        let state = region.atomicLoad(UInt32.self, at: offset + stateOffset)
        let header = region.load(SharedHeader.self, at: offset)
        if state < ready && (header.magic == 0 || header.magic == magic) {
            throw refuse(.wouldBlock, "it is not ready yet: who makes it has not finished, or died on the way")
        }
        guard header.magic == magic, header.headerVersion == 1, state == ready else {
            throw refuse(.malformed, "it does not begin with the header of a shared value; \(expected) was expected")
        }
        guard header.fingerprint == expected.fingerprint else {
            throw refuse(.malformed, "it holds \(header.text), and this program expects \(expected)")
        }
        let room = region.byteCount - offset - byteCount
        guard let stored = Int(exactly: header.count), stored >= 0, stored <= room / max(expected.strideBytes, 1) else {
            throw refuse(.malformed, "it says that it has \(header.count) elements, for which it has no room")
        }
        guard count == nil || count == stored else {
            throw refuse(.malformed, "it has \(stored) elements, and this program expects \(count ?? 0)")
        }
        return stored
    }

    /// As ``SharedLayout/description``; a peer's text is shown only as far as it is one.
    private var text: String {
        var bytes: [UInt8] = []
        for index in name.indices where name[index] != 0 {
            bytes.append((0x20...0x7e).contains(name[index]) ? name[index] : UInt8(ascii: "?"))
        }
        return
            "\(String(decoding: bytes, as: UTF8.self)): \(size) bytes, stride \(stride), alignment \(alignment), version \(version)"
    }
}
