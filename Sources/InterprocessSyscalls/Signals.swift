// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage

/// What a process learns of one signal.
package struct SignalInformation: Sendable, Hashable {
    package var signal: Int32
    /// SI_USER and the like, as they were when the signal was sent.
    package var code: Int32
    package var process: Int32
    package var user: UInt32
    package var value: Int32
    /// Of SIGCHLD: how the child ended or which signal changed it.
    package var status: Int32
    /// Of SIGIO: which events.
    package var band: Int

    init(_ raw: inout siginfo_t, code: Int32) {
        // SAFETY: these read fields of a local; which of them mean something the code says.
        signal = unsafe raw.si_signo
        self.code = code
        process = unsafe cip_info_pid(&raw)
        user = unsafe cip_info_uid(&raw)
        value = unsafe cip_info_value(&raw)
        status = unsafe cip_info_status(&raw)
        band = unsafe cip_info_band(&raw)
    }

    init(_ raw: signalfd_siginfo) {
        signal = Int32(raw.ssi_signo)
        code = raw.ssi_code
        process = Int32(bitPattern: raw.ssi_pid)
        user = raw.ssi_uid
        value = raw.ssi_int
        status = raw.ssi_status
        band = Int(raw.ssi_band)
    }
}

// MARK: Masks

/// Signals as bits, signal 1 the lowest: the form in which the kernel has them. No bit for what is no signal.
package func sysSignalBit(_ signal: Int32) -> UInt64 {
    signal >= 1 && signal <= 64 ? 1 << UInt64(signal - 1) : 0
}

/// pthread_sigmask(3): blocks these in the calling thread; returns the mask before.
@discardableResult
package func sysBlockSignals(_ bits: UInt64) -> UInt64 { cip_change_mask(SIG_BLOCK, bits) }

/// pthread_sigmask(3): unblocks these in the calling thread; returns the mask before.
@discardableResult
package func sysUnblockSignals(_ bits: UInt64) -> UInt64 { cip_change_mask(SIG_UNBLOCK, bits) }

/// pthread_sigmask(3): sets the mask of the calling thread.
package func sysSetSignalMask(_ bits: UInt64) { _ = cip_change_mask(SIG_SETMASK, bits) }

/// The mask of the calling thread.
package func sysSignalMask() -> UInt64 { cip_change_mask(SIG_BLOCK, 0) }

/// sigpending(2): what waits for the calling thread or the process.
package func sysPendingSignals() -> UInt64 { cip_pending() }

// MARK: Taking

/// signalfd(2), close-on-exec. With `replacing`, another set for a descriptor that there is.
package func sysSignalDescriptor(
    _ bits: UInt64, nonBlocking: Bool = false, flags: CInt = 0, replacing old: CInt = -1
) throws(Errno) -> CInt {
    let flags = flags | CInt(SFD_CLOEXEC) | (nonBlocking ? CInt(SFD_NONBLOCK) : 0)
    return try invoke("signalfd") { cip_signal_descriptor(old, bits, flags) }
}

/// read(2) of one signal from a signalfd; nil if none is there.
package func sysReadSignal(_ descriptor: CInt) throws(Errno) -> SignalInformation? {
    var raw = signalfd_siginfo()
    do throws(Errno) {
        _ = try invoke("read") {
            // SAFETY: the kernel writes whole structures of this size only.
            unsafe withUnsafeMutableBytes(of: &raw) { unsafe read(descriptor, $0.baseAddress, $0.count) }
        }
    } catch  where error == .wouldBlock {
        return nil
    }
    return SignalInformation(raw)
}

/// sigtimedwait(2): takes one of these signals, pending for the calling thread or the process; they must be blocked.
///
/// - Parameter nanoseconds: how long to wait; nil for ever. Throws `.resourceTemporarilyUnavailable` after it.
package func sysWaitSignal(
    _ bits: UInt64, nanoseconds: UInt64?, retryOnInterrupt: Bool = false
) throws(Errno) -> SignalInformation {
    // SAFETY: zeros are a valid value of it.
    var raw = unsafe siginfo_t()
    var time = timespecOf(nanoseconds: nanoseconds ?? 0)
    _ = try invoke(nanoseconds == nil ? "sigwaitinfo" : "sigtimedwait", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: both are locals that live through the call.
        unsafe withUnsafePointer(to: &time) {
            unsafe cip_wait_signal_info(bits, &raw, nanoseconds == nil ? nil : $0)
        }
    }
    // SAFETY: the call has filled it.
    return unsafe SignalInformation(&raw, code: raw.si_code)
}

// MARK: Sending

/// rt_sigqueueinfo(2) as sigqueue(3) makes it. Only for a process that cannot have been reaped meanwhile: oneself.
package func sysQueueSignal(_ process: pid_t, _ signal: CInt, value: Int32) throws(Errno) {
    // SAFETY: a local that the calls fill and read.
    var info = unsafe siginfo_t()
    unsafe cip_make_info(&info, signal, CInt(SI_QUEUE), value)
    _ = try invoke("rt_sigqueueinfo") { unsafe cip_queue_signal(process, signal, &info) }
}

/// rt_tgsigqueueinfo(2): to a thread of a process.
package func sysQueueThreadSignal(_ process: pid_t, _ thread: pid_t, _ signal: CInt, value: Int32) throws(Errno) {
    // SAFETY: a local that the calls fill and read.
    var info = unsafe siginfo_t()
    unsafe cip_make_info(&info, signal, CInt(SI_QUEUE), value)
    _ = try invoke("rt_tgsigqueueinfo") { unsafe cip_queue_thread_signal(process, thread, signal, &info) }
}

/// tgkill(2) to a thread of any process.
package func sysSignalThread(_ process: pid_t, _ thread: pid_t, _ signal: CInt) throws(Errno) {
    _ = try invoke("tgkill") { cip_tgkill(process, thread, signal) }
}

/// What of the process behind a descriptor gets the signal; other than `.own` since Linux 6.9.
package enum SignalScope: UInt32, Sendable {
    /// The process, or the thread if the descriptor is that of a thread.
    case own = 0
    case thread = 1
    case process = 2
    case group = 4
}

/// pidfd_send_signal(2), with a value as sigqueue(3) sends it, or without as kill(2).
package func sysSignalProcess(
    _ descriptor: CInt, _ signal: CInt, value: Int32?, scope: SignalScope = .own
) throws(Errno) {
    // SAFETY: a local that the calls fill and read.
    var info = unsafe siginfo_t()
    if let value { unsafe cip_make_info(&info, signal, CInt(SI_QUEUE), value) }
    _ = try invoke("pidfd_send_signal") {
        unsafe withUnsafeMutablePointer(to: &info) {
            unsafe cip_pidfd_queue_signal(descriptor, signal, value == nil ? nil : $0, scope.rawValue)
        }
    }
}

/// The first real-time signal that the C library leaves to programs, and the last.
package func sysRealtimeSignals() -> ClosedRange<Int32> { 34...cip_realtime_signal(0) }

/// The number of rt_sigsuspend(2), as `/proc/…/syscall` shows it.
package let sysSuspendNumber = Int(SYS_rt_sigsuspend)
