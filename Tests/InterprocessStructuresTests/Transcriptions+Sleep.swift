// SPDX-License-Identifier: Apache-2.0

// MARK: Sleeping

extension Transcription {
    /// After so many sleeps one goes away: a stale bell ends each at once, and nothing would bound their number.
    private static let enough: UInt8 = 4

    private static let sleepNeedless = [
        "commit → none": noPayloadHere, "the reader's load of commit → none": noPayloadHere,
        "the look at commit → none": noPayloadHere,
        "reading the bell → none": forTheFenceBehind,
        "sleeps, odd → none": "for the mode that is stored before it",
        "sleeps, even → none": "nothing is read behind it",
        "ringing → acquire": "for marks of this process", "ringing → release": "for symmetry",
    ]

    /// Words: 0 commit, 1 sleeps, 2 doorbell.
    static func sleep(isFenced: Bool) -> Transcription {
        let more = [
            "the sleeper's fence → acquireRelease": "the barrier is one",
            "the sleeper's fence → none": "the barrier is one",
        ]
        return Transcription(
            name: isFenced ? "sleeping, fenced" : "sleeping, process barrier", memory: [0, 0, 0], spurious: 1,
            needless: isFenced ? sleepNeedless : sleepNeedless.merging(more) { $1 }
        ) { site in
            [
                [
                    .label("next"), .set(0) { $0[0] + 1 }, .store(0, site("commit", .release)) { $0[0] },
                ] + (isFenced ? [.fence(site("the fence behind a commit", .full))] : []) + [
                    .load(1, from: 1, .none), .jump("quiet") { $0[1] % 2 == 0 || $0[1] == $0[2] },
                    .add(2, site("ringing", .acquireRelease)), .wake(1, on: 2), .set(2) { $0[1] },
                    .label("quiet"), .jump("next") { $0[0] < 2 },
                ],
                [
                    .label("top"), .load(1, from: 0, site("the reader's load of commit", .acquire)),
                    .set(0) { $0[1] }, .jump("done") { $0[0] == 2 || $0[3] == enough },
                    .load(2, from: 2, site("reading the bell", .acquire)),
                    .set(3) { $0[3] + 1 }, .store(1, site("sleeps, odd", .release)) { $0[3] },
                    .fence(site("the sleeper's fence", .full)),
                ] + (isFenced ? [] : [.barrier(0)]) + [
                    .load(1, from: 0, site("the look at commit", .acquire)), .jump("awake") { $0[1] != $0[0] },
                    .sleep(2, 2), .label("awake"),
                    .set(3) { $0[3] + 1 }, .store(1, site("sleeps, even", .release)) { $0[3] },
                    .jump("top") { _ in true }, .label("done"),
                ],
            ]
        }
    }

    /// A thread of the sleeper's own process, or a publisher that puts it out. Words: 0 mark, 1 bell.
    static let markAndRing = Transcription(
        name: "a mark and a ring", memory: [0, 0], spurious: 1,
        needless: [
            "the mark → none": "ringing releases it", "the look at the mark → none": forTheFenceBehind,
            "reading the bell → none": forTheFenceBehind, "ringing → release": "for symmetry",
            "the sleeper's fence → acquireRelease": "for records",
            "the sleeper's fence → none": "reading the bell acquires",
        ]
    ) { site in
        [
            [
                .store(0, site("the mark", .release)) { _ in 1 }, .add(1, site("ringing", .acquireRelease)),
                .wake(1, on: 1),
            ],
            [
                .label("top"), .load(1, from: 1, site("reading the bell", .acquire)),
                .fence(site("the sleeper's fence", .full)),
                .load(2, from: 0, site("the look at the mark", .acquire)), .jump("done") { $0[2] == 1 },
                .sleep(1, 1), .jump("top") { _ in true }, .label("done"),
            ],
        ]
    }

    /// A reader that sleeps by a futex and by a datagram in turns. Words: 0 commit, 1 sleeps, 2 doorbell, 3 mode, 4 datagrams.
    static let twoWaysOfSleeping = Transcription(
        name: "sleeping in two ways", memory: [0, 0, 0, 0, 0],
        needless: sleepNeedless.filter { $0.key != "sleeps, odd → none" }.merging(
            ["the mode → none": "sleeps, stored behind it, is released"]) { $1 }
    ) { site in
        [
            [
                .label("next"), .set(0) { $0[0] + 1 }, .store(0, site("commit", .release)) { $0[0] },
                .fence(site("the fence behind a commit", .full)),
                .load(1, from: 1, .none), .jump("quiet") { $0[1] % 2 == 0 || $0[1] == $0[2] },
                .add(2, site("ringing", .acquireRelease)), .set(2) { $0[1] },
                .fence(site("the fence behind a ring", .acquire)), .load(4, from: 3, .none),
                .jump("datagram") { $0[4] == 1 }, .wake(1, on: 2), .jump("quiet") { _ in true },
                .label("datagram"), .add(4, .none), .wake(1, on: 4),
                .label("quiet"), .jump("next") { $0[0] < 2 },
            ],
            [
                .set(5) { _ in 1 },
                .label("top"), .load(1, from: 0, site("the reader's load of commit", .acquire)),
                .set(0) { $0[1] }, .jump("done") { $0[0] == 2 || $0[3] == enough },
                .load(2, from: 2, site("reading the bell", .acquire)), .load(4, from: 4, .none),
                .store(3, site("the mode", .release)) { $0[5] },
                .set(3) { $0[3] + 1 }, .store(1, site("sleeps, odd", .release)) { $0[3] },
                .fence(site("the sleeper's fence", .full)),
                .load(1, from: 0, site("the look at commit", .acquire)), .jump("awake") { $0[1] != $0[0] },
                .jump("futex") { $0[5] == 0 }, .sleep(4, 4), .jump("awake") { _ in true },
                .label("futex"), .sleep(2, 2), .label("awake"),
                .set(3) { $0[3] + 1 }, .store(1, site("sleeps, even", .release)) { $0[3] },
                .set(5) { 1 - $0[5] }, .jump("top") { _ in true }, .label("done"),
            ],
        ]
    }

