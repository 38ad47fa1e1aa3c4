// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Breakpoints: planted, stepped over, taken out.
extension Tracer {
    /// - Returns: false if there is one already.
    func plant(_ address: UInt64, in process: Int32) throws(IPCError) -> Bool {
        let space = try space(process)
        if space.breakpoints[address] != nil { return false }
        try halt(space, listening: true)
        defer { try? release(space) }
        let thread = try stoppedThread(space)
        do throws(Errno) {
            let word = try calls.peek(thread.id, address)
            space.breakpoints[address] = word
            if space.breakpoints.count == 1 { try protect(space) }
            try calls.guardian?.note(space.owner, address, word, isSet: true)
            try calls.poke(thread.id, address, BreakpointInstruction.planted(in: word))
        } catch {
            space.breakpoints[address] = nil
            try? calls.guardian?.note(space.owner, address, 0, isSet: false)
            try? protect(space)
            throw memoryFailure(error, process, address)
        }
        return true
    }

    /// - Returns: false if there is none.
    func uproot(_ address: UInt64, in process: Int32) throws(IPCError) -> Bool {
        let space = try space(process)
        guard let original = space.breakpoints[address] else { return false }
        try halt(space, listening: true)
        defer { try? release(space) }
        try restore(address, original, try stoppedThread(space))
        space.breakpoints[address] = nil
        try? calls.guardian?.note(space.owner, address, 0, isSet: false)
        if space.breakpoints.isEmpty { try? protect(space) }
        return true
    }

    /// Puts back what stood there, unless the program has put something else there itself.
    func restore(_ address: UInt64, _ original: UInt64, _ thread: TracedThread) throws(IPCError) {
        do throws(Errno) {
            let word = try calls.peek(thread.id, address)
            guard BreakpointInstruction.isPlanted(in: word) else { return }
            try calls.poke(thread.id, address, BreakpointInstruction.restored(original, in: word))
        } catch {
            // The page is gone, or the thread: so is the breakpoint.
            if error == .ioError || error == .badAddress || error == .noSuchProcess { return }
            throw memoryFailure(error, thread.process.id, address)
        }
    }

    private func replant(_ address: UInt64, _ thread: TracedThread) {
        guard thread.process.space.breakpoints[address] != nil, let word = try? calls.peek(thread.id, address) else {
            return
        }
        try? calls.poke(thread.id, address, BreakpointInstruction.planted(in: word))
    }

    /// The first breakpoint makes a dead controller a danger; the last one that goes takes it away.
    private func protect(_ space: AddressSpace) throws(Errno) {
        guard options.ifControllerDies == .leaveRunning else { return }
        for thread in threads.values where thread.process.space === space && thread.isStopped {
            do throws(Errno) { try calls.setOptions(thread.id, flags(space)) } catch {
                if error != .noSuchProcess { throw error }
            }
        }
    }

    private func space(_ process: Int32) throws(IPCError) -> AddressSpace {
        guard let found = processes[process], found.isFollowed else {
            throw IPCError(.noSuchProcess, "ptrace", "pid:\(process)", hint: "it is not under control, or has ended")
        }
        return found.space
    }

    func stoppedThread(_ space: AddressSpace) throws(IPCError) -> TracedThread {
        for thread in threads.values where thread.process.space === space && thread.isStopped { return thread }
        let process = processes.values.first { $0.space === space }?.id ?? 0
        throw IPCError(
            .noSuchProcess, "ptrace", "pid:\(process)",
            hint: "no thread of it can be stopped: it ended, or waits in vfork")
    }

    private func memoryFailure(_ error: Errno, _ process: Int32, _ address: UInt64) -> IPCError {
        let hint =
            error == .ioError || error == .badAddress ? "nothing is mapped at 0x\(String(address, radix: 16))" : ""
        return IPCError(error, "ptrace", "pid:\(process)", hint: hint)
    }

    // MARK: Stepping over

