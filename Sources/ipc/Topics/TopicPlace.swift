// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging

/// A topic by its address, and what is known of it before taking part.
struct TopicPlace: Sendable {
    let address: Address
    let name: ChannelName
    let rendezvous: Rendezvous

    /// - Parameter rendezvous: nil is the one that all programs of this user share; it is made if it is not there.
    init(_ address: Address, in rendezvous: Rendezvous? = nil) throws {
        guard address.kind == .topic, case .label(let label) = address.name else {
            throw Failure.unfit(address, "that is no topic")
        }
        self.address = address
        name = try ChannelName(label)
        if let rendezvous { self.rendezvous = rendezvous } else { self.rendezvous = try Rendezvous.standard() }
    }

    /// What its publishers carry; nil if nobody publishes.
    ///
    /// - Throws: if they disagree: a wrong guess would be worse than none.
    func payload() throws -> PayloadDescription? {
        let reports = try TopicView.reports(rendezvous, name).map(\.report.payload)
        guard let first = reports.first else { return nil }
        if let other = reports.first(where: { $0 != first }) {
            throw IPCError(
                code: .wrongKind, subject: "\(address)",
                hint: "its publishers carry different types: \(first.text), and \(other.text)")
        }
        return first
    }

    /// As a topic of bytes, whatever it carries.
    func topic(_ payload: PayloadDescription) throws(IPCError) -> ByteTopic {
        try ByteTopic(name.description, in: rendezvous, describing: payload)
    }
}
