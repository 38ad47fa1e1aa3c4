// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// What each kind of stop means.
extension Tracer {
    func handle(_ id: Int32, _ status: TraceStatus) throws(IPCError) {
        guard let thread = threads[id] else {
            if case .exec = status.meaning, let process = processes[id] {
                _ = add(id, to: process, .running)
                return try handle(id, status)
            }
            return try handleStranger(id, status)
        }
        if let ending = TraceEvent.Ending(status) { return remove(thread, ending) }
        let wasListening = if case .listening = thread.state { true } else { false }
        let isStarting = if case .starting = thread.state { true } else { false }
        let (stopAsked, haltAsked) = (thread.stopAsked, thread.haltAsked)
        // Any stop takes the place of one that was asked for.
        (thread.stopAsked, thread.haltAsked) = (false, false)
        thread.state = .stopped(.other)
        switch status.meaning {
        case .signal(let number): try signalStop(thread, number)
        case .systemCall: try systemCallStop(thread)
        case .seccomp: try filterStop(thread)
        case .fork: try created(thread, .fork)
        case .vfork: try created(thread, .vfork)
        case .clone: try created(thread, .thread)
        case .exec: try executed(thread)
        case .vforkDone:
            thread.isInVfork = false
            tell(thread, .childReleased)
        case .exiting:
            guard let message = try message(thread) else { return }
            thread.isExiting = true
            if !options.endings { return try go(thread, .run) }
            tell(thread, .ending(TraceEvent.Ending(.end(message)) ?? .exited(0)))
        case .stop(let signal):
            if signal != 5 {
                if haltAsked && wasListening {
                    thread.state = .haltedInGroup
                } else {
                    thread.state = .stopped(.groupStop)
                    tell(thread, .groupStop(Signal(unchecked: signal)))
                }
            } else if isStarting {
                try started(thread)
            } else if stopAsked {
                tell(thread, .stopped)
            } else if haltAsked {
                thread.state = .halted
            } else if wasListening {
                tell(thread, .continued)
            } else {
                // Asked for when it had just stopped for something else.
                try go(thread, thread.resumption)
            }
        case .exited, .killed: break
        }
        if !thread.process.isFollowed, case .stopped(let stop) = thread.state {
            if thread.process.space.breakpoints.isEmpty { try detach(thread) } else { try sendOn(thread, stop) }
        }
    }

    /// Somebody whose maker has not told of him yet, and may never do so.
    private func handleStranger(_ id: Int32, _ status: TraceStatus) throws(IPCError) {
        if status.isEnd {
            strangers[id] = nil
            departed[id] = (status, .now)
        } else if case .exiting = status.meaning {
            // Killed before its first instruction: nobody will ever answer for it, and others wait for its end.
            strangers[id] = nil
            try? calls.resume(id, .run)
        } else {
            strangers[id] = status
            adoptStrangers()
        }
    }

    private func message(_ thread: TracedThread) throws(IPCError) -> UInt? {
        var message: UInt = 0
        let isThere = try attempt(thread) { () throws(Errno) in message = try calls.eventMessage(of: thread.id) }
        return isThere ? message : nil
    }

    /// Lets a thread go that nobody is told of.
    private func sendOn(_ thread: TracedThread, _ stop: TracedThread.Stop) throws(IPCError) {
        switch stop {
        case .signal(let number, _): try go(thread, .run, signal: number)
        case .groupStop: try keepInGroupStop(thread)
        default: try go(thread, .run)
        }
    }

    // MARK: Signals and traps

    private func signalStop(_ thread: TracedThread, _ number: Int32) throws(IPCError) {
        var record = SignalRecord()
        guard try attempt(thread, { () throws(Errno) in record = try calls.signal(of: thread.id) }) else { return }
        if number == 5 {
            let code = record.fields.code
            if code == 0x80 || code == 1, let address = try rewind(thread) {
                thread.state = .stopped(.trap)
                return tell(thread, .breakpoint(address: address))
            }
            if thread.resumption == .step, code == 2 || code == 1 {
                thread.state = .stopped(.trap)
                if let next = thread.held.first {
                    thread.held.removeFirst()
                    thread.state = .stopped(.signal(next.number, next.record))
                    return tell(thread, .signal(TracedSignal(next.record)))
                }
                return tell(thread, .stepped)
            }
        }
        thread.state = .stopped(.signal(number, record))
        tell(thread, .signal(TracedSignal(record)))
    }

