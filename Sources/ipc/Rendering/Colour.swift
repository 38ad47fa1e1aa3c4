// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// Colour for terminals: off elsewhere and with NO_COLOR, on with FORCE_COLOR.
enum Colour: String, Sendable {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"

    static let onOutput = decide(Output.isTerminal)
    static let onError = decide(Output.errorIsTerminal)

    private static func decide(_ terminal: Bool) -> Bool {
        if let wish = sysEnvironmentVariable("NO_COLOR"), !wish.isEmpty { return false }
        if let wish = sysEnvironmentVariable("FORCE_COLOR"), !wish.isEmpty { return wish != "0" }
        return terminal && sysEnvironmentVariable("TERM") != "dumb"
    }

    func callAsFunction(_ text: String, if on: Bool = Colour.onOutput) -> String {
        on && !text.isEmpty ? "\u{1b}[\(rawValue)m\(text)\u{1b}[0m" : text
    }
}
