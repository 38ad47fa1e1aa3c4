// SPDX-License-Identifier: Apache-2.0
import Glibc
import InterprocessStructures
import InterprocessSyscalls
import Synchronization

/// Shared memory that ends at a page nobody may touch, mapped twice: for writing and for reading only.
///
/// With `INTERPROCESS_ONE_MAPPING` both are one: Thread Sanitizer knows memory by its address.
final class GuardedMemory: @unchecked Sendable {
    let byteCount: Int
    let base: UnsafeMutableRawPointer
    /// The same memory elsewhere; a store raises SIGSEGV.
    let view: UnsafeMutableRawPointer
    private let mapping: Mapping

    /// Two views of so many whole pages. Kept for the next that needs as many: exhaustive tests make many.
    private struct Mapping: @unchecked Sendable {
        var views: [UnsafeMutableRawPointer]

        init(_ bytes: Int) {
            let file = try! sysCreateMemoryFile("structures", flags: 0)
            try! sysTruncate(file, bytes)
            views = [PROT_READ | PROT_WRITE, PROT_READ].map { protection in
                let guarded = mmap(nil, bytes + 2 * pageSizeBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
                let inner = mmap(guarded + pageSizeBytes, bytes, protection, MAP_SHARED | MAP_FIXED, file, 0)
                precondition(inner == guarded + pageSizeBytes)
                return inner!
            }
            close(file)
            if getenv("INTERPROCESS_ONE_MAPPING") != nil { views[1] = views[0] }
        }
    }

    private static let spare = Mutex<[Int: [Mapping]]>([:])

    private static func mappedBytes(_ byteCount: Int) -> Int {
        (byteCount + pageSizeBytes - 1) / pageSizeBytes * pageSizeBytes
    }

    init(_ byteCount: Int) {
        precondition(byteCount % 64 == 0)
        self.byteCount = byteCount
        let mapped = Self.mappedBytes(byteCount)
        mapping = Self.spare.withLock { $0[mapped]?.popLast() } ?? Mapping(mapped)
        memset(mapping.views[0], 0, mapped)
        base = mapping.views[0] + mapped - byteCount
        view = mapping.views[1] + mapped - byteCount
    }

    /// A page that stays to the end of the process.
    static func kept() -> GuardedMemory {
        let memory = GuardedMemory(PairLayout.regionBytes)
        _ = Unmanaged.passRetained(memory)
        return memory
    }

    deinit {
        let (mapping, mapped) = (mapping, Self.mappedBytes(byteCount))
        Self.spare.withLock { $0[mapped, default: []].append(mapping) }
    }

    subscript(_ offset: Int) -> UInt64 {
        get { (base + offset).load(as: UInt64.self) }
        set { SharedWord(base + offset).storeRelaxed(newValue) }
    }
}

/// A log and what belongs to it, as a publisher and its readers see it.
final class Scene {
    let layout: LogLayout
    let memory: GuardedMemory
    var log: BroadcastLog

    init(_ layout: LogLayout, maximumReaders: Int = 8, isFenced: Bool = false, origin: LogOrigin = .zero) {
        self.layout = layout
        memory = GuardedMemory(layout.regionBytes)
        log = BroadcastLog(
            formatting: memory.base, layout, maximumReaders: maximumReaders, isFenced: isFenced, origin: origin)
    }

    static func fixed(_ bytes: Int = 48, _ records: Int = 8, origin: LogOrigin = .zero) -> Scene {
        Scene(LogLayout(fixedPayloadBytes: bytes, recordCount: records)!, origin: origin)
    }

    static func variable(_ capacity: Int = 512, origin: LogOrigin = .zero) -> Scene {
        Scene(LogLayout(variableCapacity: capacity)!, origin: origin)
    }

    func join(
        lossless: Bool = true, history: ReaderRoster.History = .none, stagger: Int = 0
    ) -> Reader? {
        let page = GuardedMemory(PairLayout.regionBytes)
        let pair = PairPage(page.base, PairLayout(stagger: stagger)!)
        guard let entry = log.roster.enter(pair, isLossless: lossless, history: history) else { return nil }
        return Reader(self, page, pair, entry, lossless)
    }

    /// Commits one payload; false: no room.
    func send(_ bytes: [UInt8], claiming: Int? = nil) -> Bool {
        let room = layout.isFixed ? log.makeRoom() : log.makeRoom(byteCount: claiming ?? bytes.count)
        guard room.isReady else { return false }
        let place = layout.isFixed ? log.claim() : log.claim(byteCount: claiming ?? bytes.count)
        guard let place else { preconditionFailure("room, and yet no place") }
        precondition(UInt(bitPattern: place) % 16 == 0)
        place.copyMemory(from: bytes, byteCount: bytes.count)
        if layout.isFixed { log.commit() } else { log.commit(byteCount: bytes.count) }
        return true
    }

    func send(_ text: String) -> Bool {
        send(layout.isFixed ? padded(text) : Array(text.utf8))
    }

