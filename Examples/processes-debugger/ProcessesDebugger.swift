// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Stops a program at an address every time it comes there, tells the first two arguments of the function, and how it all ended.
///
///     processes-debugger 0x401176 ./program argument …
@main
struct ProcessesDebugger {
    static func main() async throws {
        let words = CommandLine.arguments
        guard words.count > 2, let address = UInt64(words[1].dropFirst(2), radix: 16) else {
            fatalError("usage: processes-debugger 0xADDRESS PROGRAM …")
        }
        let control = try await ProcessControl.spawn(FilePath(words[2]), arguments: Array(words[2...]))
        for try await event in control.events {
            switch event.kind {
            case .executed: try await control.setBreakpoint(at: address)
            case .breakpoint:
                let arguments = try await control.registers(of: event.thread).functionArguments
                print("stopped at \(words[1]) with \(arguments[0]), \(arguments[1])")
            case .signal(let signal): print("about to be hit by \(signal)")
            case .ended(let reason): print("ended: \(reason)")
            default: break
            }
            if event.wantsAnswer { try await control.resume(event) }
        }
    }
}
