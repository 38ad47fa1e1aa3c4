// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// The line on which the two processes of a stop agree; the data go through the mechanism, never here.
final class TourControl: Sendable {
    private let reading: CInt
    private let writing: CInt
    private let buffer = Shared<[UInt8]>([])

    init(reading: CInt, writing: CInt) {
        self.reading = reading
        self.writing = writing
    }

    func say(_ line: String) throws { try Output.writeAll(writing, Array((line + "\n").utf8)) }

    /// The other side's next line.
    ///
    /// - Throws: what it says in a line that begins with `failed`; that it ended.
    func hear(within limit: Duration = .seconds(60)) throws -> [String] {
        let deadline = Deadline.after(limit)
        while true {
            let line = buffer.withLock { buffer -> String? in
                guard let end = buffer.firstIndex(of: 10) else { return nil }
                defer { buffer.removeFirst(end + 1) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            if let line {
                if line.hasPrefix("failed ") { throw Failure(String(line.dropFirst(7))) }
                return line.split(separator: " ").map(String.init)
            }
            guard try sysPollOne(reading, writing: false, untilNanoseconds: deadline.monotonicNanoseconds) else {
                throw Failure("the other process said nothing for \(limit)")
            }
            let more = try readUpTo(4096, reading)
            if more.isEmpty { throw Failure("the other process ended") }
            buffer.withLock { $0 += more }
        }
    }

    /// Whether the other side has said something already.
    func hasNews() -> Bool {
        buffer.withLock { $0.contains(10) }
            || ((try? sysPollOne(reading, writing: false, untilNanoseconds: 0)) ?? false)
    }

    func close() {
        try? sysClose(reading)
        try? sysClose(writing)
    }
}

/// The other process of a stop: this very program, started anew.
final class TourPeer: Sendable {
    let control: TourControl
    let process: Int32
    private let ended = Shared(false)

    /// - Parameters:
    ///   - words: role, mechanism and what the role wants to know.
    ///   - descriptor: handed over as 5.
    ///   - another: handed over as 6.
    ///   - diesWithUs: killed when the calling thread ends, however that comes about.
    ///   - onEnd: called from another thread when the process has ended.
    init(
        _ words: [String], descriptor: CInt? = nil, another: CInt? = nil, diesWithUs: Bool = false,
        onEnd: @escaping @Sendable () -> Void = {}
    ) throws {
        let (childReads, weWrite) = try sysPlainPipe()
        let (weRead, childWrites) = try sysPlainPipe()
        var map: [CInt: CInt] = [0: childReads, 1: 1, 2: 2, 3: childReads, 4: childWrites]
        if let descriptor { map[5] = descriptor }
        if let another { map[6] = another }
        var plan = SpawnPlan("/proc/self/exe", arguments: ["ipc", TourPeer.word] + words, descriptors: map)
        if diesWithUs { plan.deathSignal = 9 }
        do throws(SpawnFailure) {
            let child = try sysSpawn(plan)
            try? sysClose(child.descriptor)
            process = child.process
        } catch { throw error.error }
        try sysClose(childReads)
        try sysClose(childWrites)
        control = TourControl(reading: weRead, writing: weWrite)
        let (process, ended) = (process, ended)
        try sysStartThread(named: "ipc-tour") {
            // Not before it has ended: a plain wait would take the stops of a process under control from who controls it.
            if let descriptor = try? sysOpenProcess(process) {
                _ = try? sysPollOne(descriptor, writing: false, untilNanoseconds: .max)
                try? sysClose(descriptor)
            }
            _ = try? sysWait(process)
            ended.withLock { $0 = true }
            onEnd()
        }
    }

    /// The hidden verb.
    static let word = "__tour-peer"

    func end() {
        control.close()
        let (process, deadline) = (process, Deadline.after(.seconds(2)))
        while !ended.withLock({ $0 }), !deadline.hasPassed { Patience.pause(nanoseconds: 200_000, until: deadline) }
        if !ended.withLock({ $0 }) { try? sysKill(process, 9) }
    }
}
