// SPDX-License-Identifier: Apache-2.0
// A reader of each kind over a log in which anything may stand, its publisher's line in the page included. Compiled with
// LYING, words change between any two loads.

/// One input: libFuzzer calls this.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var log = HostileLog(Input(start, count))
    #if LYING
        let ring = UInt(bitPattern: log.region.base) + UInt(LogLayout.ringOffset)
        Liar.memory = [log.region.addresses, log.page.addresses]
        // Not within the bodies that are copied, which nothing decides on.
        Liar.isHeader = { $0 < ring || ($0 - ring) % 64 < 16 }
        Liar.input = log.input
        defer { Liar.input = nil }
    #endif
    for _ in 0..<400 where !log.isDone { log.step() }
    return 0
}

struct HostileLog: ~Copyable {
    var input: Input
    let layout: LogLayout
    let region: Region
    let page = Region(PairLayout.regionBytes)
    let pair: PairPage
    let way: Int
    var cursor: ReaderCursor
    /// The claims that the other side could have overwritten.
    var isSpoilt = false
    var missed: UInt64 = 0
    var sum: UInt8 = 0

    init(_ given: consuming Input) {
        var input = given
        layout = layouts[input.choose(layouts.count)]
        region = Region(layout.regionBytes)
        let birth = origin(&input, layout)
        layout.format(region.base, origin: birth)
        pair = PairPage(page.base, PairLayout(stagger: input.choose(PairLayout.staggers))!)
        pair.pin.storeRelaxed(PairLayout.noPin)
        pair.released.storeRelaxed(birth.position)
        way = input.choose(3)
        cursor = ReaderCursor(
            region.base, layout, pair, isLossless: way == 0, position: birth.position, sequence: birth.sequence,
            isFenced: input.flag())!
        self.input = input
    }

    #if LYING
        var isDone: Bool { Liar.input!.isEmpty }
        mutating func decide<T>(_ body: (inout Input) -> T) -> T { body(&Liar.input!) }
    #else
        var isDone: Bool { input.isEmpty }
        mutating func decide<T>(_ body: (inout Input) -> T) -> T { body(&input) }
    #endif

    /// Where the reader looks next.
    var place: Int { LogLayout.ringOffset + cursor.offset }

    mutating func step() {
        switch decide({ $0.byte() % 20 }) {
        case 0: write(at: place, decide { [next = cursor.nextSequence &+ 1] in $0.word(near: next) })
        case 1: write(at: place + 8, decide { $0.word(near: 1 << 32) })
        case 2: write(at: 0, decide { [position = cursor.nextPosition] in $0.word(near: position) })
        case 3: write(at: 8, decide { $0.word(near: 0) })
        case 4:
            let words = layout.regionBytes / 8
            write(at: decide { Int(($0.bits64() & 0xFFFF) % UInt64(words)) } * 8, decide { $0.word(near: 0) })
        case 5: writeToPage()
        case 6, 7: honestRecord()
        case 8: honestRecordAtFloor()
        case 9, 10: look()
        case 11: skip()
        case 12: halfAPin()
        case 13: _ = cursor.mustWakePublisher()
        case 14, 15: release()
        default: if way == 2 { copy() } else { take() }
        }
        must(cursor.offset >= 0 && cursor.offset < layout.capacity, "outside the ring: \(cursor.offset)")
        must(cursor.offset % (layout.isFixed ? layout.stride : 64) == 0, "between records: \(cursor.offset)")
        #if !LYING
            must(cursor.missedRecords == missed, "missed \(missed), said \(cursor.missedRecords)")
            if isSpoilt { return }
            must(pair.missed.loadRelaxed() == missed, "missed is not in the page")
            if way == 0 { must(pair.released.loadRelaxed() == cursor.released, "released is not in the page") }
            if way == 1 {
                must((pair.pin.loadRelaxed() == PairLayout.noPin) != cursor.isPinned, "a pin is not in the page")
            }
            if way != 1 { must(pair.pin.loadRelaxed() == PairLayout.noPin, "a pin of a reader that pins nothing") }
        #endif
    }

    private func write(at offset: Int, _ value: UInt64) { region[offset] = value }

