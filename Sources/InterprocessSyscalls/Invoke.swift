// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// The funnel through which every system call of this package goes.
///
/// One rule for EINTR: a call that a signal handler interrupted is made again, unless the caller asks
/// to see the interruption (`retryOnInterrupt: false`). `close` and calls with a relative time limit
/// are the exceptions and say so.
///
/// - Parameters:
///   - name: the call as its manual page spells it; the fault seam and errors know it by this name.
///   - retryOnInterrupt: whether an EINTR starts the call again.
///   - body: the call; a negative result means that `errno` tells why.
@inline(__always)
package func invoke<Result: SignedInteger>(
    _ name: StaticString, retryOnInterrupt: Bool = true, _ body: () -> Result
) throws(Errno) -> Result {
    while true {
        #if DEBUG
            if let injected = Faults.next(name) {
                if injected == .interrupted && retryOnInterrupt { continue }
                throw injected
            }
        #endif
        let result = body()
        if result >= 0 { return result }
        let error = Errno(rawValue: cip_errno())
        if error == .interrupted && retryOnInterrupt { continue }
        throw error
    }
}

/// Like ``invoke(_:retryOnInterrupt:_:)`` for calls whose result is the error number itself (the pthread family).
@inline(__always)
package func invokeReturningErrno(_ name: StaticString, _ body: () -> CInt) throws(Errno) {
    #if DEBUG
        if let injected = Faults.next(name) { throw injected }
    #endif
    let result = body()
    if result != 0 { throw Errno(rawValue: result) }
}
