// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Runs the command to its end; what it printed and how it ended.
@discardableResult
func ipc(
    _ words: String..., input: String = "", expecting code: Int32 = 0,
    location: SourceLocation = #_sourceLocation
) throws -> PeerOutcome {
    let peer = try Peer([Checkout.command.string] + words)
    if !input.isEmpty { try peer.write(Array(input.utf8)) }
    let outcome = try peer.finish()
    #expect(
        outcome.status == .exited(code), "ipc \(words.joined(separator: " ")): \(outcome.errorText)",
        sourceLocation: location)
    return outcome
}

/// Starts the command and does not wait.
func start(_ words: String..., descriptors: [CInt: CInt] = [:]) throws -> Peer {
    try Peer([Checkout.command.string] + words, descriptors: descriptors)
}

/// What Python's json makes of the command's output: `d` is the list of its lines.
func parsed(_ output: String, _ expression: String) throws -> String {
    let script = """
        import json, sys, base64
        d = [json.loads(line) for line in sys.stdin if line.strip()]
        print(eval(sys.argv[1]))
        """
    let peer = try Peer.python(script, [expression])
    try peer.write(Array(output.utf8))
    let outcome = try peer.finish()
    #expect(outcome.status == .exited(0), "\(outcome.errorText) of \(output)")
    return outcome.text.trimmed
}

extension String {
    var trimmed: String {
        var text = Substring(self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

/// Waits until something is so: for the other process to have come as far.
func eventually(_ what: String, location: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool) throws {
    let end = sysMonotonicNanoseconds() + 20_000_000_000
    while try !condition() {
        if sysMonotonicNanoseconds() > end {
            Issue.record("never: \(what)", sourceLocation: location)
            return
        }
        TestSyscalls.sleep(nanoseconds: 2_000_000)
    }
}

func exists(_ path: FilePath) -> Bool { (try? sysStatus(path)) != nil }
