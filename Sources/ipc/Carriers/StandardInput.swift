// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// How the input is cut into parcels.
enum Cutting: Sendable {
    /// All of it is one.
    case whole
    /// Each line is one, without its newline.
    case lines
    /// Each this many bytes; the last may be shorter.
    case frames(Int)
    /// As it comes.
    case flowing
}

/// Bytes that are cut: standard input, or the word on the command line.
struct CutInput {
    private let cutting: Cutting
    private var kept: [UInt8]
    private var start = 0
    private var ended: Bool
    private var delivered = 0

    init(_ cutting: Cutting, data: [UInt8]?) {
        self.cutting = cutting
        kept = data ?? []
        ended = data != nil
    }

    /// The next piece; nil at the end. An empty input is one empty piece if it is taken whole.
    mutating func next() throws -> [UInt8]? {
        switch cutting {
        case .whole:
            if delivered > 0 { return nil }
            while !ended { try fill() }
            return take(kept.count - start)
        case .flowing:
            if start == kept.count, !ended { try fill() }
            return start == kept.count ? nil : take(min(65536, kept.count - start))
        case .frames(let size):
            while kept.count - start < size, !ended { try fill() }
            return start == kept.count ? nil : take(min(size, kept.count - start))
        case .lines:
            var searched = start
            while true {
                if let end = kept[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                    let line = take(end - start)
                    start += 1
                    return line
                }
                if ended { return start == kept.count ? nil : take(kept.count - start) }
                let distance = kept.count - start
                try fill()
                searched = start + distance
            }
        }
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        defer { start += count }
        delivered += 1
        return Array(kept[start..<(start + count)])
    }

    private mutating func fill() throws {
        if start > 0 {
            kept.removeFirst(start)
            start = 0
        }
        do throws(Errno) {
            let bytes = try readUpTo(65536, 0)
            ended = bytes.isEmpty
            kept += bytes
        } catch  where error == .wouldBlock {
            _ = try sysPollOne(0, writing: false, untilNanoseconds: .max)
        } catch {
            throw Failure(error, "standard input")
        }
    }
}
