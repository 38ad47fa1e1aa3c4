// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessStructures
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing
import messaging_peer

/// What a publisher says of its log, and the descriptors that it sends, are looked at before they are used.
@Suite("A welcome that lies", .bounded())
struct LyingWelcomeTests {
    /// What is sent in place of memory.
    enum Sent: CaseIterable {
        case honest, unsealed, withoutFutureWrite, tooSmall, pipe, device, directory, file, socket, readOnlyMemory,
            swapped

        func descriptor(_ honest: borrowing OwnedDescriptor, _ other: borrowing OwnedDescriptor) throws
            -> OwnedDescriptor
        {
            switch self {
            case .honest: return try honest.duplicate()
            case .swapped: return try other.duplicate()
            case .unsealed:
                let memory = OwnedDescriptor(adopting: try TestSyscalls.anonymousFile())
                try sysTruncate(memory.rawValue, 1 << 20)
                return memory
            case .withoutFutureWrite: return try SealedMemory(byteCount: 1 << 16, seals: .fixedSize).release()
            case .tooSmall: return try SealedMemory(byteCount: 64, seals: [.shrink, .grow, .futureWrite]).release()
            case .pipe:
                let pipe = try TestSyscalls.pipe()
                TestSyscalls.close(pipe.writing)
                return OwnedDescriptor(adopting: pipe.reading)
            case .device: return OwnedDescriptor(adopting: try sysOpen("/dev/zero", flags: 2))
            case .directory: return OwnedDescriptor(adopting: try sysOpen("/", flags: 0))
            case .file: return OwnedDescriptor(adopting: try sysOpen("/proc/self/exe", flags: 0))
            case .socket: return try SequencedPacketSocket.pair().first.release()
            // Sealed and large enough, but no log of ours, and not to be mapped for writing.
            case .readOnlyMemory: return try SealedMemory(byteCount: 1 << 16, seals: .immutable).readOnlyDescriptor()
            }
        }
    }

    /// A real publisher's answer, to be falsified.
    final class Answer {
        let outbox: Outbox
        let welcome: Welcome
        let log: HeldDescriptor
        let page: HeldDescriptor

        init(bytes: Bool) throws {
            outbox = try bytes ? Meeting.byteOutbox() : Meeting.outbox(Proof.self)
            let link = try Answer.link().first
            let hello = Hello(purpose: .subscribe, payload: bytes ? .bytes : PayloadDescription(of: Proof.self))
            switch outbox.desk.admit(hello, over: link) {
            case .refusal(let refusal): throw refusal
            case .welcome(let welcome, let log, let page):
                self.welcome = welcome
                self.log = HeldDescriptor(log)
                self.page = HeldDescriptor(page)
            }
        }

        static func link() throws -> (first: PeerLink, second: PeerLink) {
            let pair = try SequencedPacketSocket.pair()
            let identity = PeerIdentity(credentials: .own, publisherID: 1)
            return (PeerLink(pair.first, peer: identity), PeerLink(pair.second, peer: identity))
        }

        /// What a subscriber makes of it.
        func accept(_ welcome: Welcome, _ log: Sent = .honest, _ page: Sent = .honest, bytes: Bool) throws {
            let inboxes = try bytes ? Meeting.byteInboxes() : Meeting.inboxes(Proof.self)
            try inboxes.desk.accepted(
                welcome, log: log.descriptor(self.log.descriptor, self.page.descriptor),
                page: page.descriptor(self.page.descriptor, self.log.descriptor),
                over: Answer.link().second)
        }
    }

