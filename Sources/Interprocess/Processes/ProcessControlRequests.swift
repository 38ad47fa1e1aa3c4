// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// What the verbs have the tracer thread do; one place for their blocking and their asynchronous faces.
enum Requests {
    typealias Request<Success> = @Sendable (Tracer) throws(IPCError) -> Success

    static func resume(_ thread: Int32, _ answer: ProcessControl.Answer) -> Request<Void> {
        { (tracer) throws(IPCError) in try tracer.resume(thread, answer) }
    }

    static func stop(_ process: Int32?) -> Request<Void> {
        { (tracer) throws(IPCError) in try tracer.stop(process) }
    }

    static func kill(_ process: Int32) -> Request<Void> {
        { (tracer) throws(IPCError) in
            guard tracer.processes[process] != nil else { throw gone(process) }
            // Not reaped before the tracer is told: the number is still its own.
            do throws(Errno) { try sysKill(process, 9) } catch { throw IPCError(error, "kill", "pid:\(process)") }
        }
    }

    static func threads() -> Request<[ControlledThread]> {
        { (tracer) throws(IPCError) in
            tracer.threads.values.filter { $0.process.isFollowed }.map {
                ControlledThread(thread: $0.id, process: $0.process.id, isStopped: $0.isStopped)
            }.sorted { $0.thread < $1.thread }
        }
    }

    // MARK: Registers

    private static func stopped(_ tracer: Tracer, _ thread: Int32) throws(IPCError) -> TracedThread {
        guard let found = tracer.threads[thread] else { throw gone(thread) }
        guard found.isStopped else {
            throw IPCError(
                code: .busy, call: "ptrace", subject: "pid:\(thread)",
                hint: "the thread runs: stop it first, or wait for an event")
        }
        return found
    }

    private static func gone(_ id: Int32) -> IPCError {
        IPCError(.noSuchProcess, "ptrace", "pid:\(id)", hint: "it is not under control, or has ended")
    }

    static func registers(_ thread: Int32) -> Request<Registers> {
        { (tracer) throws(IPCError) in
            let found = try stopped(tracer, thread)
            do throws(Errno) { return Registers(words: try tracer.calls.registers(of: found.id)) } catch {
                throw failure(error, thread)
            }
        }
    }

    static func setRegisters(_ registers: Registers, _ thread: Int32) -> Request<Void> {
        { (tracer) throws(IPCError) in
            let found = try stopped(tracer, thread)
            do throws(Errno) { try tracer.calls.setRegisters(of: found.id, registers.words) } catch {
                throw failure(error, thread)
            }
        }
    }

    private static func failure(_ error: Errno, _ thread: Int32) -> IPCError {
        IPCError(error, "ptrace", "pid:\(thread)", hint: error == .noSuchProcess ? "it was killed" : "")
    }

    // MARK: Memory

    static func read(_ address: UInt64, _ count: Int, _ process: Int32) -> Request<[UInt8]> {
        { (tracer) throws(IPCError) in
            guard let found = tracer.processes[process] else { throw gone(process) }
            var bytes = try ProcessMemory(of: process).read(at: address, count: count)
            let size = BreakpointInstruction.bytes.count
            for (place, word) in found.space.breakpoints {
                for index in 0..<size {
                    let offset = place &+ UInt64(index) &- address
                    guard offset < UInt64(bytes.count) else { continue }
                    bytes[Int(offset)] = UInt8(truncatingIfNeeded: word >> UInt64(8 * index))
                }
            }
            return bytes
        }
    }

    static func write(_ bytes: [UInt8], _ address: UInt64, _ process: Int32) -> Request<Void> {
        { (tracer) throws(IPCError) in
            guard let found = tracer.processes[process] else { throw gone(process) }
            let space = found.space
            let touched = space.breakpoints.keys.filter { $0 &+ 8 > address && $0 < address &+ UInt64(bytes.count) }
            if touched.isEmpty, let done = try? ProcessMemory(of: process).write(bytes, at: address),
                done == bytes.count
            {
                return
            }
            try tracer.halt(space, listening: true)
            defer { try? tracer.release(space) }
            let thread = try tracer.stoppedThread(space)
            var done = 0
            do throws(Errno) {
                while done < bytes.count {
                    done += try tracer.pokeBytes(thread, address &+ UInt64(done), bytes[done...])
                }
            } catch {
                throw IPCError(
                    error, "ptrace", "pid:\(process)",
                    hint: "\(done) of \(bytes.count) bytes were written; nothing is mapped at 0x"
                        + String(address &+ UInt64(done), radix: 16))
            }
        }
    }

    // MARK: Breakpoints

    static func setBreakpoint(_ address: UInt64, _ process: Int32) -> Request<Bool> {
        { (tracer) throws(IPCError) in try tracer.plant(address, in: process) }
    }

    static func removeBreakpoint(_ address: UInt64, _ process: Int32) -> Request<Bool> {
        { (tracer) throws(IPCError) in try tracer.uproot(address, in: process) }
    }

    static func breakpoints(_ process: Int32) -> Request<[UInt64]> {
        { (tracer) throws(IPCError) in
            guard let found = tracer.processes[process] else { throw gone(process) }
            return found.space.breakpoints.keys.sorted()
        }
    }
}

extension Tracer {
    /// Writes up to the end of one word, under breakpoints where there are some; how many bytes that were.
    func pokeBytes(_ thread: TracedThread, _ address: UInt64, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
        let start = address & ~7
        let offset = Int(address - start)
        let count = min(8 - offset, bytes.count)
        let space = thread.process.space
        var word = try calls.peek(thread.id, start)
        var planted: [UInt64] = []
        for (place, original) in space.breakpoints where place &+ 8 > start && place < start &+ 8 {
            // What stands there is the program's, not ours, while it changes.
            planted.append(place)
            for index in 0..<BreakpointInstruction.bytes.count {
                let position = place &+ UInt64(index) &- start
                guard position < 8 else { continue }
                word = word & ~(0xff << (8 * position)) | (original >> UInt64(8 * index) & 0xff) << (8 * position)
            }
        }
        for index in 0..<count {
            let shift = UInt64(8 * (offset + index))
            word = word & ~(0xff << shift) | UInt64(bytes[bytes.startIndex + index]) << shift
        }
        try calls.poke(thread.id, start, word)
        for place in planted {
            guard place >= start else { continue }
            let now = try calls.peek(thread.id, place)
            space.breakpoints[place] = now
            try calls.poke(thread.id, place, BreakpointInstruction.planted(in: now))
        }
        return count
    }
}