    /// A publisher that sleeps until its one record is released. Words: 0 released, 1 waits, 2 the bell for space, 3 payload,
    /// 4 commit.
    static func room(isFenced: Bool) -> Transcription {
        var needless = sleepNeedless.filter { !$0.key.contains("commit") && !$0.key.contains("sleeps") }
        needless["waits, odd → none"] = "for the mode that is stored before it"
        needless["waits, even → none"] = "nothing is read behind it"
        if !isFenced {
            needless["the sleeper's fence → acquireRelease"] = "the barrier is one"
            needless["the sleeper's fence → none"] = "the barrier is one"
        }
        return Transcription(
            name: isFenced ? "waiting for room, fenced" : "waiting for room, process barrier", memory: [0, 0, 0, 0, 0],
            needless: needless
        ) { site in
            [
                [
                    .label("next"), .set(0) { $0[0] + 1 },
                    .label("try"), .load(1, from: 0, site("the publisher's load of released", .acquire)),
                    .jump("ready") { $0[1] + 1 >= $0[0] },
                    .jump("gone") { $0[3] == enough },
                    .load(2, from: 2, site("reading the bell", .acquire)),
                    .set(3) { $0[3] + 1 }, .store(1, site("waits, odd", .release)) { $0[3] },
                    .fence(site("the sleeper's fence", .full)),
                ] + (isFenced ? [] : [.barrier(1)]) + [
                    .load(1, from: 0, site("the look at released", .acquire)), .jump("awake") { $0[1] + 1 >= $0[0] },
                    .sleep(2, 2), .label("awake"),
                    .set(3) { $0[3] + 1 }, .store(1, site("waits, even", .release)) { $0[3] },
                    // What was seen before is not looked at again.
                    .jump("try") { $0[1] + 1 < $0[0] },
                    .label("ready"), .plainStore(3) { $0[0] }, .store(4, site("commit", .release)) { $0[0] },
                    .jump("next") { $0[0] < 3 }, .label("gone"),
                ],
                [
                    .label("next"), .set(0) { $0[0] + 1 },
                    .label("poll"), .load(1, from: 4, site("the reader's load of commit", .acquire)),
                    .jump("poll") { $0[1] != $0[0] },
                    .plainLoad(2, from: 3), .check("another payload") { $0[2] == $0[0] },
                    .store(0, site("released", .release)) { $0[0] },
                ] + (isFenced ? [.fence(site("the fence behind a release", .full))] : []) + [
                    .load(1, from: 1, .none), .jump("quiet") { $0[1] % 2 == 0 || $0[1] == $0[2] },
                    .add(2, site("ringing", .acquireRelease)), .wake(0, on: 2), .set(2) { $0[1] },
                    // Away before the third, so that nobody is left but a publisher that sleeps although there is room.
                    .label("quiet"), .jump("next") { $0[0] < 2 },
                ],
            ]
        }
    }

    /// A reader is entered while a commit is under way, in a log that always fences or that begins to with this reader, which
    /// cannot call `membarrier(2)`. Words: 0 commit, 1 sleeps, 2 doorbell, 3 the reader's place.
    static func entering(isFenced: Bool) -> Transcription {
        var needless = sleepNeedless
        needless["place → none"] = "the hand-shake, or the fence, tells of it"
        needless["the publisher's load of the place → none"] = "for the addresses in it"
        needless["sleeps, even → none"] = nil
        needless["the reader's load of commit → none"] = nil
        return Transcription(
            name: isFenced ? "entering, always fenced" : "entering, fenced from then on", memory: [0, 0, 0, 0],
            needless: needless
        ) { site in
            [
                [.store(0, site("commit", .release)) { _ in 1 }]
                    + (isFenced ? [.fence(site("the fence behind a commit", .full))] : []) + [
                        .load(3, from: 3, site("the publisher's load of the place", .acquire)),
                        .jump("done") { $0[3] == 0 },
                    ] + (isFenced ? [] : [.fence(site("the fence behind a commit", .full))]) + [
                        .load(1, from: 1, .none), .jump("done") { $0[1] % 2 == 0 },
                        .add(2, site("ringing", .acquireRelease)), .wake(1, on: 2), .label("done"),
                    ],
                [.store(3, site("place", .release)) { _ in 1 }] + (isFenced ? [] : [.barrier(0)]) + [
                    .load(2, from: 2, site("reading the bell", .acquire)),
                    .store(1, site("sleeps, odd", .release)) { _ in 1 }, .fence(site("the sleeper's fence", .full)),
                    .load(1, from: 0, site("the look at commit", .acquire)), .jump("done") { $0[1] == 1 },
                    .sleep(2, 2), .label("done"),
                ],
            ]
        }
    }
}
