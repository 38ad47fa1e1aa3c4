// SPDX-License-Identifier: Apache-2.0
import Testing

/// Which access of a protocol has which order, in words; one of them may be given less than the sources give it.
final class Sites {
    typealias Order = ViewMachine.Order

    private let changed: [String: Order]
    private(set) var all: [(name: String, order: Order)] = []

    init(_ changed: [String: Order] = [:]) { self.changed = changed }

    func callAsFunction(_ name: String, _ order: Order) -> Order {
        if !all.contains(where: { $0.name == name }) { all.append((name, order)) }
        return changed[name] ?? order
    }
}

/// A protocol of the log, access by access.
struct Transcription: Sendable, CustomTestStringConvertible {
    typealias Step = ViewMachine.Step

    let name: String
    let memory: [UInt8]
    var spurious = 0
    /// What may be weakened without harm to this protocol, and why it is there nevertheless.
    var needless: [String: String] = [:]
    let programs: @Sendable (Sites) -> [[Step]]

    var testDescription: String { name }

    static let forTheFenceBehind = "the fence behind it does as much"
    static let forOtherProtocols = "another protocol needs it"
    static let noPayloadHere = "it is for the payload, which is not part of this"

    static let all = [
        commitAndRelease, ownLengths, copy, onAtTheFloor, pin, keptPin, putOut, latePinPutOut, theEnd, hanging,
        sleep(isFenced: true), sleep(isFenced: false), markAndRing, twoWaysOfSleeping, room(isFenced: true),
        room(isFenced: false), entering(isFenced: true), entering(isFenced: false),
    ]
}

// MARK: Records

extension Transcription {
    /// A ring of one record, three times over.
    static let commitAndRelease = Transcription(name: "commit and release", memory: [0, 0, 0]) { site in
        let (commit, released, payload) = (0, 1, 2)
        return [
            [
                .label("next"), .set(0) { $0[0] + 1 },
                .label("room"), .load(1, from: released, site("the publisher's load of released", .acquire)),
                .jump("room") { $0[1] + 1 < $0[0] },
                .plainStore(payload) { $0[0] }, .store(commit, site("commit", .release)) { $0[0] },
                .jump("next") { $0[0] < 3 },
            ],
            [
                .label("next"), .set(0) { $0[0] + 1 },
                .label("poll"), .load(1, from: commit, site("the reader's load of commit", .acquire)),
                .jump("poll") { $0[1] != $0[0] },
                .plainLoad(2, from: payload), .check("another payload") { $0[2] == $0[0] },
                .store(released, site("released", .release)) { $0[0] }, .jump("next") { $0[0] < 3 },
            ],
        ]
    }

    /// Two records behind one another, where an earlier payload looks like the second one's commit word.
    static let ownLengths = Transcription(name: "records of their own lengths", memory: [0, 0, 0, 2, 9, 9]) { site in
        let first = (commit: 0, shape: 1, payload: 2)
        let second = (commit: 3, shape: 4, payload: 5)
        return [
            [
                .store(second.commit, .none) { _ in 0 },
                .store(first.shape, .none) { _ in 1 }, .plainStore(first.payload) { _ in 5 },
                .store(first.commit, site("commit", .release)) { _ in 1 },
                .store(second.shape, .none) { _ in 1 }, .plainStore(second.payload) { _ in 6 },
                .store(second.commit, site("commit", .release)) { _ in 2 },
            ],
            [
                .label("first"), .load(0, from: first.commit, site("the reader's load of commit", .acquire)),
                .jump("first") { $0[0] != 1 },
                .load(1, from: first.shape, .none), .check("another length") { $0[1] == 1 },
                .plainLoad(1, from: first.payload), .check("another payload") { $0[1] == 5 },
                .label("second"), .load(0, from: second.commit, site("the reader's load of commit", .acquire)),
                .jump("second") { $0[0] != 2 },
                .load(1, from: second.shape, .none), .check("another length") { $0[1] == 1 },
                .plainLoad(1, from: second.payload), .check("another payload") { $0[1] == 6 },
            ],
        ]
    }