    private mutating func writeToPage() {
        // The publisher's line above all; the reader's own lines as well, since the publisher maps them.
        let line = 2048 + 64 * decide { $0.choose(16) }
        if decide({ $0.flag() }) {
            let (word, value) = decide { ($0.choose(4), $0.word(near: 1)) }
            page[line + 8 * word] = value
        } else if decide({ $0.flag() }) {
            // In again: what is read goes on being read.
            pair.evicted.storeRelaxed(0)
        } else {
            isSpoilt = true
            let (word, value) = decide { (Int($0.byte()) | Int($0.byte() & 1) << 8, $0.word(near: 0)) }
            page[8 * word] = value
        }
    }

    private mutating func honestRecord() {
        if !layout.isFixed {
            let length = decide { Int($0.byte()) | Int($0.byte() & 3) << 8 }
            let left = layout.capacity - cursor.offset
            write(at: place + 8, length == 1000 ? 2 << 32 | UInt64(left - 16) : 1 << 32 | UInt64(length))
        }
        write(at: place, cursor.nextSequence &+ 1)
    }

    /// The publisher has gone on by so many lines, and by so many records.
    private mutating func honestRecordAtFloor() {
        let unit = layout.isFixed ? layout.stride : 64
        let lines = UInt64(decide { $0.byte() }) * UInt64(unit)
        let floor = cursor.nextPosition &+ lines
        let offset = LogLayout.ringOffset + Int(floor % UInt64(layout.capacity))
        if (offset - LogLayout.ringOffset) % unit == 0 {
            write(at: offset, cursor.nextSequence &+ UInt64(decide { $0.byte() }) &+ 1)
        }
        write(at: 0, floor)
    }

    private mutating func look() {
        let sequence = cursor.nextSequence
        switch cursor.look(publisherIsGone: decide { $0.flag() }) {
        case .lapped(let more):
            must(way != 0 && more > 0, "a lossless reader lapped, or by nothing")
            must(cursor.nextSequence == sequence &+ more, "missed \(more) from \(sequence) to \(cursor.nextSequence)")
            missed &+= more
        default: must(cursor.nextSequence == sequence, "a look took a record")
        }
    }

    private mutating func take() {
        let sequence = cursor.nextSequence
        let sample: UnsafeRawBufferPointer
        if layout.isFixed {
            guard let start = way == 0 ? cursor.next() : cursor.pinNext() else { return }
            sample = UnsafeRawBufferPointer(start: start, count: layout.payloadBytes)
        } else {
            guard let record = way == 0 ? cursor.nextRecord() : cursor.pinNextRecord() else { return }
            sample = UnsafeRawBufferPointer(start: record.start, count: record.byteCount)
        }
        must(cursor.nextSequence == sequence &+ 1, "from \(sequence) to \(cursor.nextSequence)")
        must(sample.count <= layout.payloadBytes, "a payload of \(sample.count)")
        let ring = UnsafeRawPointer(region.base) + LogLayout.ringOffset
        must(sample.baseAddress! >= ring && sample.baseAddress! + sample.count <= ring + layout.capacity, "outside")
        must(UInt(bitPattern: sample.baseAddress!) % 16 == 0, "not aligned")
        for byte in sample { sum &+= byte }
    }

    private mutating func release() {
        let keepsPin = way == 1 && decide { $0.flag() }
        _ = cursor.release(keepingPin: keepsPin)
    }

    private mutating func copy() {
        let sequence = cursor.nextSequence
        let room = decide { Int($0.byte()) | Int($0.byte() & 7) << 8 }
        let target = Region(room)
        switch cursor.copyNext(into: UnsafeMutableRawBufferPointer(start: target.base, count: room)) {
        case .copied(let count):
            must(count <= room && count <= layout.payloadBytes, "a copy of \(count)")
            must(cursor.nextSequence == sequence &+ 1, "from \(sequence) to \(cursor.nextSequence)")
        case .tooLong(let count):
            must(count > room && count <= layout.payloadBytes, "too long: \(count) for \(room)")
            must(cursor.nextSequence == sequence, "too long, and yet passed")
        case .nothing: must(cursor.nextSequence == sequence, "nothing, and yet passed")
        }
    }

    private mutating func skip() {
        guard way == 2 else { return }
        let sequence = cursor.nextSequence
        let isSkipped = cursor.skipNext()
        must(cursor.nextSequence == (isSkipped ? sequence &+ 1 : sequence), "a record passed over is one")
    }

    private mutating func halfAPin() {
        guard way == 1, !cursor.isPinned else { return }
        cursor.storePin()
        if decide({ $0.flag() }) { _ = look() }
        if cursor.isPinned { _ = cursor.confirmPin() }
    }
}
