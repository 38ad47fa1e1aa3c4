// SPDX-License-Identifier: Apache-2.0
// A publisher, two honest readers, and liars that write anything into their pages. The honest ones lose nothing, the
// publisher is held by nobody who is not there, and in the end everything goes on. Compiled with LYING, what the pages of the
// liars say changes between any two loads.

/// One input: libFuzzer calls this.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var scene = Scene(Input(start, count))
    #if LYING
        Liar.input = scene.input
        defer { (Liar.input, Liar.memory) = (nil, []) }
    #endif
    for _ in 0..<400 where !scene.isDone { scene.step() }
    scene.finish()
    return 0
}

/// A reader that does as it should, and knows what it must find.
struct Honest: ~Copyable {
    let page: Region
    let index: Int
    let isLossless: Bool
    var cursor: ReaderCursor
    var held: [(bytes: UnsafeRawBufferPointer, sequence: UInt64)] = []

    init(_ log: borrowing BroadcastLog, _ region: Region, _ layout: LogLayout, isLossless: Bool) {
        page = Region(PairLayout.regionBytes)
        self.isLossless = isLossless
        let pair = PairPage(page.base, PairLayout(stagger: isLossless ? 0 : 1)!)
        let entry = log.roster.enter(pair, isLossless: isLossless, history: .none)!
        index = entry.index
        cursor = ReaderCursor(
            region.base, layout, pair, isLossless: isLossless, position: entry.position, sequence: entry.sequence)!
    }

    /// It has set its pin, and not yet looked whether it holds.
    var isHalfPinned = false

    mutating func take(_ layout: LogLayout) -> Bool {
        let sequence = cursor.nextSequence
        if layout.isFixed {
            guard let start = isLossless ? cursor.next() : cursor.pinNext() else { return false }
            held.append((UnsafeRawBufferPointer(start: start, count: layout.payloadBytes), sequence))
        } else {
            guard let record = isLossless ? cursor.nextRecord() : cursor.pinNextRecord() else { return false }
            held.append((UnsafeRawBufferPointer(start: record.start, count: record.byteCount), sequence))
        }
        return true
    }

    /// Whatever was done meanwhile: what is held is what was sent.
    func check() {
        for sample in held {
            let expected = UInt8(truncatingIfNeeded: sample.sequence)
            must(sample.bytes.allSatisfy { $0 == expected }, "record \(sample.sequence) was overwritten")
        }
    }

    mutating func release(keepingPin: Bool = false) {
        check()
        held = []
        must(cursor.release(keepingPin: keepingPin), "an honest reader was put out")
    }
}

struct Scene: ~Copyable {
    struct Dishonest {
        let page: Region
        let pair: PairPage
        let index: Int
    }

    var input: Input
    let layout: LogLayout
    let region: Region
    var log: BroadcastLog
    var liars: [Dishonest] = []
    var keeper: Honest
    var pinner: Honest

    init(_ given: consuming Input) {
        var input = given
        layout = layouts[input.choose(layouts.count)]
        region = Region(layout.regionBytes)
        let birth = origin(&input, layout)
        log = BroadcastLog(
            formatting: region.base, layout, maximumReaders: 6, isFenced: input.flag(), origin: birth)
        keeper = Honest(log, region, layout, isLossless: true)
        pinner = Honest(log, region, layout, isLossless: false)
        self.input = input
    }

    #if LYING
        var isDone: Bool { Liar.input!.isEmpty }
        mutating func decide<T>(_ body: (inout Input) -> T) -> T { body(&Liar.input!) }
    #else
        var isDone: Bool { input.isEmpty }
        mutating func decide<T>(_ body: (inout Input) -> T) -> T { body(&input) }
    #endif

