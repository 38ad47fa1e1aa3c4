// SPDX-License-Identifier: Apache-2.0
// The two handlers of this package. Their state lives in this file's object: nothing else may use these shims.
package import CInterprocess
package import SystemPackage

package enum SignalHandling: Sendable, Equatable {
    case standard, ignored
    /// Somebody else's handler.
    case foreign
    /// Passes the signal on to the thread that takes signals.
    case forwarding
    /// Changes the mask of the thread in which it runs.
    case masking
}

/// sigaction(2): what happens to a signal now.
package func sysSignalHandling(_ signal: CInt) throws(Errno) -> SignalHandling {
    switch try invoke("sigaction", { cip_handling(signal) }) {
    case 0: .standard
    case 1: .ignored
    case 3: .forwarding
    case 4: .masking
    default: .foreign
    }
}

/// sigaction(2). `.foreign` cannot be set.
package func sysSetSignalHandling(_ signal: CInt, _ handling: SignalHandling) throws(Errno) {
    let kind: CInt =
        switch handling {
        case .standard: 0
        case .ignored: 1
        case .forwarding: 3
        case .masking: 4
        case .foreign: preconditionFailure("a handler of somebody else's cannot be set")
        }
    _ = try invoke("sigaction") { cip_set_handling(signal, kind) }
}

/// To which thread of this process the forwarding handler passes signals, the secret that they bear, and as what.
package func sysForwardSignals(toThread thread: Int32, secret: Int32, carrier: CInt) {
    cip_set_forwarding(thread, secret, carrier)
}

/// How many signals the handler could not pass on, because RLIMIT_SIGPENDING was reached at that moment.
package func sysSignalsLost() -> Int { Int(cip_forwarding_lost()) }

/// Asks a thread of this process to change its mask, by a signal whose handler is the masking one.
package func sysAskForMask(_ thread: pid_t, carrier: CInt, _ bits: UInt64, block: Bool) throws(Errno) {
    _ = try invoke("rt_tgsigqueueinfo") { cip_ask_for_mask(thread, carrier, bits, block ? 1 : 0) }
}

/// read(2) of the thread that takes signals, from a signalfd that waits: what was passed on is as it was sent.
package func sysTakeSignal(_ descriptor: CInt) throws(Errno) -> (signal: SignalInformation, wasPassedOn: Bool) {
    var raw = signalfd_siginfo()
    _ = try invoke("read", retryOnInterrupt: false) {
        // SAFETY: the kernel writes whole structures of this size only.
        unsafe withUnsafeMutableBytes(of: &raw) { unsafe read(descriptor, $0.baseAddress, $0.count) }
    }
    var code: CInt = 0
    // SAFETY: a local.
    let number = unsafe cip_passed_on(raw.ssi_code, raw.ssi_errno, &code)
    if number != 0 {
        raw.ssi_signo = UInt32(number)
        raw.ssi_code = code
        // It looks like a queued signal to the kernel; in siginfo_t a child's status lies where the value does.
        raw.ssi_status = raw.ssi_int
    }
    return (SignalInformation(raw), number != 0)
}
