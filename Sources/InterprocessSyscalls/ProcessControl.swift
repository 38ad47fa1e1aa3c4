// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// The calls of ptrace(2), made by the calling thread itself or by a guardian process in its name.
///
/// The kernel knows one tracer of a thread, and the tracer is a thread: all of these belong on the same one.
package struct TraceCalls: Sendable {
    /// Who makes the calls; nil for the calling thread.
    package let guardian: TraceGuardian?

    package init(guardian: TraceGuardian? = nil) { self.guardian = guardian }

    // MARK: The two forms of the call

    @inline(__always)
    func plain(_ request: Int, _ thread: Int32, _ address: UInt = 0, _ data: UInt = 0) throws(Errno) {
        if let guardian { return try guardian.plain(request, thread, address, data) }
        _ = try invoke("ptrace", retryOnInterrupt: false) { cip_ptrace(CInt(request), thread, address, data) }
    }

    /// With `Value` as the memory that the kernel reads or fills.
    @inline(__always)
    func exchange<Value>(
        _ request: Int, _ thread: Int32, _ address: UInt, _ value: inout Value
    ) throws(Errno) {
        // SAFETY: `value` is a local of the size that this request reads or fills.
        try unsafe withUnsafeMutableBytes(of: &value) { (bytes) throws(Errno) in
            if let guardian { return try unsafe guardian.exchange(request, thread, address, bytes) }
            _ = try invoke("ptrace", retryOnInterrupt: false) {
                unsafe cip_ptrace_buffer(CInt(request), thread, address, bytes.baseAddress)
            }
        }
    }

    // MARK: Beginning and end

    /// PTRACE_SEIZE: the thread runs on and is this tracer's.
    package func seize(_ thread: Int32, _ options: TraceFlags) throws(Errno) {
        try plain(CIP_PTRACE_SEIZE, thread, 0, options.rawValue)
    }

    /// PTRACE_SETOPTIONS of a stopped thread.
    package func setOptions(_ thread: Int32, _ options: TraceFlags) throws(Errno) {
        try plain(CIP_PTRACE_SETOPTIONS, thread, 0, options.rawValue)
    }

    /// PTRACE_DETACH of a stopped thread, which goes on with `signal`.
    package func detach(_ thread: Int32, signal: Int32) throws(Errno) {
        try plain(CIP_PTRACE_DETACH, thread, 0, UInt(bitPattern: Int(signal)))
    }

    // MARK: Going on and stopping

    package enum Resumption: Sendable { case run, toSystemCall, step }

    /// PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP of a stopped thread.
    package func resume(_ thread: Int32, _ how: Resumption, signal: Int32 = 0) throws(Errno) {
        let request =
            switch how {
            case .run: CIP_PTRACE_CONT
            case .toSystemCall: CIP_PTRACE_SYSCALL
            case .step: CIP_PTRACE_SINGLESTEP
            }
        try plain(request, thread, 0, UInt(bitPattern: Int(signal)))
    }

    /// PTRACE_LISTEN: a thread in a group stop stays stopped, and says when that ends.
    package func listen(_ thread: Int32) throws(Errno) { try plain(CIP_PTRACE_LISTEN, thread) }

    /// PTRACE_INTERRUPT: a running thread stops soon.
    package func interrupt(_ thread: Int32) throws(Errno) { try plain(CIP_PTRACE_INTERRUPT, thread) }

    /// wait4(2) with __WALL and __WNOTHREAD: the next event of a tracee or child of this thread, of `thread` alone if it is not -1.
    ///
    /// - Returns: nil if there is none and `blocking` is false.
    /// - Throws: ECHILD if nobody is left; EINTR, also where it was called off.
    package func wait(_ thread: Int32 = -1, blocking: Bool) throws(Errno) -> (thread: Int32, status: TraceStatus)? {
        if let guardian { return try guardian.wait(thread, blocking: blocking) }
        var status: CInt = 0
        // SAFETY: `status` is a local that the call fills.
        let result = try invoke("wait4", retryOnInterrupt: false) {
            unsafe cip_trace_wait(thread, &status, blocking ? 1 : 0)
        }
        return result == 0 ? nil : (result, TraceStatus(rawValue: status))
    }

    // MARK: What a stopped thread says

    /// PTRACE_GETSIGINFO.
    package func signal(of thread: Int32) throws(Errno) -> SignalRecord {
        var record = SignalRecord()
        try exchange(CIP_PTRACE_GETSIGINFO, thread, 0, &record.words)
        return record
    }

    /// PTRACE_SETSIGINFO.
    package func setSignal(of thread: Int32, _ record: SignalRecord) throws(Errno) {
        var record = record
        try exchange(CIP_PTRACE_SETSIGINFO, thread, 0, &record.words)
    }

    /// PTRACE_GETEVENTMSG: the new thread, the exit status, the former thread id.
    package func eventMessage(of thread: Int32) throws(Errno) -> UInt {
        var message: UInt = 0
        try exchange(CIP_PTRACE_GETEVENTMSG, thread, 0, &message)
        return message
    }

    /// PTRACE_GET_SYSCALL_INFO, Linux 5.3: nil if the thread is in no system call stop.
    package func systemCall(of thread: Int32) throws(Errno) -> SystemCallStop? {
        var raw = cip_syscall_info()
        try exchange(CIP_PTRACE_GET_SYSCALL_INFO, thread, UInt(MemoryLayout<cip_syscall_info>.size), &raw)
        // `op` says which member the kernel filled.
        switch raw.op {
        case 1, 3:
            let entry = raw.entry
            let given = entry.arguments
            return SystemCallStop(
                what: .entry(number: entry.number, [given.0, given.1, given.2, given.3, given.4, given.5]),
                architecture: raw.arch, instructionPointer: raw.instruction_pointer, stackPointer: raw.stack_pointer)
        case 2:
            let exit = raw.exit
            return SystemCallStop(
                what: .exit(result: exit.result, isError: exit.is_error != 0), architecture: raw.arch,
                instructionPointer: raw.instruction_pointer, stackPointer: raw.stack_pointer)
        default: return nil
        }
    }

    // MARK: Registers

    /// PTRACE_GETREGSET of the general registers, as the kernel orders them.
    package func registers(of thread: Int32) throws(Errno) -> RegisterWords {
        var words = RegisterWords(repeating: 0)
        let count = MemoryLayout<RegisterWords>.size
        // SAFETY: `words` is a local of `count` bytes, which is what the kernel is told.
        _ = try unsafe withUnsafeMutableBytes(of: &words) { (bytes) throws(Errno) in
            if let guardian {
                return try unsafe guardian.registerSet(CIP_PTRACE_GETREGSET, thread, UInt(CIP_NT_PRSTATUS), bytes)
            }
            return try invoke("ptrace") {
                unsafe cip_ptrace_register_set(
                    CInt(CIP_PTRACE_GETREGSET), thread, UInt(CIP_NT_PRSTATUS), bytes.baseAddress, count)
            }
        }
        return words
    }

    /// PTRACE_SETREGSET of the general registers.
    package func setRegisters(of thread: Int32, _ words: RegisterWords) throws(Errno) {
        var words = words
        let count = MemoryLayout<RegisterWords>.size
        // SAFETY: as above; the kernel reads.
        _ = try unsafe withUnsafeMutableBytes(of: &words) { (bytes) throws(Errno) in
            if let guardian {
                return try unsafe guardian.registerSet(CIP_PTRACE_SETREGSET, thread, UInt(CIP_NT_PRSTATUS), bytes)
            }
            return try invoke("ptrace") {
                unsafe cip_ptrace_register_set(
                    CInt(CIP_PTRACE_SETREGSET), thread, UInt(CIP_NT_PRSTATUS), bytes.baseAddress, count)
            }
        }
    }

    // MARK: Words of memory

    /// PTRACE_PEEKDATA of a stopped thread; reads what its page protection forbids as well.
    package func peek(_ thread: Int32, _ address: UInt64) throws(Errno) -> UInt64 {
        var word: UInt64 = 0
        try exchange(CIP_PTRACE_PEEKDATA, thread, UInt(address), &word)
        return word
    }

    /// PTRACE_POKEDATA: writes through page protection; a page shared with a file becomes the process's own.
    package func poke(_ thread: Int32, _ address: UInt64, _ word: UInt64) throws(Errno) {
        try plain(CIP_PTRACE_POKEDATA, thread, UInt(address), UInt(word))
    }
}

