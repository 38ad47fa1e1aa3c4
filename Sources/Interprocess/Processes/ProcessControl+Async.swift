// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// The asynchronous faces: they suspend the task until the tracing thread has made the call.
extension ProcessControl {
    /// Answers an event: its thread goes on. As the blocking form.
    public func resume(
        _ event: TraceEvent, _ resumption: Resumption = .run, delivering delivery: Delivery = .asReported
    ) async throws(IPCError) {
        try await core.ask(ifOver: (), Requests.resume(event.thread, Answer(resumption, delivering: delivery)))
            .suspend()
    }

    /// Lets a stopped thread go on. As the blocking form.
    public func resume(
        thread: Int32, _ resumption: Resumption = .run, delivering delivery: Delivery = .asReported
    ) async throws(IPCError) {
        try await core.ask(ifOver: (), Requests.resume(thread, Answer(resumption, delivering: delivery))).suspend()
    }

    /// Asks every running thread to stop. As the blocking form.
    public func stop(_ process: Int32? = nil) async throws(IPCError) {
        try await core.ask(ifOver: (), Requests.stop(process)).suspend()
    }

    /// Kills a process at once. As the blocking form.
    public func kill(_ process: Int32? = nil) async throws(IPCError) {
        try await core.ask(Requests.kill(process ?? self.process)).suspend()
    }

    /// The threads of all processes under control, by id.
    public func threads() async throws(IPCError) -> [ControlledThread] {
        try await core.ask(ifOver: [], Requests.threads()).suspend()
    }

    /// The general registers of a stopped thread. As the blocking form.
    public func registers(of thread: Int32) async throws(IPCError) -> Registers {
        try await core.ask(Requests.registers(thread)).suspend()
    }

    /// Changes the general registers of a stopped thread. As the blocking form.
    public func setRegisters(_ registers: Registers, of thread: Int32) async throws(IPCError) {
        try await core.ask(Requests.setRegisters(registers, thread)).suspend()
    }

    /// Reads the memory of a process under control, as it would be without breakpoints. As the blocking form.
    public func read(at address: UInt64, count: Int, in process: Int32? = nil) async throws(IPCError) -> [UInt8] {
        try await core.ask(Requests.read(address, count, process ?? self.process)).suspend()
    }

    /// Writes the memory of a process under control, text and constants as well. As the blocking form.
    public func write(_ bytes: [UInt8], at address: UInt64, in process: Int32? = nil) async throws(IPCError) {
        try await core.ask(Requests.write(bytes, address, process ?? self.process)).suspend()
    }

    /// Sets a breakpoint. As the blocking form.
    @discardableResult
    public func setBreakpoint(at address: UInt64, in process: Int32? = nil) async throws(IPCError) -> Bool {
        try await core.ask(Requests.setBreakpoint(address, process ?? self.process)).suspend()
    }

    /// Takes a breakpoint out. As the blocking form.
    @discardableResult
    public func removeBreakpoint(at address: UInt64, in process: Int32? = nil) async throws(IPCError) -> Bool {
        try await core.ask(Requests.removeBreakpoint(address, process ?? self.process)).suspend()
    }

    /// The addresses with a breakpoint, in order. As the blocking form.
    public func breakpoints(in process: Int32? = nil) async throws(IPCError) -> [UInt64] {
        try await core.ask(Requests.breakpoints(process ?? self.process)).suspend()
    }
}