    // The macros of tests cannot call methods of what is not copyable.
    func makeRoom(records: Int = 1) -> BroadcastLog.Room { log.makeRoom(records: records) }
    func makeRoom(byteCount: Int) -> BroadcastLog.Room { log.makeRoom(byteCount: byteCount) }
    func claim() -> UnsafeMutableRawPointer? { log.claim() }
    func claim(byteCount: Int) -> UnsafeMutableRawPointer? { log.claim(byteCount: byteCount) }
    func raiseFloor() -> Int? { log.raiseFloor() }
    func raiseLimit() -> Int? { log.raiseLimit() }
    func evict(_ reader: Reader) { log.evict(reader.entry.index) }
    func remove(_ reader: Reader) { log.remove(reader.entry.index) }
    func nextEvicted() -> Int? { log.nextEvicted() }
    func isEntered(_ reader: Reader) -> Bool { log.isEntered(reader.entry.index) }
    func enteredReaders() -> [Int] { log.enteredReaders() }
    func isLossless(_ index: Int) -> Bool? { log.isLossless(index) }
    func nextSleeper(from index: Int = 0) -> Int { log.nextSleeper(from: index) }

    func padded(_ text: String) -> [UInt8] {
        Array(text.utf8) + Array(repeating: 0, count: layout.payloadBytes - text.utf8.count)
    }
}

final class Reader {
    let page: GuardedMemory
    let pair: PairPage
    let entry: ReaderRoster.Entry
    let lossless: Bool
    let layout: LogLayout
    private let memory: GuardedMemory
    var cursor: ReaderCursor

    init(
        _ scene: Scene, _ page: GuardedMemory, _ pair: PairPage, _ entry: ReaderRoster.Entry, _ lossless: Bool,
        isFenced: Bool = false
    ) {
        self.page = page
        self.pair = pair
        self.entry = entry
        self.lossless = lossless
        layout = scene.layout
        memory = scene.memory
        cursor = ReaderCursor(
            memory.view, scene.layout, pair, isLossless: lossless, position: entry.position,
            sequence: entry.sequence, isFenced: isFenced)!
    }

    /// The next record in place: lossless or pinned.
    func take() -> UnsafeRawBufferPointer? {
        if layout.isFixed {
            guard let start = lossless ? cursor.next() : cursor.pinNext() else { return nil }
            return inside(UnsafeRawBufferPointer(start: start, count: layout.payloadBytes))
        }
        guard let record = lossless ? cursor.nextRecord() : cursor.pinNextRecord() else { return nil }
        return inside(UnsafeRawBufferPointer(start: record.start, count: record.byteCount))
    }

    /// What leads outside the ring is the one thing that must never be returned.
    private func inside(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let ring = UnsafeRawPointer(memory.view) + LogLayout.ringOffset
        precondition(bytes.baseAddress! >= ring && bytes.baseAddress! + bytes.count <= ring + layout.capacity)
        return bytes
    }

    /// Takes, copies and releases; nil: nothing there.
    func receive() -> [UInt8]? {
        guard let bytes = take() else { return nil }
        let copy = Array(bytes)
        return cursor.release() ? copy : nil
    }

    func release(keepingPin: Bool = false) -> Bool { cursor.release(keepingPin: keepingPin) }
    func look(publisherIsGone: Bool = false) -> ReaderCursor.Sighting {
        cursor.look(publisherIsGone: publisherIsGone)
    }
    func skipNext() -> Bool { cursor.skipNext() }
    func confirmPin() -> Bool { cursor.confirmPin() }
    func mustWakePublisher() -> Bool { cursor.mustWakePublisher() }

    func copy(into bytes: inout [UInt8]) -> ReaderCursor.Copy {
        bytes.withUnsafeMutableBytes { cursor.copyNext(into: $0) }
    }

    func text() -> String? { receive().map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } }

    /// A copying reader's.
    func copy() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: layout.payloadBytes)
        let outcome = bytes.withUnsafeMutableBytes { cursor.copyNext(into: $0) }
        guard case .copied(let count) = outcome else { return nil }
        return Array(bytes.prefix(count))
    }
}

/// Random numbers that can be had again.
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    let seed: UInt64

    init(_ seed: UInt64) {
        self.seed = seed
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func roll(_ sides: Int) -> Int { Int(next() % UInt64(sides)) }

    /// `INTERPROCESS_SEED`, or one never used before.
    static func seed() -> UInt64 {
        getenv("INTERPROCESS_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0..<1 << 48)
    }
}

/// Runs both at the same time on threads of their own.
func both(_ first: @escaping @Sendable () -> Void, _ second: @escaping @Sendable () -> Void) {
    final class Body { let run: () -> Void; init(_ run: @escaping () -> Void) { self.run = run } }
    let threads = [first, second].map { body in
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        pthread_create(
            &thread, nil,
            {
                Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run(); return nil
            }, argument)
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}

func yieldProcessor() { sched_yield() }