    /// If the thread has just run into one of our breakpoints: puts it back to its address.
    private func rewind(_ thread: TracedThread) throws(IPCError) -> UInt64? {
        if thread.process.space.breakpoints.isEmpty { return nil }
        var registers: Registers?
        _ = try attempt(thread) { () throws(Errno) in registers = Registers(words: try calls.registers(of: thread.id)) }
        guard var registers else { return nil }
        let address = registers.instructionPointer &- BreakpointInstruction.advance
        guard thread.process.space.breakpoints[address] != nil else { return nil }
        registers.instructionPointer = address
        let changed = registers
        try attempt(thread) { () throws(Errno) in try calls.setRegisters(of: thread.id, changed.words) }
        return address
    }

    // MARK: System calls

    private func systemCallStop(_ thread: TracedThread) throws(IPCError) {
        guard let stop = try systemCall(thread) else { return }
        switch stop.what {
        case .entry(let number, let arguments):
            let call = TracedSystemCall(
                number: Int(truncatingIfNeeded: number), arguments: arguments, architecture: stop.architecture,
                instructionPointer: stop.instructionPointer, stackPointer: stop.stackPointer)
            thread.call = call
            tell(thread, .systemCallEntry(call))
        case .exit(let result, let isError):
            let call = thread.call
            thread.call = nil
            tell(thread, .systemCallExit(call: call, result: SystemCallResult(rawValue: result, isError: isError)))
        }
    }

    private func filterStop(_ thread: TracedThread) throws(IPCError) {
        if thread.process.isFollowed { try systemCallStop(thread) }
    }

    /// PTRACE_GET_SYSCALL_INFO; from the registers where the kernel or a filter does not allow that.
    private func systemCall(_ thread: TracedThread) throws(IPCError) -> SystemCallStop? {
        do throws(Errno) {
            return try calls.systemCall(of: thread.id)
        } catch {
            if error == .noSuchProcess {
                thread.state = .running
                return nil
            }
        }
        var registers: Registers?
        _ = try attempt(thread) { () throws(Errno) in registers = Registers(words: try calls.registers(of: thread.id)) }
        guard let registers else { return nil }
        let what: SystemCallStop.What
        if thread.call == nil {
            what = .entry(number: UInt64(registers.systemCallNumber), registers.systemCallArguments)
        } else {
            let result = Int64(bitPattern: registers.returnValue)
            what = .exit(result: result, isError: (-4095 ... -1).contains(result))
        }
        return SystemCallStop(
            what: what, architecture: sysAuditArchitecture, instructionPointer: registers.instructionPointer,
            stackPointer: registers.stackPointer)
    }

    // MARK: Births

    private func created(_ thread: TracedThread, _ how: TraceEvent.Creation) throws(IPCError) {
        guard let message = try message(thread) else { return }
        let id = Int32(truncatingIfNeeded: message)
        if how == .vfork { thread.isInVfork = true }
        if threads[id] == nil {
            let parent = thread.process
            // clone(2) makes threads, and processes that share memory or not: /proc knows.
            let leader = how == .thread ? TracePermission.status(id, "Tgid:") ?? parent.id : id
            if leader == parent.id {
                _ = add(id, to: parent, .starting)
            } else {
                let space = how == .vfork ? parent.space : copy(of: parent.space, for: leader)
                let child = newProcess(leader, space, isFollowed: parent.isFollowed && options.followsChildren)
                _ = add(id, to: child, .starting)
            }
        }
        tell(thread, .created(how, id: id))
        if let status = strangers.removeValue(forKey: id) { try handle(id, status) }
        if let (status, time) = departed.removeValue(forKey: id), time + .seconds(2) > .now { try handle(id, status) }
    }

    private func started(_ thread: TracedThread) throws(IPCError) {
        if thread.process.isFollowed { return tell(thread, .started) }
        let isBorrower = processes.values.contains { $0 !== thread.process && $0.space === thread.process.space }
        // A child that borrows the memory of its maker needs the breakpoints there until it executes.
        if isBorrower { return }
        for (address, original) in thread.process.space.breakpoints { try restore(address, original, thread) }
        forget(thread.process)
        thread.process.space = AddressSpace(of: thread.process.id)
    }

    private func executed(_ thread: TracedThread) throws(IPCError) {
        let message = try message(thread)
        let process = thread.process
        for other in threads.values where other.process === process && other !== thread {
            threads[other.id] = nil
            process.threadCount -= 1
        }
        forget(process)
        process.space = AddressSpace(of: process.id)
        (thread.call, thread.isInVfork, thread.isExiting, thread.held) = (nil, false, false, [])
        if !process.isFollowed { return }
        try attempt(thread) { () throws(Errno) in try calls.setOptions(thread.id, flags(process.space)) }
        tell(thread, .executed(formerThread: Int32(truncatingIfNeeded: message ?? UInt(thread.id))))
    }
}