/// PTRACE_ATTACH, which this library does not use: for tests of what the kernel answers.
package func sysTraceAttach(_ thread: Int32) throws(Errno) {
    _ = try invoke("ptrace") { cip_ptrace(CInt(CIP_PTRACE_ATTACH), thread, 0, 0) }
}

/// PTRACE_TRACEME, as above.
package func sysTraceMe() throws(Errno) {
    _ = try invoke("ptrace") { cip_ptrace(0, 0, 0, 0) }
}

/// What shall make a tracee stop.
package struct TraceFlags: OptionSet, Sendable {
    package let rawValue: UInt
    package init(rawValue: UInt) { self.rawValue = rawValue }
    private init(_ value: Int) { rawValue = UInt(value) }
    /// System call stops are marked.
    package static let marked = TraceFlags(CIP_TRACE_SYSGOOD)
    package static let fork = TraceFlags(CIP_TRACE_FORK)
    package static let vfork = TraceFlags(CIP_TRACE_VFORK)
    package static let vforkDone = TraceFlags(CIP_TRACE_VFORK_DONE)
    package static let clone = TraceFlags(CIP_TRACE_CLONE)
    package static let exec = TraceFlags(CIP_TRACE_EXEC)
    package static let exit = TraceFlags(CIP_TRACE_EXIT)
    package static let seccomp = TraceFlags(CIP_TRACE_SECCOMP)
    /// Not a stop: the tracee is killed when the tracer ends.
    package static let exitKill = TraceFlags(CIP_TRACE_EXITKILL)
}

