// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging

/// Topics as objects: there is nothing to make, and little to remove.
extension Objects {
    static func topicIsMadeByUsing(_ address: Address) -> Failure {
        .unfit(
            address,
            "a topic is there while somebody publishes it or subscribes to it: ipc receive \(address) --follow, and ipc send \(address) hello"
        )
    }

    static func topicHasNoMode(_ address: Address, _ verb: String) -> Failure {
        .unfit(
            address,
            "who may use a topic is up to those who publish it (AccessPolicy); its directory goes with the last of them, and \(verb) with it"
        )
    }

    /// Removes what killed publishers left: sockets that nobody answers, and the directory once nothing is in it.
    static func removeTopic(_ address: Address) throws {
        let place = try TopicPlace(address, in: Rendezvous.chosen())
        let view = try TopicView.look(place.rendezvous, place.name)
        let processes =
            view.publishers.map(\.identity.credentials.processID)
            + view.silent.compactMap { $0.publisher?.credentials.processID }
        guard processes.isEmpty, view.silent.isEmpty else {
            let who = Set(processes).sorted().map { TopicPeer.words($0) }.joined(separator: ", ")
            throw IPCError(
                code: .busy, subject: "\(address)",
                hint: "\(who.isEmpty ? "somebody" : who) publishes it; the topic goes when the last of them ends")
        }
        try place.rendezvous.removeUnused(.topic, place.name)
    }

    /// Fails if there is no such topic.
    static func verifyTopic(_ address: Address) throws {
        let place = try TopicPlace(address, in: Rendezvous.chosen())
        _ = try TopicView.look(place.rendezvous, place.name)
    }
}