    /// The payload is copied while the publisher may write there, word by word on both sides.
    static let copy = Transcription(
        name: "copying", memory: [0, 0, 0, 0],
        needless: [
            "floor → none": "for who goes on there", "the floor's fence → acquireRelease": "for pins",
        ]
    ) { site in
        let (commit, floor, payload) = (0, 1, (2, 3))
        return [
            [
                .store(payload.0, .none) { _ in 5 }, .store(payload.1, .none) { _ in 5 },
                .store(commit, site("commit", .release)) { _ in 1 },
                .store(floor, site("floor", .release)) { _ in 1 }, .fence(site("the floor's fence", .full)),
                .store(payload.0, .none) { _ in 9 }, .store(payload.1, .none) { _ in 9 },
            ],
            [
                .load(0, from: commit, site("the reader's load of commit", .acquire)), .jump("done") { $0[0] != 1 },
                .load(1, from: payload.0, .none), .load(2, from: payload.1, .none),
                .fence(site("the copy's fence", .acquire)),
                .load(3, from: floor, .none), .jump("done") { $0[3] > 0 },
                .check("a torn copy") { $0[1] == 5 && $0[2] == 5 }, .label("done"),
            ],
        ]
    }

    /// A ring of two records. Who was lapped reads the number of the oldest one.
    static let onAtTheFloor = Transcription(
        name: "going on at the floor", memory: [0, 0, 0],
        needless: [
            "the look's fence → none": "acquire at the commit word does as much",
            "the reader's load of commit → none": "the look's fence does as much",
            "commit → none": "the floor, stored behind it, is released",
            "the floor's fence → acquireRelease": "for pins",
        ]
    ) { site in
        let (floor, commit) = (0, (1, 2))
        let order = site("commit", .release)
        let raise: (UInt8) -> [Step] = { position in
            [.store(floor, site("floor", .release)) { _ in position }, .fence(site("the floor's fence", .full))]
        }
        return [
            [.store(commit.0, order) { _ in 1 }, .store(commit.1, order) { _ in 2 }]
                + raise(1) + [.store(commit.0, .none) { _ in 0 }, .store(commit.0, order) { _ in 3 }]
                + raise(2) + [.store(commit.1, .none) { _ in 0 }, .store(commit.1, order) { _ in 4 }],
            [
                .load(0, from: floor, site("the reader's load of the floor", .acquire)), .jump("done") { $0[0] == 0 },
                .jump("odd") { $0[0] % 2 == 1 },
                .load(1, from: commit.0, site("the reader's load of commit", .acquire)), .jump("again") { _ in true },
                .label("odd"), .load(1, from: commit.1, site("the reader's load of commit", .acquire)),
                .label("again"), .fence(site("the look's fence", .acquire)),
                .load(2, from: floor, .none), .jump("done") { $0[2] != $0[0] },
                .check("another number") { $0[1] == $0[0] + 1 }, .label("done"),
            ],
        ]
    }

    static let theEnd = Transcription(
        name: "the end", memory: [0, 0],
        needless: ["commit → none": noPayloadHere, "the reader's load of commit → none": noPayloadHere]
    ) { site in
        let (commit, state) = (0, 1)
        return [
            [
                .store(commit, site("commit", .release)) { _ in 1 },
                .store(commit, site("commit", .release)) { _ in 2 },
                .store(state, site("state", .release)) { _ in 1 },
            ],
            [
                .label("look"), .load(1, from: state, site("the reader's load of the state", .acquire)),
                .load(2, from: commit, site("the reader's load of commit", .acquire)),
                .jump("none") { $0[2] <= $0[0] }, .set(0) { $0[0] + 1 }, .jump("look") { _ in true },
                .label("none"), .jump("look") { $0[1] == 0 }, .check("an end before the last record") { $0[0] == 2 },
            ],
        ]
    }
}

// MARK: Pins, and being put out

extension Transcription {
    private static let pinNeedless = ["floor → none": "for who goes on there"]

    /// Words: 0 floor, 1 pin (9: none), 2 and 3 the payloads of two records, overwritten one behind the other.
    private static func raisingTheFloor(_ site: Sites) -> [Step] {
        (0..<2).flatMap { record -> [Step] in
            [
                .store(0, site("floor", .release)) { _ in UInt8(record) + 1 }, .fence(site("the floor's fence", .full)),
                .label("wait \(record)"), .load(1, from: 1, site("the publisher's load of the pin", .acquire)),
                .jump("wait \(record)") { $0[1] <= record }, .plainStore(2 + record) { _ in 9 },
            ]
        }
    }

    static let pin = Transcription(name: "pinning", memory: [0, 9, 5, 5], needless: pinNeedless) { site in
        let reader = (0..<2).flatMap { record -> [Step] in
            [
                .store(1, site("pin", .release)) { _ in UInt8(record) }, .fence(site("the pin's fence", .full)),
                .load(0, from: 0, .none), .jump("passed \(record)") { $0[0] > record },
                .plainLoad(1, from: 2 + record), .check("a pinned record was overwritten") { $0[1] == 5 },
                .label("passed \(record)"), .store(1, site("taking the pin back", .release)) { _ in 9 },
            ]
        }
        return [raisingTheFloor(site), reader]
    }

