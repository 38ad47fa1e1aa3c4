// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// A process that makes the calls of ptrace(2) in the name of this one, one at a time, and takes the breakpoints out when
/// this one dies. Used by one thread.
@safe package final class TraceGuardian: @unchecked Sendable {
    package let process: Int32
    private let socket: CInt
    private let notes: UnsafeMutablePointer<cip_guardian_note>
    private static let capacity = 4096

    package init() throws(Errno) {
        var pair: (CInt, CInt) = (-1, -1)
        _ = try invoke("socketpair") {
            // SAFETY: the call fills two integers, which is what the tuple is.
            unsafe withUnsafeMutableBytes(of: &pair) {
                unsafe cip_guardian_socket_pair($0.bindMemory(to: CInt.self).baseAddress)
            }
        }
        // SAFETY: freed in deinit, or below where there is no guardian.
        guard let memory = unsafe cip_guardian_notes(CInt(Self.capacity)) else {
            try? sysClose(pair.0)
            try? sysClose(pair.1)
            throw .noMemory
        }
        do throws(Errno) {
            // SAFETY: the notes are `capacity` entries; the child has its own view of the same memory.
            process = try invoke("clone") { unsafe cip_guardian_start(pair.1, memory, CInt(Self.capacity)) }
        } catch {
            try? sysClose(pair.0)
            try? sysClose(pair.1)
            unsafe cip_guardian_free_notes(memory, CInt(Self.capacity))
            throw error
        }
        try? sysClose(pair.1)
        socket = pair.0
        // SAFETY: see above.
        unsafe notes = memory
    }

    /// The guardian sees the end of the connection, lets go of whatever is left, and ends.
    deinit {
        try? sysClose(socket)
        _ = cip_guardian_bury(process)
        // SAFETY: nobody writes there any more.
        unsafe cip_guardian_free_notes(notes, CInt(Self.capacity))
    }

    /// Writes down that a breakpoint is set, before it is, or that it is no more, after it is not.
    package func note(_ process: Int32, _ address: UInt64, _ word: UInt64, isSet: Bool) throws(Errno) {
        // SAFETY: `capacity` entries; the guardian reads them when this process can write no more.
        if unsafe cip_guardian_set_note(notes, CInt(Self.capacity), process, address, word, isSet ? 1 : 0) == 0 {
            throw .noSpace
        }
    }

    // MARK: Calls

    private var headerCount: Int { MemoryLayout<cip_guardian_message>.offset(of: \.payload) ?? 56 }

    private func send(_ message: inout cip_guardian_message, payload count: Int = 0) throws(Errno) {
        _ = try invoke("sendto") {
            // SAFETY: no more than the message is read.
            unsafe CInterprocess.send(socket, &message, headerCount + count, CInt(MSG_NOSIGNAL))
        }
    }

    /// - Returns: false if a signal came first.
    private func receive(_ message: inout cip_guardian_message, retryOnInterrupt: Bool) throws(Errno) -> Bool {
        do throws(Errno) {
            let count = try invoke("recvfrom", retryOnInterrupt: retryOnInterrupt) {
                // SAFETY: no more than the message is written.
                unsafe recv(socket, &message, MemoryLayout<cip_guardian_message>.size, 0)
            }
            // The guardian was killed: the kernel has let everybody go.
            if count == 0 { throw Errno.noChildProcess }
            return true
        } catch  where error == .interrupted && !retryOnInterrupt {
            return false
        }
    }

    private func call(
        _ kind: Int, _ request: Int, _ thread: Int32, _ address: UInt, _ data: UInt = 0,
        _ bytes: UnsafeMutableRawBufferPointer? = nil
    ) throws(Errno) -> Int {
        var message = cip_guardian_message()
        message.kind = Int32(kind)
        message.request = Int32(request)
        message.thread = thread
        message.address = UInt64(address)
        message.data = UInt64(data)
        if let bytes = unsafe bytes {
            message.count = UInt32(bytes.count)
            // SAFETY: both are memory of at least that many bytes: no request has more than 512.
            unsafe withUnsafeMutableBytes(of: &message.payload) {
                unsafe $0.copyMemory(from: UnsafeRawBufferPointer(bytes))
            }
        }
        try send(&message, payload: Int(message.count))
        _ = try receive(&message, retryOnInterrupt: true)
        if message.result < 0 { throw Errno(rawValue: message.error) }
        if let bytes = unsafe bytes {
            // SAFETY: as above.
            unsafe withUnsafeBytes(of: &message.payload) {
                unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<bytes.count]))
            }
        }
        return Int(message.result)
    }

    func plain(_ request: Int, _ thread: Int32, _ address: UInt, _ data: UInt) throws(Errno) {
        // SAFETY: no memory goes with it.
        _ = try unsafe call(CIP_GUARDIAN_PLAIN, request, thread, address, data)
    }

    func exchange(
        _ request: Int, _ thread: Int32, _ address: UInt, _ bytes: UnsafeMutableRawBufferPointer
    ) throws(Errno) {
        // SAFETY: the caller's memory lives through the call.
        _ = try unsafe call(CIP_GUARDIAN_EXCHANGE, request, thread, address, 0, bytes)
    }

    func registerSet(
        _ request: Int, _ thread: Int32, _ set: UInt, _ bytes: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        // SAFETY: as above.
        try unsafe call(CIP_GUARDIAN_SET, request, thread, set, 0, bytes)
    }

    func wait(_ thread: Int32, blocking: Bool) throws(Errno) -> (thread: Int32, status: TraceStatus)? {
        var message = cip_guardian_message()
        message.kind = Int32(blocking ? CIP_GUARDIAN_WAIT : CIP_GUARDIAN_TRY_WAIT)
        message.thread = thread
        try send(&message)
        if try !receive(&message, retryOnInterrupt: !blocking) {
            // Called off; if the event was quicker, the guardian finds nothing to call off.
            var end = cip_guardian_message()
            try send(&end)
            _ = try receive(&message, retryOnInterrupt: true)
        }
        if message.result < 0 { throw Errno(rawValue: message.error) }
        let status = TraceStatus(rawValue: CInt(bitPattern: message.status))
        return message.result == 0 ? nil : (Int32(message.result), status)
    }
}
