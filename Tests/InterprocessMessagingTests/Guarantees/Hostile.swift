// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessStructures
import InterprocessSyscalls
import InterprocessTestKit

/// A subscriber that keeps to nothing: it holds what the hand-shake gave it as bare memory.
final class HostileSubscriber {
    let host: OutboxDesk
    /// The publisher's end, as the door holds it.
    let link: PeerLink
    /// Its own end, which it may flood or never drain.
    let own: PeerLink
    let welcome: Welcome
    let page: MappedRegion
    let log: MappedRegion
    private static let credentials = PeerIdentity(credentials: .own, publisherID: 99)

    init(_ host: OutboxDesk, isLossless: Bool, _ payload: PayloadDescription) throws {
        let pair = try SequencedPacketSocket.pair()
        self.host = host
        link = PeerLink(pair.first, peer: Self.credentials)
        own = PeerLink(pair.second, peer: Self.credentials)
        let hello = Hello(purpose: .subscribe, payload: payload, isLossless: isLossless, history: .all)
        switch host.admit(hello, over: link) {
        case .refusal(let refusal): throw refusal
        case .welcome(let welcome, let log, let page):
            self.welcome = welcome
            self.log = try SealedMemory(adopting: log).map(access: .readOnly)
            self.page = try SealedMemory(adopting: page).map()
        }
        host.joined(link)
    }

    /// What the door does when the link ends.
    func leave() {
        _ = link.markGone()
        host.left(link)
    }

    /// Writes anything anywhere, more often where it hurts.
    func scribble(_ chance: inout Chance) {
        let lines = [0, 1024, 2048].map { $0 + 64 * welcome.stagger }
        for _ in 0..<Int.random(in: 1...8, using: &chance) {
            let offset =
                Bool.random(using: &chance)
                ? 8 * Int.random(in: 0..<512, using: &chance)
                : lines[Int.random(in: 0..<3, using: &chance)] + 8 * Int.random(in: 0..<4, using: &chance)
            page.store(Self.lie(log, &chance), at: offset)
        }
    }

    /// Nonsense, or something that is nearly true.
    static func lie(_ log: borrowing MappedRegion, _ chance: inout Chance) -> UInt64 {
        let floor = log.load(UInt64.self, at: 0)
        switch UInt64.random(in: 0..<8, using: &chance) {
        case 0: return 0
        case 1: return .max
        case 2: return 1
        case 3: return floor
        case 4: return floor &+ 64 &* UInt64.random(in: 0..<64, using: &chance)
        case 5: return floor &- 64
        case 6: return UInt64.random(in: 0..<100, using: &chance)
        default: return .random(in: 0...(.max), using: &chance)
        }
    }
}

/// A descriptor in an object, where a value that cannot be copied will not do.
final class HeldDescriptor {
    let descriptor: OwnedDescriptor
    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    var number: CInt { descriptor.rawValue }
}
