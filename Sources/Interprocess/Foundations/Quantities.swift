// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// Reads what people write for durations, sizes and modes.
public enum Quantity {
    static func refusal(_ text: String, _ code: IPCError.Code, _ hint: String) -> IPCError {
        IPCError(code: code, subject: AddressParser.quoted(text), hint: hint)
    }

    // MARK: Durations

    private static let durationUnits: [(suffix: String, nanoseconds: UInt64)] = [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
        ("m", 60_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    /// Reads a duration: `500ms`, `2s`, `1.5s`, `1m30s`, `1h`, `0`.
    ///
    /// - Parameter text: one or more numbers, each with its unit (ns, us, ms, s, m, h, d).
    /// - Returns: the duration, whole nanoseconds, at most 292 years.
    /// - Throws: ``IPCError/Code/invalidArgument``.
    public static func duration(_ text: String) throws(IPCError) -> Duration {
        func refuse(_ why: String) -> IPCError {
            refusal(text, .invalidArgument, "\(why); a right duration is 500ms, 2s, 1m or 1h")
        }
        if text.hasPrefix("-") { throw refuse("a duration is not negative") }
        if text == "0" { return .zero }
        var total: UInt64 = 0
        var rest = text[...]
        if rest.isEmpty { throw refuse("the duration is missing") }
        while !rest.isEmpty {
            guard let number = Decimal(&rest) else {
                throw refuse("there is no number at \(AddressParser.quoted(rest))")
            }
            let unit = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
            guard let scale = durationUnits.first(where: { $0.suffix == unit })?.nanoseconds else {
                throw refuse(unit.isEmpty ? "the unit is missing" : "there is no unit \(AddressParser.quoted(unit))")
            }
            rest = rest.dropFirst(unit.count)
            guard let part = number.scaled(by: scale) else { throw refuse("that is too long") }
            let (sum, overflow) = total.addingReportingOverflow(part)
            if overflow || sum > UInt64(Int64.max) { throw refuse("that is too long") }
            total = sum
        }
        return .nanoseconds(Int64(total))
    }

    // MARK: Sizes

    private static let sizeUnits: [(suffix: String, bytes: UInt64)] = [
        ("", 1), ("B", 1), ("K", 1 << 10), ("KiB", 1 << 10), ("k", 1 << 10), ("kB", 1_000), ("KB", 1_000),
        ("M", 1 << 20), ("MiB", 1 << 20), ("MB", 1_000_000), ("G", 1 << 30), ("GiB", 1 << 30), ("GB", 1_000_000_000),
        ("T", 1 << 40), ("TiB", 1 << 40), ("TB", 1_000_000_000_000),
    ]

    /// Reads a number of bytes: `10`, `64K`, `1MiB`, `1.5G`, `5MB`.
    ///
    /// - Parameter text: a number and, if wanted, a unit: K, M, G, T and KiB, MiB, GiB, TiB count in 1024,
    ///   kB, MB, GB, TB in 1000.
    /// - Returns: the number of bytes.
    /// - Throws: ``IPCError/Code/invalidArgument``.
    public static func size(_ text: String) throws(IPCError) -> Int {
        func refuse(_ why: String) -> IPCError {
            refusal(text, .invalidArgument, "\(why); a right size is 10, 64K or 1MiB")
        }
        if text.hasPrefix("-") { throw refuse("a size is not negative") }
        var rest = text[...]
        if rest.isEmpty { throw refuse("the size is missing") }
        guard let number = Decimal(&rest) else { throw refuse("there is no number") }
        guard let scale = sizeUnits.first(where: { $0.suffix == rest })?.bytes else {
            throw refuse("there is no unit \(AddressParser.quoted(rest))")
        }
        guard let bytes = number.scaled(by: scale) else { throw refuse("that is too large") }
        guard let size = Int(exactly: bytes) else { throw refuse("that is too large") }
        return size
    }

    /// A number of bytes for people: `"512"`, `"64K"`, `"1.5M"`.
    public static func text(size bytes: UInt64) -> String {
        var value = bytes
        var remainder: UInt64 = 0
        var unit = 0
        while value >= 1024, unit < 4 {
            remainder = value % 1024
            value /= 1024
            unit += 1
        }
        let tenth = remainder * 10 / 1024
        let letter = ["", "K", "M", "G", "T"][unit]
        return value < 10 && tenth > 0 ? "\(value).\(tenth)\(letter)" : "\(value)\(letter)"
    }

    // MARK: Modes

    /// Reads a mode: octal (`0600`, `640`) or symbolic (`u=rw,g=r`, and relative to `current`: `g+w`, `o-rwx`).
    ///
    /// - Parameters:
    ///   - text: up to four octal digits, or clauses of who (`u`, `g`, `o`, `a`), `=`, `+` or `-`, and any of `rwxst`.
    ///   - current: the mode that the clauses change; nothing by default, so that `u=rw` is 0600.
    /// - Returns: the mode.
    /// - Throws: ``IPCError/Code/invalidArgument``.
    public static func permissions(
        _ text: String, current: FilePermissions = []
    ) throws(IPCError) -> FilePermissions {
        func refuse(_ why: String) -> IPCError {
            refusal(text, .invalidArgument, "\(why); a right mode is 0600 or u=rw,g=r")
        }
        if text.isEmpty { throw refuse("the mode is missing") }
        if let first = text.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) {
            let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
            guard let value = UInt32(digits, radix: 8), digits.first != "+" else {
                throw refuse("an octal mode has the digits 0 to 7 only")
            }
            guard value <= 0o7777 else { throw refuse("a mode is 0 to 07777") }
            return FilePermissions(rawValue: value)
        }
        var mode = current.rawValue
        for clause in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let change = ModeChange(clause) else {
                throw refuse("\(AddressParser.quoted(clause)) is neither octal nor who=rwx")
            }
            mode = change.applied(to: mode)
        }
        return FilePermissions(rawValue: mode)
    }

