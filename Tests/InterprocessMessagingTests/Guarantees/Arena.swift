// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import messaging_peer

/// A rendezvous of the test's own, and other processes in it.
final class Arena: Sendable {
    let scratch = ScratchName()
    let directory: String

    init() { directory = scratch.directory.string }

    static let program = Checkout.products.appending("messaging-peer").string

    func publisher(_ kind: ProofKind, _ options: String...) throws -> Peer {
        try Peer([Self.program, "publish", directory, kind.rawValue] + options)
    }

    func subscriber(_ kind: ProofKind, _ options: String...) throws -> Peer {
        try Peer([Self.program, "subscribe", directory, kind.rawValue] + options)
    }

    /// The sockets in the directory of the topic. One that was killed before it listened leaves a file under a dot-name, which the next
    /// publisher removes when it is ten seconds old: these do not count.
    var sockets: [String] {
        let topic = FilePath(directory).appending("topics").appending("proof")
        return ((try? TestSyscalls.entries(of: topic)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }
}

/// A file in which a publisher counts what it has sent; it outlives its death.
final class Counter: Sendable {
    let path: String
    private let region: MappedRegion

    init(_ arena: Arena) throws {
        let path = arena.scratch.path("count")
        region = try MappedFile(path, mode: .createExclusive, byteCount: 4096).map()
        self.path = path.string
    }

    var value: UInt64 { region.load(UInt64.self) }
}

/// Chance that can be repeated: the seed is printed, and `INTERPROCESS_SEED` sets it.
struct Chance: RandomNumberGenerator {
    private var state: UInt64

    init(_ test: String) {
        let given = TestSyscalls.environmentVariable("INTERPROCESS_SEED").flatMap { UInt64($0) }
        state = given ?? .random(in: 0...(.max))
        print("\(test): INTERPROCESS_SEED=\(state)")
    }

    init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    mutating func moment(_ milliseconds: Range<Int>) -> Duration {
        .microseconds(Int.random(in: milliseconds.lowerBound * 1000..<milliseconds.upperBound * 1000, using: &self))
    }

    mutating func pick(_ words: String...) -> String { words[Int.random(in: words.indices, using: &self)] }
}

/// How often a test repeats itself: a handful of times, or for as long as `INTERPROCESS_STRESS_SECONDS` says.
struct Rounds: Sequence, IteratorProtocol {
    private let atLeast: Int
    private let deadline: Deadline?
    private var round = 0

    init(_ atLeast: Int) {
        self.atLeast = atLeast
        let seconds = TestSyscalls.environmentVariable("INTERPROCESS_STRESS_SECONDS").flatMap { Int($0) }
        deadline = seconds.map { .after(.seconds($0)) }
    }

    mutating func next() -> Int? {
        if round >= atLeast, deadline?.hasPassed ?? true { return nil }
        round += 1
        return round - 1
    }

    /// For a watchdog: as long as the stress lasts, and then some.
    static let limit = Duration.seconds(
        120 + 2 * (TestSyscalls.environmentVariable("INTERPROCESS_STRESS_SECONDS").flatMap { Int($0) } ?? 0))
}
