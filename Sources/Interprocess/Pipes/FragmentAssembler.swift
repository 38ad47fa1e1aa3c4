// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// A message that many writers' fragments have given, whole.
public struct FragmentMessage: Sendable, Hashable {
    /// The message.
    public var bytes: [UInt8]
    /// Which ``FragmentWriter`` sent it, as it says itself: the high half is its process's id.
    public var writer: UInt64
    /// Its number among those of its writer, from 0.
    public var number: UInt64
    /// The process that sent it, as it says itself.
    public var processID: Int32 { Int32(truncatingIfNeeded: writer >> 32) }
}

/// What a ``FragmentReader`` may hold.
public struct FragmentLimits: Sendable, Hashable {
    /// The longest message; longer ones are dropped.
    public var maximumMessageBytes: Int
    /// How many messages may be unfinished at once.
    public var unfinishedMessages: Int
    /// How many bytes all unfinished messages may have together.
    public var unfinishedBytes: Int

    /// - Parameters:
    ///   - maximumMessageBytes: the longest message.
    ///   - unfinishedMessages: how many messages may be unfinished at once.
    ///   - unfinishedBytes: how many bytes they may have together.
    public init(
        maximumMessageBytes: Int = 16 << 20, unfinishedMessages: Int = 256, unfinishedBytes: Int = 64 << 20
    ) {
        self.maximumMessageBytes = maximumMessageBytes
        self.unfinishedMessages = unfinishedMessages
        self.unfinishedBytes = unfinishedBytes
    }
}

/// What a ``FragmentReader`` has seen.
public struct FragmentStatistics: Sendable, Hashable {
    /// Messages given out.
    public var messages = 0
    /// Bytes that belong to no fragment and were skipped.
    public var skippedBytes = 0
    /// Fragments whose header lies: an offset that does not follow, a total that changes, a message too long.
    public var rejectedFragments = 0
    /// Messages that were begun and dropped: called off, contradicted, or given up for room or because their writer died.
    public var abandonedMessages = 0
    /// Messages that are unfinished now.
    public var unfinishedMessages = 0
    /// Their bytes so far.
    public var unfinishedBytes = 0
}

/// Puts fragments together. What it is fed comes from other processes: nothing in it is believed, and what it holds is bounded.
struct FragmentAssembler: Sendable {
    struct Key: Hashable { var writer: UInt64, message: UInt64 }

    struct Unfinished {
        var total: Int
        var bytes: [UInt8] = []
        /// When a fragment of it last came, in fragments.
        var touched: UInt64
    }

    let limits: FragmentLimits
    private(set) var statistics = FragmentStatistics()
    private(set) var ready: [FragmentMessage] = []
    private var buffer: [UInt8] = []
    private var unfinished: [Key: Unfinished] = [:]
    private var clock: UInt64 = 0

    init(_ limits: FragmentLimits) { self.limits = limits }

    /// - Parameter drained: whether the pipe was empty after `part` was read. Fragments are written whole, so half of
    ///   one in an empty pipe is none.
    mutating func feed(_ part: [UInt8], drained: Bool) {
        buffer += part
        var start = 0
        while let end = step(start, drained) { start = end }
        buffer.removeFirst(start)
    }

    mutating func takeMessage() -> FragmentMessage? { ready.isEmpty ? nil : ready.removeFirst() }

    /// There will be no more bytes.
    mutating func end() {
        feed([], drained: true)
        statistics.abandonedMessages += unfinished.count
        unfinished = [:]
        count()
    }

    /// Drops what writers that no longer run have left unfinished.
    mutating func abandonDead(_ isAlive: (Int32) -> Bool) -> Int {
        var known: [Int32: Bool] = [:]
        let dead = unfinished.keys.filter { key in
            let process = Int32(truncatingIfNeeded: key.writer >> 32)
            let alive = known[process] ?? isAlive(process)
            known[process] = alive
            return !alive
        }
        for key in dead { abandon(key) }
        count()
        return dead.count
    }

    // MARK: Internals

    /// Where the next fragment begins, nil if more bytes are needed for that.
    private mutating func step(_ start: Int, _ drained: Bool) -> Int? {
        let have = buffer.count - start
        if have == 0 { return nil }
        guard have >= Fragment.headerBytes else { return drained ? skip(start) : nil }
        guard let fragment = Fragment.header(buffer.span.extracting(start...)) else { return skip(start) }
        let size = Fragment.headerBytes + fragment.payloadCount
        guard have >= size else { return drained ? skip(start) : nil }
        guard Fragment.isIntact(buffer.span.extracting(start..<(start + size))) else { return skip(start) }
        accept(fragment, buffer[(start + Fragment.headerBytes)..<(start + size)])
        count()
        return start + size
    }

    /// To the next place where a fragment could begin.
    private mutating func skip(_ start: Int) -> Int {
        var place = start + 1
        while place < buffer.count && buffer[place] != Fragment.magic[0] { place += 1 }
        statistics.skippedBytes += place - start
        return place
    }

    private mutating func accept(_ fragment: Fragment, _ payload: ArraySlice<UInt8>) {
        clock += 1
        let key = Key(writer: fragment.writer, message: fragment.message)
        if fragment.length == Fragment.calledOff { return abandon(key) }
        let (total, offset) = (Int(fragment.total), Int(fragment.offset))
        let have = unfinished[key]?.bytes.count ?? 0
        let agrees = unfinished[key].map { $0.total == total } ?? true
        guard total <= limits.maximumMessageBytes, agrees, offset == have, payload.count <= total - offset,
            !payload.isEmpty || total == 0
        else {
            statistics.rejectedFragments += 1
            return abandon(key)
        }
        if offset == 0 && payload.count == total {
            unfinished[key] = nil
            return deliver(key, Array(payload))
        }
        makeRoom(for: key, payload.count)
        var message = unfinished[key] ?? Unfinished(total: total, touched: clock)
        unfinished[key] = nil  // so that appending does not copy
        if message.bytes.count != offset { return }
        message.bytes += payload
        message.touched = clock
        if message.bytes.count == total { return deliver(key, message.bytes) }
        unfinished[key] = message
        statistics.unfinishedBytes += payload.count
    }

    private mutating func deliver(_ key: Key, _ bytes: [UInt8]) {
        statistics.messages += 1
        ready.append(FragmentMessage(bytes: bytes, writer: key.writer, number: key.message))
    }

    private mutating func abandon(_ key: Key) {
        if unfinished.removeValue(forKey: key) != nil { statistics.abandonedMessages += 1 }
    }

    /// Drops what has been silent longest until `bytes` more fit.
    private mutating func makeRoom(for key: Key, _ bytes: Int) {
        while unfinished.count >= limits.unfinishedMessages && unfinished[key] == nil
            || unfinished.values.reduce(0, { $0 + $1.bytes.count }) + bytes > limits.unfinishedBytes
        {
            guard let oldest = unfinished.filter({ $0.key != key }).min(by: { $0.value.touched < $1.value.touched })
            else { return }
            abandon(oldest.key)
        }
    }

    private mutating func count() {
        statistics.unfinishedMessages = unfinished.count
        statistics.unfinishedBytes = unfinished.values.reduce(0) { $0 + $1.bytes.count }
    }
}
