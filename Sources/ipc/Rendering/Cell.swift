// SPDX-License-Identifier: Apache-2.0

/// One value of a table: it knows how it looks, how it compares and what it is in JSON.
enum Cell: Sendable {
    case none
    case text(String)
    case integer(Int64)
    case bytes(UInt64)
    /// 0 to 1 and beyond.
    case share(Double)
    case mode(UInt16)
    /// Seconds.
    case duration(Double)
    case bool(Bool)

    func display(exactBytes: Bool) -> String {
        switch self {
        case .none: "-"
        case .text(let value): value.printable
        case .integer(let value): String(value)
        case .bytes(let value): exactBytes ? String(value) : Cell.size(value)
        case .share(let value): "\(Int((value * 100).rounded()))%"
        case .mode(let value): Cell.octal(value)
        case .duration(let seconds): Cell.span(seconds)
        case .bool(let value): value ? "yes" : "no"
        }
    }

    var isNumber: Bool {
        switch self {
        case .integer, .bytes, .share, .duration: true
        default: false
        }
    }

    var json: JSON {
        switch self {
        case .none: .null
        case .text(let value): .string(value)
        case .integer(let value): .integer(value)
        case .bytes(let value): .unsigned(value)
        case .share(let value): .double((value * 10000).rounded() / 10000)
        case .mode(let value): .string(Cell.octal(value))
        case .duration(let seconds): .double(seconds)
        case .bool(let value): .bool(value)
        }
    }

    static func octal(_ mode: UInt16) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// `64K`, `1.5M`: three digits at most.
    static func size(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["", "K", "M", "G", "T", "P", "E"]
        while value >= 1000 && unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return String(bytes) }
        return fixed(value, value < 9.95 ? 1 : 0) + units[unit]
    }

    /// `35 s`, `12 min`, `3 h`, `9 d`.
    static func span(_ seconds: Double) -> String {
        switch seconds {
        case ..<1: "now"
        case ..<120: "\(Int(seconds)) s"
        case ..<7200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3600)) h"
        default: "\(Int(seconds / 86400)) d"
        }
    }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((value.magnitude * scale).rounded())
        let sign = value < 0 && scaled != 0 ? "-" : ""
        if digits == 0 { return sign + String(scaled) }
        let fraction = String(scaled % Int64(scale))
        return sign + String(scaled / Int64(scale)) + "." + String(repeating: "0", count: digits - fraction.count)
            + fraction
    }
}

/// One row: columns by name, in order.
struct Record: Sendable {
    var cells: [(name: String, cell: Cell)]

    subscript(_ name: String) -> Cell {
        for (column, cell) in cells where column == name { return cell }
        return .none
    }
}