/// What wait4(2) says of a tracee.
package struct TraceStatus: Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package enum Meaning: Sendable {
        case exited(Int32)
        case killed(Int32, core: Bool)
        case signal(Int32)
        case systemCall
        case fork, vfork, clone, exec, vforkDone, exiting, seccomp
        /// The stop signal of a group stop, SIGTRAP for any other reason.
        case stop(Int32)
    }

    package var meaning: Meaning {
        if cip_wait_exited(rawValue) != 0 { return .exited(cip_wait_exit_status(rawValue)) }
        if cip_wait_signaled(rawValue) != 0 {
            return .killed(cip_wait_signal(rawValue), core: cip_trace_wait_core(rawValue) != 0)
        }
        let signal = cip_wait_stop_signal(rawValue)
        switch cip_wait_event(rawValue) {
        case 1: return .fork
        case 2: return .vfork
        case 3: return .clone
        case 4: return .exec
        case 5: return .vforkDone
        case 6: return .exiting
        case 7: return .seccomp
        case 128: return .stop(signal)
        default: return signal == SIGTRAP | 0x80 ? .systemCall : .signal(signal)
        }
    }

    package var isEnd: Bool { cip_wait_exited(rawValue) != 0 || cip_wait_signaled(rawValue) != 0 }

    /// What a status that PTRACE_EVENT_EXIT tells will be.
    package static func end(_ message: UInt) -> TraceStatus { TraceStatus(rawValue: CInt(truncatingIfNeeded: message)) }
}

/// A system call that a thread begins or ends.
package struct SystemCallStop: Sendable {
    package enum What: Sendable {
        case entry(number: UInt64, [UInt64])
        case exit(result: Int64, isError: Bool)
    }
    package var what: What
    package var architecture: UInt32
    package var instructionPointer: UInt64
    package var stackPointer: UInt64

    package init(what: What, architecture: UInt32, instructionPointer: UInt64, stackPointer: UInt64) {
        self.what = what
        self.architecture = architecture
        self.instructionPointer = instructionPointer
        self.stackPointer = stackPointer
    }
}

#if arch(x86_64)
    /// user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base
    /// gs_base ds es fs gs.
    package typealias RegisterWords = InlineArray<27, UInt64>
#elseif arch(arm64)
    /// user_pt_regs: x0 to x30, sp, pc, pstate.
    package typealias RegisterWords = InlineArray<34, UInt64>
#endif

/// A siginfo_t, opaque and as a value.
package struct SignalRecord: Sendable {
    var words = InlineArray<16, UInt64>(repeating: 0)

    package init() {}

    package struct Fields: Sendable {
        package var number, code, error, process, status, value, descriptor, call, timer: Int32
        package var user: UInt32
        package var address: UInt64
        package var band: Int64
    }

    package var fields: Fields {
        var words = words
        // SAFETY: a siginfo_t has 128 bytes, as this local.
        let raw = unsafe withUnsafeBytes(of: &words) { unsafe cip_signal_fields($0.baseAddress) }
        return Fields(
            number: raw.number, code: raw.code, error: raw.error, process: raw.process, status: raw.status,
            value: raw.value, descriptor: raw.descriptor, call: raw.call, timer: raw.timer,
            user: UInt32(bitPattern: raw.user), address: raw.address, band: raw.band)
    }
}

/// rt_tgsigqueueinfo(2); tgkill(2) where the kernel does not let this process make such a signal.
package func sysQueueThreadSignal(
    process: Int32, thread: Int32, _ signal: Int32, _ record: SignalRecord? = nil
) throws(Errno) {
    if var words = record?.words {
        do throws(Errno) {
            _ = try invoke("rt_tgsigqueueinfo") {
                // SAFETY: a siginfo_t of 128 bytes that the kernel copies.
                unsafe withUnsafeBytes(of: &words) {
                    unsafe cip_trace_queue_signal(process, thread, signal, $0.baseAddress)
                }
            }
            return
        } catch  where error == .notPermitted {}
    }
    _ = try invoke("tgkill") { cip_tgkill(process, thread, signal) }
}
