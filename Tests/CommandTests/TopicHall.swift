// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessTestKit
import SystemPackage
import Testing

/// A directory in which the topics of one test meet, so that nothing of the host is touched.
struct TopicHall {
    let scratch = ScratchName()

    var environment: [String: String] { ["INTERPROCESS_DIR": "\(scratch.directory)"] }

    /// For topics of the test's own process.
    func rendezvous() throws -> Rendezvous { try Rendezvous(directory: scratch.directory) }

    /// Runs the command to its end.
    @discardableResult
    func ipc(
        _ words: String..., input: String = "", expecting code: Int32 = 0, location: SourceLocation = #_sourceLocation
    ) throws -> PeerOutcome {
        let peer = try Peer([Checkout.command.string] + words, environment: environment)
        if !input.isEmpty { try peer.write(Array(input.utf8)) }
        let outcome = try peer.finish()
        #expect(
            outcome.status == .exited(code), "ipc \(words.joined(separator: " ")): \(outcome.errorText)",
            sourceLocation: location)
        return outcome
    }

    func start(_ words: String...) throws -> Peer {
        try Peer([Checkout.command.string] + words, environment: environment)
    }

    /// Waits until a topic has so many publishers and subscribers.
    func meet(
        _ topic: String, publishers: Int, subscribers: Int, location: SourceLocation = #_sourceLocation
    ) throws {
        try eventually("\(publishers) publishers and \(subscribers) subscribers meet", location: location) {
            let rows = try ipc("list", "topic", "--json", "--filter", "address == \"topic:\(topic)\"").text
            return rows.contains("\"publishers\":\(publishers),\"subscribers\":\(subscribers),")
        }
    }

    /// Waits until a subscriber waits for publishers: it has made a directory for them.
    func waits(at topic: String, location: SourceLocation = #_sourceLocation) throws {
        try eventually("somebody waits at \(topic)", location: location) {
            exists(scratch.directory.appending("topics").pushing(FilePath(topic)))
        }
    }
}