    static let keptPin = Transcription(
        name: "a pin that is kept", memory: [0, 9, 5, 5],
        needless: pinNeedless.merging(["pin → none": "nothing was read before it"]) { $1 }
    ) { site in
        [
            raisingTheFloor(site),
            [
                .store(1, site("pin", .release)) { _ in 0 }, .fence(site("the pin's fence", .full)),
                .load(0, from: 0, .none), .jump("passed") { $0[0] > 0 },
                .plainLoad(1, from: 2), .check("a pinned record was overwritten") { $0[1] == 5 },
                .store(1, site("moving the pin", .release)) { _ in 1 },
                .plainLoad(1, from: 3), .check("a pinned record was overwritten") { $0[1] == 5 },
                .label("passed"), .store(1, site("taking the pin back", .release)) { _ in 9 },
            ],
        ]
    }

    /// What a reader uses while it is put out may be overwritten; its release tells.
    static let putOut = Transcription(
        name: "being put out", memory: [0, 0, 5],
        needless: [
            "evicted → none": forTheFenceBehind, "floor → none": forTheFenceBehind,
        ]
    ) { site in
        let (evicted, floor, payload) = (0, 1, 2)
        return [
            [
                .store(evicted, site("evicted", .release)) { _ in 1 },
                .store(floor, site("floor", .release)) { _ in 1 }, .fence(site("the floor's fence", .release)),
                .store(payload, .none) { _ in 9 },
            ],
            [
                .load(0, from: payload, .none), .fence(site("the release's fence", .acquire)),
                .load(1, from: evicted, .none), .jump("intact") { $0[1] == 0 },
                .load(2, from: floor, .none), .jump("done") { $0[2] == 1 },
                .label("intact"), .check("overwritten, and not told") { $0[0] == 5 }, .label("done"),
            ],
        ]
    }

    /// The pin came between the publisher's two looks: it holds, although the floor has passed it, and then is put out. Words: 0
    /// floor, 1 pin (9: none), 2 evicted, 3 payload.
    static let latePinPutOut = Transcription(
        name: "a late pin, put out", memory: [0, 9, 0, 5],
        needless: [
            "floor → none": "for who goes on there", "evicted → none": forTheFenceBehind,
            "the pin → none": "nothing was read before it",
            "the publisher's load of the pin → none": "what it read of the record is not told to be whole",
        ]
    ) { site in
        let (floor, pin, evicted, payload) = (0, 1, 2, 3)
        return [
            [
                .store(floor, site("floor", .release)) { _ in 1 }, .fence(site("the floor's fence", .full)),
                .load(0, from: pin, site("the publisher's load of the pin", .acquire)), .jump("free") { $0[0] == 9 },
                .store(evicted, site("evicted", .release)) { _ in 1 },
                .label("free"), .fence(site("the limit's fence", .release)), .store(payload, .none) { _ in 9 },
            ],
            [
                .store(pin, site("the pin", .release)) { _ in 0 }, .fence(site("the pin's fence", .full)),
                .load(0, from: floor, .none), .jump("done") { $0[0] > 0 },
                .load(0, from: payload, .none), .fence(site("the release's fence", .acquire)),
                .load(1, from: evicted, .none), .jump("intact") { $0[1] == 0 },
                .load(2, from: floor, .none), .jump("done") { $0[2] == 1 },
                .label("intact"), .check("overwritten, and not told") { $0[0] == 5 }, .label("done"),
            ],
        ]
    }

    /// A thread of the publisher's process fills a place of the bells. Words: 0 used, 1 address of the count (0 nothing, 1 that
    /// of nobody, 2 a page's), 2 address of the bell.
    static let hanging = hanging(placesBeginWith: 1)

    static func hanging(placesBeginWith first: UInt8) -> Transcription {
        Transcription(
            name: "hanging a bell", memory: [0, first, 0],
            needless: [
                "used → none": "a place begins as that of nobody",
                "the fence behind a commit → acquireRelease": "for sleepers",
                "the fence behind a commit → none": "for sleepers",
            ]
        ) { site in
            [
                [
                    .fence(site("the fence behind a commit", .full)), .load(0, from: 0, .none),
                    .jump("done") { $0[0] == 0 },
                    .load(1, from: 1, site("the publisher's load of the place", .acquire)),
                    .check("a place with nothing in it") { $0[1] != 0 }, .jump("done") { $0[1] == 1 },
                    .load(2, from: 2, .none), .check("no bell") { $0[2] == 7 }, .label("done"),
                ],
                [
                    .store(2, .none) { _ in 7 }, .store(1, site("place", .release)) { _ in 2 },
                    .store(0, site("used", .release)) { _ in 1 },
                ],
            ]
        }
    }
}