    /// Executes the instruction under a breakpoint while all other threads stand still, then lets the thread go on with
    /// `signal`.
    func stepOver(
        _ thread: TracedThread, _ address: UInt64, _ how: TraceCalls.Resumption, signal: Int32
    ) throws(IPCError) {
        let space = thread.process.space
        if signal != 0, case .signal(let number, let record)? = thread.stop, number == signal {
            thread.held.insert(TracedThread.Held(number: number, record: record), at: 0)
        }
        let inserted = thread.held.first.map { $0.number == signal } ?? false
        try halt(space, except: thread)
        guard let original = space.breakpoints[address] else {
            // Gone with an exec of another thread.
            return try release(space)
        }
        try restore(address, original, thread)
        let isCall = BreakpointInstruction.isSystemCall(original)
        let outcome = try stepOnce(thread, isCall ? .toSystemCall : .step)
        if threads[thread.id] === thread { replant(address, thread) }
        try release(space)
        switch outcome {
        case .gone: return
        case .told: return
        case .atCall where options.systemCalls:
            try requeue(thread, signal: inserted ? 0 : signal)
            return try handle(thread.id, TraceStatus(rawValue: 0x857f))
        case .atCall:
            try requeue(thread, signal: inserted ? 0 : signal)
            try go(thread, how)
        case .stepped:
            try finish(thread, how, signal: signal, isHeld: inserted)
        }
    }

    /// The instruction is done, and the thread stands at a SIGTRAP of ours, where a signal can be put in.
    private func finish(
        _ thread: TracedThread, _ how: TraceCalls.Resumption, signal: Int32, isHeld: Bool
    ) throws(IPCError) {
        thread.state = .stopped(.trap)
        if isHeld {
            let own = thread.held.removeFirst()
            guard try attempt(thread, { () throws(Errno) in try calls.setSignal(of: thread.id, own.record) }) else {
                return
            }
        } else if signal == 0, let next = thread.held.first {
            thread.held.removeFirst()
            thread.state = .stopped(.signal(next.number, next.record))
            return tell(thread, .signal(TracedSignal(next.record)))
        } else if signal == 0, how == .step {
            thread.resumption = .step
            return tell(thread, .stepped)
        }
        try go(thread, thread.held.isEmpty ? how : .step, signal: signal)
    }

    /// Signals that cannot be put in at this stop are sent again.
    private func requeue(_ thread: TracedThread, signal: Int32) throws(IPCError) {
        let (process, id) = (thread.process.id, thread.id)
        for held in thread.held {
            try attempt(thread) { () throws(Errno) in
                try sysQueueThreadSignal(process: process, thread: id, held.number, held.record)
            }
        }
        thread.held = []
        if signal != 0 {
            try attempt(thread) { () throws(Errno) in try sysQueueThreadSignal(process: process, thread: id, signal) }
        }
        thread.state = .stopped(.other)
    }

    private enum StepOutcome { case stepped, atCall, told, gone }

    private func stepOnce(_ thread: TracedThread, _ how: TraceCalls.Resumption) throws(IPCError) -> StepOutcome {
        while true {
            do throws(Errno) {
                try calls.resume(thread.id, how)
            } catch {
                thread.state = .running
                return .gone
            }
            thread.state = .running
            var status: TraceStatus?
            while status == nil {
                do throws(Errno) { status = try next(thread.id, blocking: true)?.status } catch {
                    if error != .interrupted { return .gone }
                }
            }
            guard let status else { return .gone }
            switch status.meaning {
            case .systemCall: return .atCall
            case .signal(let number):
                guard let record = try? calls.signal(of: thread.id) else { return .gone }
                let signal = TracedSignal(record)
                if number == 5, [1, 2, 0x80].contains(signal.code) { return .stepped }
                if signal.isSynchronousFault {
                    // The instruction itself failed: this is what happens, not the step.
                    try handle(thread.id, status)
                    return .told
                }
                thread.held.append(TracedThread.Held(number: number, record: record))
            case .stop(5): continue
            default:
                try handle(thread.id, status)
                return .told
            }
        }
    }
}

/// The guardian's notes.
extension Tracer {
    /// fork(2) has copied memory, breakpoints and all.
    func copy(of space: AddressSpace, for process: Int32) -> AddressSpace {
        for (address, word) in space.breakpoints { try? calls.guardian?.note(process, address, word, isSet: true) }
        return AddressSpace(of: process, space.breakpoints)
    }

    /// The memory of a process is gone, and its breakpoints with it.
    func forget(_ process: TracedProcess) {
        guard let guardian = calls.guardian, process.space.owner == process.id else { return }
        for address in process.space.breakpoints.keys { try? guardian.note(process.id, address, 0, isSet: false) }
    }
}