    @Test("descriptors that are not what they should be are refused with an error that says so, and closed")
    func descriptors() async {
        await #expect(processExitsWith: .success) {
            let answer = try Answer(bytes: false)
            try answer.accept(answer.welcome, bytes: false)
            for sent in Sent.allCases where sent != .honest {
                for isLog in [true, false] {
                    // A page is sealed against further mappings by who receives it.
                    if !isLog && sent == .withoutFutureWrite { continue }
                    let check = LeakCheck()
                    do {
                        try answer.accept(answer.welcome, isLog ? sent : .honest, isLog ? .honest : sent, bytes: false)
                        Issue.record("\(sent) was taken for a \(isLog ? "log" : "page")")
                    } catch let error as IPCError {
                        let codes: [IPCError.Code] = [.malformed, .wrongKind, .permissionDenied]
                        #expect(codes.contains(error.code), "\(sent) as \(isLog ? "log" : "page"): \(error)")
                        #expect(error.description.count > 20)
                    }
                    try check.verify()
                }
            }
        }
    }

    @Test("numbers that cannot be are refused, all others are harmless", arguments: [false, true])
    func numbers(bytes: Bool) async throws {
        var chance = Chance("a welcome that lies, bytes \(bytes)")
        let answer = try Answer(bytes: bytes)
        var (refused, accepted) = (0, 0)
        let numbers = [0, 1, -1, 15, 16, 63, 64, 128, 4096, 4095, .max, .min, 1 << 32, 1 << 40, 1 << 41]
        for _ in 0..<1500 {
            var lie = answer.welcome
            func number() -> Int {
                Bool.random(using: &chance)
                    ? numbers.randomElement(using: &chance)! : Int(truncatingIfNeeded: chance.next())
            }
            for _ in 0..<Int.random(in: 1...2, using: &chance) {
                switch Int.random(in: 0..<7, using: &chance) {
                case 0: lie.regionBytes = number()
                case 1: lie.stagger = number()
                case 2: lie.position = UInt64(bitPattern: Int64(number()))
                case 3: lie.sequence = UInt64(bitPattern: Int64(number()))
                case 4: lie.fields = UInt8(truncatingIfNeeded: number())
                case 5: lie.userHeaderBytes = number()
                default: lie.publisherIsFenced.toggle()
                }
            }
            do {
                let inboxes = try bytes ? Meeting.byteInboxes() : Meeting.inboxes(Proof.self)
                try inboxes.desk.accepted(
                    lie, log: answer.log.descriptor.duplicate(), page: try answer.freshPage(),
                    over: Answer.link().second)
                accepted += 1
                // A place at which nothing will ever be is a place.
                let receiver: any ProofReceiver =
                    bytes ? ByteReceiver(ByteSubscriber(inboxes)) : TypedReceiver(Subscriber<Proof>(inboxes))
                _ = try? receiver.receive(until: .immediately)
            } catch let error as IPCError {
                #expect(error.code == .malformed, "\(lie): \(error)")
                refused += 1
            }
        }
        print("\(refused) refused, \(accepted) harmless")
        #expect(refused > 500)
    }

    @Test("a log whose own header lies is refused", arguments: [false, true])
    func headers(bytes: Bool) throws {
        var chance = Chance("a header that lies, bytes \(bytes)")
        let answer = try Answer(bytes: bytes)
        let segment = answer.outbox.desk.segment
        let truth = (8..<16).map { segment.region.load(UInt64.self, at: 8 * $0) }
        for _ in 0..<1500 {
            let place = Int.random(in: 0..<5, using: &chance)
            let lie = HostileSubscriber.lie(segment.region, &chance)
            guard lie != truth[place] else { continue }
            segment.region.store(lie, at: 64 + 8 * place)
            defer { segment.region.store(truth[place], at: 64 + 8 * place) }
            // A lie that is a log all the same, only a smaller one, is harmless.
            _ = try? answer.acceptFresh(bytes: bytes)
        }
        try answer.acceptFresh(bytes: bytes)
    }
}

extension LyingWelcomeTests.Answer {
    /// A page that nobody has sealed yet.
    func freshPage() throws -> OwnedDescriptor {
        try SealedMemory(byteCount: PairLayout.regionBytes, seals: .fixedSize).release()
    }

    func acceptFresh(bytes: Bool) throws {
        let inboxes = try bytes ? Meeting.byteInboxes() : Meeting.inboxes(Proof.self)
        try inboxes.desk.accepted(
            welcome, log: log.descriptor.duplicate(), page: try freshPage(),
            over: LyingWelcomeTests.Answer.link().second)
    }
}
