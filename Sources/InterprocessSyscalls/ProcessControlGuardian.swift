// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

package final class TraceGuardian: Sendable {
    package init() throws(Errno) { throw .noFunction }
    package func note(_ process: Int32, _ address: UInt64, _ word: UInt64, isSet: Bool) {}
    func plain(_ request: Int, _ thread: Int32, _ address: UInt, _ data: UInt) throws(Errno) { throw .noFunction }
    func exchange(_ request: Int, _ thread: Int32, _ address: UInt, _ bytes: UnsafeMutableRawBufferPointer)
        throws(Errno)
    {
        throw .noFunction
    }
    func registerSet(_ request: Int, _ thread: Int32, _ set: UInt, _ bytes: UnsafeMutableRawBufferPointer) throws(Errno)
        -> Int
    {
        throw .noFunction
    }
    func wait(_ thread: Int32, blocking: Bool) throws(Errno) -> (thread: Int32, status: TraceStatus)? {
        throw .noFunction
    }
}