    mutating func step() {
        switch decide({ $0.byte() % 20 }) {
        case 0, 1, 2, 3: _ = send(decide { [largest = layout.payloadBytes] in Int($0.byte()) * (largest + 1) / 256 })
        case 4: sendBatch()
        case 5: giveUpAClaim()
        case 6: enter()
        case 7, 8, 9: lie()
        case 10: ring()
        case 11 where decide({ $0.flag() }): _ = log.raiseLimit()
        case 11: while let index = log.nextEvicted() { remove(index) }
        case 12: if let liar = oneOfTheLiars() { log.evict(liar.index) }
        case 13: if let liar = oneOfTheLiars() { remove(liar.index) }
        case 14, 15: if !keeper.take(layout) { keepersLook() }
        case 16: keeper.release()
        case 17: pin()
        case 18: status()
        default: if decide({ $0.flag() }) { _ = log.raiseFloor() } else { wait() }
        }
        keeper.check()
        pinner.check()
    }

    // MARK: The publisher

    private mutating func room(_ byteCount: Int) -> Bool {
        switch layout.isFixed ? log.makeRoom() : log.makeRoom(byteCount: byteCount) {
        case .ready: return true
        case .held(let index):
            must(log.isEntered(index), "held by \(index), who is not there")
            return false
        case .tooLarge:
            must(false, "\(byteCount) of \(layout.payloadBytes) is too large")
            return false
        }
    }

    private mutating func send(_ length: Int) -> Bool {
        guard room(length) else { return false }
        let place = layout.isFixed ? log.claim() : log.claim(byteCount: length)
        guard let place else {
            must(false, "room, and yet no place")
            return false
        }
        fill(place, layout.isFixed ? layout.payloadBytes : length)
        if layout.isFixed { log.commit() } else { log.commit(byteCount: length) }
        return true
    }

    private mutating func fill(_ place: UnsafeMutableRawPointer, _ count: Int) {
        let byte = UInt8(truncatingIfNeeded: log.nextSequence)
        for index in 0..<count { (place + index).storeBytes(of: byte, as: UInt8.self) }
    }

    private mutating func sendBatch() {
        let count = 1 + decide { $0.choose(4) }
        guard layout.isFixed, log.makeRoom(records: count).isReady else { return }
        for _ in 0..<count {
            guard let place = log.claim() else { return must(false, "room for \(count), and yet no place") }
            fill(place, layout.payloadBytes)
            log.commit()
        }
    }

    private mutating func giveUpAClaim() {
        let length = layout.payloadBytes
        guard room(length), let place = layout.isFixed ? log.claim() : log.claim(byteCount: length) else { return }
        // Every word of it the commit word of this record or of one of those behind it.
        let mimicked = log.nextSequence &+ 1 &+ UInt64(decide { $0.choose(4) })
        for word in 0..<length / 8 { (place + 8 * word).storeBytes(of: mimicked, as: UInt64.self) }
    }

    private mutating func ring() {
        var sleeper = log.nextSleeper(from: 0)
        while sleeper >= 0 {
            must(sleeper < 6, "reader \(sleeper) sleeps")
            let next = log.nextSleeper(from: sleeper + 1)
            must(next == -1 || next > sleeper, "the same sleeper for ever")
            sleeper = next
        }
    }

    private mutating func wait() {
        guard let liar = oneOfTheLiars() else { return }
        var side = SleepingSide(count: liar.pair.waits, bell: liar.pair.spaceBell, mode: liar.pair.waitMode)
        let bell = liar.pair.spaceBell.read()
        must(side.prepare(isFenced: true, waking: .datagram).expected == bell, "another bell")
        _ = room(0)
        side.leave()
    }

    private mutating func status() {
        let status = log.roster.status()
        must(status.head.position == log.headPosition && status.head.sequence == log.nextSequence, "another head")
        must(status.floor.position == log.floorPosition, "another floor")
        let bytes = status.head.position &- status.floor.position
        must(bytes <= UInt64(layout.capacity), "\(bytes) are retained")
        for reader in status.readers {
            must(reader.backlogBytes ?? 0 <= bytes && reader.backlogRecords ?? 0 <= bytes / 64, "\(reader)")
            if reader.index == keeper.index || reader.index == pinner.index {
                must(reader.standing == .entered, "an honest reader was put out")
            }
        }
    }

