// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension ProcessControl {
    // MARK: Going on

    /// Answers an event: its thread goes on.
    ///
    /// A thread that is gone, or goes already, is left alone.
    ///
    /// - Parameters:
    ///   - event: what the thread stopped for.
    ///   - resumption: how it goes on.
    ///   - delivery: what becomes of its signal.
    /// - Throws: what the kernel may say of a breakpoint that is stepped over.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP or PTRACE_LISTEN.
    public func resume(
        _ event: TraceEvent, _ resumption: Resumption = .run, delivering delivery: Delivery = .asReported
    ) throws(IPCError) {
        try resume(thread: event.thread, resumption, delivering: delivery)
    }

    /// Lets a stopped thread go on.
    ///
    /// - Parameters:
    ///   - thread: its id.
    ///   - resumption: how it goes on.
    ///   - delivery: what becomes of the signal that it stopped for.
    /// - Throws: as ``resume(_:_:delivering:)``.
    public func resume(
        thread: Int32, _ resumption: Resumption = .run, delivering delivery: Delivery = .asReported
    ) throws(IPCError) {
        try core.ask(ifOver: (), Requests.resume(thread, Answer(resumption, delivering: delivery))).block()
    }

    /// Asks every running thread to stop. Each tells of exactly one stop: ``TraceEvent/Kind/stopped``, or what was quicker.
    ///
    /// - Parameter process: whose threads; nil for those of all processes.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_INTERRUPT.
    public func stop(_ process: Int32? = nil) throws(IPCError) {
        try core.ask(ifOver: (), Requests.stop(process)).block()
    }

    /// Kills a process at once, stopped or not. Its end is told as an event.
    ///
    /// - Parameter process: which one; nil for ``process``.
    /// - Throws: ``IPCError/Code/notFound`` if it is not under control any more.
    ///
    /// The corresponding C function is `kill(2)`.
    public func kill(_ process: Int32? = nil) throws(IPCError) {
        try core.ask(Requests.kill(process ?? self.process)).block()
    }

    // MARK: Looking and changing

    /// The threads of all processes under control, by id.
    public func threads() throws(IPCError) -> [ControlledThread] {
        try core.ask(ifOver: [], Requests.threads()).block()
    }

    /// The general registers of a stopped thread.
    ///
    /// - Parameter thread: its id.
    /// - Throws: ``IPCError/Code/busy`` if it runs; ``IPCError/Code/notFound`` if it is gone.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_GETREGSET.
    public func registers(of thread: Int32) throws(IPCError) -> Registers {
        try core.ask(Requests.registers(thread)).block()
    }

    /// Changes the general registers of a stopped thread.
    ///
    /// - Parameters:
    ///   - registers: all of them.
    ///   - thread: its id.
    /// - Throws: as ``registers(of:)``; ``IPCError/Code/invalidArgument`` for values that the processor forbids.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_SETREGSET.
    public func setRegisters(_ registers: Registers, of thread: Int32) throws(IPCError) {
        try core.ask(Requests.setRegisters(registers, thread)).block()
    }

    /// Reads the memory of a process under control, stopped or not, as it would be without breakpoints.
    ///
    /// - Parameters:
    ///   - address: where.
    ///   - count: how many bytes are wanted.
    ///   - process: whose; nil for ``process``.
    /// - Returns: as ``ProcessMemory/read(at:count:)``.
    /// - Throws: as ``ProcessMemory/read(at:count:)``.
    ///
    /// The corresponding C function is `process_vm_readv(2)`.
    public func read(at address: UInt64, count: Int, in process: Int32? = nil) throws(IPCError) -> [UInt8] {
        try core.ask(Requests.read(address, count, process ?? self.process)).block()
    }

    /// Writes the memory of a process under control, text and constants as well. Breakpoints stay.
    ///
    /// - Parameters:
    ///   - bytes: what to write.
    ///   - address: where.
    ///   - process: whose; nil for ``process``.
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/system`` (EIO) where nothing is mapped: what comes before is written then, and the
    ///   hint says how much that is; ``IPCError/Code/busy`` if protected memory is to be written and no thread of the process is stopped.
    ///
    /// The corresponding C functions are `process_vm_writev(2)` and `ptrace(2)` with PTRACE_POKEDATA.
    public func write(_ bytes: [UInt8], at address: UInt64, in process: Int32? = nil) throws(IPCError) {
        try core.ask(Requests.write(bytes, address, process ?? self.process)).block()
    }

    // MARK: Breakpoints

    /// Sets a breakpoint: whichever thread comes to that address stops there before it executes what stands there. Going on, it steps
    /// over the breakpoint while all other threads of the process are held for that moment, so that none slips by.
    ///
    /// Children of fork(2) that are followed have it as well; an exec takes all of them away.
    ///
    /// - Parameters:
    ///   - address: of an instruction's first byte; elsewhere it destroys the instruction.
    ///   - process: in which; nil for ``process``.
    /// - Returns: false if there is one already.
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/system`` (EIO) if nothing is mapped there.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_POKEDATA.
    @discardableResult
    public func setBreakpoint(at address: UInt64, in process: Int32? = nil) throws(IPCError) -> Bool {
        try core.ask(Requests.setBreakpoint(address, process ?? self.process)).block()
    }

    /// Takes a breakpoint out. A thread that is stopped there goes on as if there had been none.
    ///
    /// - Parameters:
    ///   - address: where it was set.
    ///   - process: in which; nil for ``process``.
    /// - Returns: false if there is none.
    /// - Throws: ``IPCError/Code/notFound``.
    @discardableResult
    public func removeBreakpoint(at address: UInt64, in process: Int32? = nil) throws(IPCError) -> Bool {
        try core.ask(Requests.removeBreakpoint(address, process ?? self.process)).block()
    }

    /// The addresses with a breakpoint, in order.
    ///
    /// - Parameter process: in which; nil for ``process``.
    public func breakpoints(in process: Int32? = nil) throws(IPCError) -> [UInt64] {
        try core.ask(Requests.breakpoints(process ?? self.process)).block()
    }
}

/// A thread under control.
public struct ControlledThread: Sendable, Hashable {
    /// Its id.
    public var thread: Int32
    /// Its process.
    public var process: Int32
    /// Whether it stands still and waits for an answer.
    public var isStopped: Bool
}
