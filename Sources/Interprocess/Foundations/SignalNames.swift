// SPDX-License-Identifier: Apache-2.0

/// The names of the signals of Linux on x86-64 and arm64, and their numbers.
package enum SignalNames {
    private static let names = [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ]
    private static let synonyms: [String: Int32] = ["CLD": 17, "POLL": 29, "IOT": 6, "INFO": 30]
    /// What glibc leaves of the kernel's real-time signals to programs.
    package static let realTime: ClosedRange<Int32> = 34...64

    /// `"SIGUSR1"`, `"SIGRTMIN+3"`; the number itself for what has no name.
    package static func name(of number: Int32) -> String {
        if number > 0, number < names.count { return "SIG" + names[Int(number)] }
        if number == realTime.lowerBound { return "SIGRTMIN" }
        if realTime.contains(number) { return "SIGRTMIN+\(number - realTime.lowerBound)" }
        return "\(number)"
    }

    /// The number of `USR1`, `SIGUSR1`, `sigusr1`, `SIGRTMIN+3`, `RTMAX-1` or `10`; nil if it is none of 1 to 64.
    package static func number(of text: some StringProtocol) -> Int32? {
        if let number = Int32(text), text.first?.isNumber == true { return (1...64).contains(number) ? number : nil }
        var word = text.uppercased()
        if word.hasPrefix("SIG") { word.removeFirst(3) }
        if word.isEmpty { return nil }
        if let index = names.firstIndex(of: word) { return Int32(index) }
        if let number = synonyms[word] { return number }
        for (prefix, base, sign) in [("RTMIN", realTime.lowerBound, "+"), ("RTMAX", realTime.upperBound, "-")] {
            guard word.hasPrefix(prefix) else { continue }
            let rest = word.dropFirst(prefix.count)
            if rest.isEmpty { return base }
            guard rest.hasPrefix(sign), let offset = UInt8(rest.dropFirst()) else { return nil }
            let number = sign == "+" ? base + Int32(offset) : base - Int32(offset)
            return realTime.contains(number) ? number : nil
        }
        return nil
    }
}
