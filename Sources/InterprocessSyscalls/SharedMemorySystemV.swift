// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// shmdt(2).
///
/// - Safety: nothing may use the segment at this address any more.
@unsafe
package func sysDetachSegment(_ base: UnsafeMutableRawPointer) throws(Errno) {
    // SAFETY: the caller promises it.
    _ = try invoke("shmdt") { unsafe shmdt(base) }
}
