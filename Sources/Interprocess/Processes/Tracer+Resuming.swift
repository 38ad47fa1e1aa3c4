// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Letting threads go on, and holding them.
extension Tracer {
    /// The call itself.
    func go(_ thread: TracedThread, _ how: TraceCalls.Resumption, signal: Int32 = 0) throws(IPCError) {
        thread.resumption = how
        thread.state = .running
        try attempt(thread) { () throws(Errno) in try calls.resume(thread.id, how, signal: signal) }
    }

    func keepInGroupStop(_ thread: TracedThread) throws(IPCError) {
        do throws(Errno) {
            thread.state = .listening
            try calls.listen(thread.id)
        } catch {
            if error == .noSuchProcess { thread.state = .running }
            // SIGCONT came meanwhile: it is in no group stop any more.
            if error == .ioError { return try go(thread, .run) }
            if error != .noSuchProcess { throw IPCError(error, "ptrace", "pid:\(thread.process.id)") }
        }
    }

    /// How a thread runs when nothing else is asked: to its next system call, if those are told and not found by the filter.
    func running(_ thread: TracedThread) -> TraceCalls.Resumption {
        if !options.systemCalls { return .run }
        // With the filter, the beginning of a call stops by itself; its end does not.
        return options.filteredCalls == nil || thread.call != nil ? .toSystemCall : .run
    }

    /// The answer to an event. A thread that is gone, or runs already, is left alone.
    func resume(_ id: Int32, _ answer: ProcessControl.Answer) throws(IPCError) {
        guard let thread = threads[id], let stop = thread.stop, let resumption = answer.resumption else { return }
        let how = resumption == .step ? .step : running(thread)
        var signal: Int32 = 0
        switch (stop, answer.delivery) {
        case (.groupStop, .asReported): return try keepInGroupStop(thread)
        case (.signal(let number, let record), .asReported):
            signal = number
            // It may have waited for its turn: then the kernel's own notion of it is another.
            let isCurrent = try attempt(thread) { () throws(Errno) in try calls.setSignal(of: id, record) }
            if !isCurrent { return }
        case (_, .replaced(let other)): signal = other.number
        default: break
        }
        if signal != 0 {
            switch stop {
            case .signal, .trap: break
            default:
                // The kernel takes a signal at these stops only; at others it is sent like any other.
                let (process, number) = (thread.process.id, signal)
                try attempt(thread) { () throws(Errno) in try sysQueueThreadSignal(process: process, thread: id, number)
                }
                signal = 0
            }
        }
        if let address = try breakpointAhead(of: thread) {
            return try stepOver(thread, address, how, signal: signal)
        }
        // What came while it stepped over a breakpoint has its turn before the thread runs on.
        try go(thread, thread.held.isEmpty ? how : .step, signal: signal)
    }

    private func breakpointAhead(of thread: TracedThread) throws(IPCError) -> UInt64? {
        if thread.process.space.breakpoints.isEmpty { return nil }
        var registers: Registers?
        _ = try attempt(thread) { () throws(Errno) in registers = Registers(words: try calls.registers(of: thread.id)) }
        guard let address = registers?.instructionPointer, thread.process.space.breakpoints[address] != nil else {
            return nil
        }
        return address
    }

    // MARK: Halting

    /// Stops all threads that could execute an instruction in the memory of `space`, without a word to anybody.
    func halt(_ space: AddressSpace, except: TracedThread? = nil, listening: Bool = false) throws(IPCError) {
        func mustStop(_ thread: TracedThread) -> Bool {
            guard thread.process.space === space, thread !== except, !thread.isInVfork, !thread.isExiting else {
                return false
            }
            switch thread.state {
            case .running, .starting: return true
            case .listening: return listening
            default: return false
            }
        }
        for thread in threads.values where mustStop(thread) {
            if case .starting = thread.state { continue }
            thread.haltAsked = true
            do throws(Errno) { try calls.interrupt(thread.id) } catch {
                if error != .noSuchProcess { throw IPCError(error, "ptrace", "pid:\(thread.process.id)") }
            }
        }
        while threads.values.contains(where: mustStop) { try pump() }
    }

    /// Lets those go on that were halted.
    func release(_ space: AddressSpace) throws(IPCError) {
        for thread in threads.values where thread.process.space === space {
            switch thread.state {
            case .halted: try go(thread, thread.resumption)
            case .haltedInGroup: try keepInGroupStop(thread)
            default: break
            }
        }
    }

    /// Asks all running threads of a process, or of all, to stop; each will tell of one stop.
    func stop(_ process: Int32?) throws(IPCError) {
        for thread in threads.values where process == nil || thread.process.id == process {
            guard thread.process.isFollowed, !thread.isExiting else { continue }
            switch thread.state {
            case .running, .listening:
                thread.stopAsked = true
                _ = try? attempt(thread) { () throws(Errno) in try calls.interrupt(thread.id) }
            default: break
            }
        }
    }
}