    /// A mode as four octal digits: `"0600"`.
    public static func text(permissions: FilePermissions) -> String {
        let digits = String(permissions.rawValue & 0o7777, radix: 8)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}

/// Digits with at most nine after a point, kept exactly.
private struct Decimal {
    var whole: UInt64
    var fraction: UInt64 = 0
    var fractionDigits = 0

    /// Takes the number from the front of `text`; nil, and `text` as it was, if there is none or it does not fit.
    init?(_ text: inout Substring) {
        var rest = text
        let digits = rest.prefix { ("0"..."9").contains($0) }
        guard let whole = UInt64(digits) else { return nil }
        self.whole = whole
        rest = rest.dropFirst(digits.count)
        if rest.first == "." {
            let after = rest.dropFirst().prefix { ("0"..."9").contains($0) }
            guard !after.isEmpty, after.count <= 9, let fraction = UInt64(after) else { return nil }
            self.fraction = fraction
            fractionDigits = after.count
            rest = rest.dropFirst(1 + after.count)
        }
        text = rest
    }

    /// The product, cut to a whole number; nil if it does not fit.
    func scaled(by scale: UInt64) -> UInt64? {
        let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
        if overflow { return nil }
        var divisor: UInt64 = 1
        for _ in 0..<fractionDigits { divisor *= 10 }
        let part = fraction.multipliedFullWidth(by: scale)
        let (quotient, _) = divisor.dividingFullWidth(part)
        let (sum, overflows) = product.addingReportingOverflow(quotient)
        return overflows ? nil : sum
    }
}

/// One clause of a symbolic mode.
private struct ModeChange {
    var who: UInt32 = 0
    var operation: Character = "="
    var bits: UInt32 = 0

    init?(_ clause: Substring) {
        let people = clause.prefix { "ugoa".contains($0) }
        for person in people {
            switch person {
            case "u": who |= 0o4700
            case "g": who |= 0o2070
            case "o": who |= 0o1007
            default: who |= 0o7777
            }
        }
        if people.isEmpty { who = 0o7777 }
        let rest = clause.dropFirst(people.count)
        guard let sign = rest.first, "=+-".contains(sign) else { return nil }
        // "=" with nothing takes all away; a lone "+" or "-" changes nothing and is a slip.
        if sign != "=" && rest.count == 1 { return nil }
        operation = sign
        for letter in rest.dropFirst() {
            switch letter {
            case "r": bits |= 0o444
            case "w": bits |= 0o222
            case "x": bits |= 0o111
            case "s": bits |= 0o6000
            case "t": bits |= 0o1000
            default: return nil
            }
        }
    }

    func applied(to mode: UInt32) -> UInt32 {
        switch operation {
        case "+": mode | (bits & who)
        case "-": mode & ~(bits & who)
        default: (mode & ~who) | (bits & who)
        }
    }
}