    // MARK: Liars

    private mutating func oneOfTheLiars() -> Dishonest? {
        let choice = decide { Int($0.byte()) }
        return liars.isEmpty ? nil : liars[choice % liars.count]
    }

    private mutating func enter() {
        let page = Region(PairLayout.regionBytes)
        let pair = PairPage(page.base, PairLayout(stagger: 2 + decide { $0.choose(14) })!)
        let (isLossless, needsFences) = decide { ($0.flag(), $0.flag()) }
        let history: ReaderRoster.History = decide { [.none, .all, .latest(Int($0.byte()) - 4)][$0.choose(3)] }
        guard let entry = log.roster.enter(pair, isLossless: isLossless, history: history, needsFences: needsFences)
        else { return must(liars.count == 4, "no place for a fifth reader") }
        must(entry.position &- log.floorPosition <= log.headPosition &- log.floorPosition, "a start outside")
        must(entry.sequence <= log.nextSequence, "a start beyond the head")
        liars.append(Dishonest(page: page, pair: pair, index: entry.index))
        noteWhatLies()
    }

    private mutating func lie() {
        guard let liar = oneOfTheLiars() else { return }
        let near = [log.headPosition, log.floorPosition, 1][decide { $0.choose(3) }]
        let value = decide { $0.word(near: near) }
        switch decide({ $0.choose(6) }) {
        case 0, 1: liar.pair.released.storeRelaxed(value)
        case 2: liar.pair.pin.storeRelaxed(value)
        case 3: liar.pair.sleeps.storeRelaxed(value)
        default: liar.page[decide { Int($0.byte()) | Int($0.byte() & 1) << 8 } * 8] = value
        }
    }

    private mutating func remove(_ index: Int) {
        must(index != keeper.index && index != pinner.index, "an honest reader was put out")
        log.remove(index)
        // The page is unmapped with this: nobody looks at it any more.
        liars.removeAll { $0.index == index }
        noteWhatLies()
    }

    private func noteWhatLies() {
        #if LYING
            Liar.memory = liars.map(\.page.addresses)
        #endif
    }

    // MARK: Honest readers

    private mutating func keepersLook() {
        let sighting = keeper.cursor.look()
        must(
            isAtTheEnd(keeper.cursor) && sighting == .nothing,
            "at \(keeper.cursor.nextSequence) of \(log.nextSequence): \(sighting)")
    }

    private func isAtTheEnd(_ cursor: borrowing ReaderCursor) -> Bool { cursor.nextSequence == log.nextSequence }

    private mutating func pin() {
        if pinner.isHalfPinned {
            pinner.isHalfPinned = false
            if pinner.cursor.confirmPin() { must(pinner.take(layout) || isAtTheEnd(pinner.cursor), "a pin on nothing") }
            return
        }
        if decide({ $0.flag() }) { return pinner.release(keepingPin: decide { $0.flag() }) }
        if pinner.held.isEmpty, !pinner.cursor.isPinned, decide({ $0.flag() }) {
            pinner.cursor.storePin()
            pinner.isHalfPinned = true
            return
        }
        if pinner.take(layout) || !pinner.held.isEmpty { return }
        switch pinner.cursor.look() {
        case .nothing, .lapped, .record: break
        case let other: must(false, "\(other)")
        }
    }

    /// Without its liars the log works like any other.
    mutating func finish() {
        #if LYING
            Liar.memory = []
        #endif
        while let liar = liars.first { remove(liar.index) }
        must(log.nextEvicted() == nil, "somebody who is not there was put out")
        if pinner.isHalfPinned { _ = pinner.cursor.confirmPin() }
        pinner.release()
        while keeper.take(layout) {}
        keepersLook()
        keeper.release()
        for round in 0..<20 {
            must(send(min(round * 37, layout.payloadBytes)), "no room in a log that was read")
            must(keeper.take(layout), "a record is missing")
            keeper.release()
        }
        must(keeper.cursor.nextSequence == log.nextSequence, "not all was read")
    }
}
