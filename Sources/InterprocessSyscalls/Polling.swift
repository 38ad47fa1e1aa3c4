// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

// MARK: epoll

/// epoll_create1(2).
package func sysEpollCreate() throws(Errno) -> CInt {
    try invoke("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) }
}

/// What epoll reports and is asked for.
package struct EpollEvents: OptionSet, Sendable {
    package var rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = EpollEvents(rawValue: EPOLLIN.rawValue)
    package static let writable = EpollEvents(rawValue: EPOLLOUT.rawValue)
    package static let priority = EpollEvents(rawValue: EPOLLPRI.rawValue)
    package static let peerClosed = EpollEvents(rawValue: EPOLLRDHUP.rawValue)
    package static let hangUp = EpollEvents(rawValue: EPOLLHUP.rawValue)
    package static let error = EpollEvents(rawValue: EPOLLERR.rawValue)
    package static let edgeTriggered = EpollEvents(rawValue: cip_epoll_edge_triggered())

    // The operations that every wait needs, on numbers. Those that OptionSet brings are generic, and a literal such as
    // `[.readable, .error]` makes an array first: together some hundred instructions, and an allocation, a wait.

    package func union(_ other: EpollEvents) -> EpollEvents { EpollEvents(rawValue: rawValue | other.rawValue) }

    package func subtracting(_ other: EpollEvents) -> EpollEvents { EpollEvents(rawValue: rawValue & ~other.rawValue) }

    package func isSuperset(of other: EpollEvents) -> Bool { rawValue & other.rawValue == other.rawValue }

    package func contains(_ other: EpollEvents) -> Bool { rawValue & other.rawValue == other.rawValue }

    package func isDisjoint(with other: EpollEvents) -> Bool { rawValue & other.rawValue == 0 }
}

package enum EpollOperation: Sendable {
    case add, modify, delete
}

/// epoll_ctl(2).
package func sysEpollControl(
    _ epoll: CInt, _ operation: EpollOperation, _ descriptor: CInt, _ events: EpollEvents = [], token: UInt64 = 0
) throws(Errno) {
    // SAFETY: the union's member that this file writes is the one that it reads.
    var event = unsafe epoll_event()
    unsafe event.events = events.rawValue
    unsafe event.data.u64 = token
    let code =
        switch operation {
        case .add: EPOLL_CTL_ADD
        case .modify: EPOLL_CTL_MOD
        case .delete: EPOLL_CTL_DEL
        }
    _ = try invoke("epoll_ctl") {
        // SAFETY: `event` is a local that the kernel copies.
        unsafe epoll_ctl(epoll, code, descriptor, &event)
    }
}

/// The memory that epoll_wait(2) fills; belongs to one thread.
@safe package struct EpollBuffer: ~Copyable {
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var count = 0
    /// epoll_pwait2(2) came with Linux 5.11; before it, milliseconds must do.
    private var hasNanoseconds = true

    package init(capacity: Int) {
        // SAFETY: freed in deinit and nowhere else.
        unsafe events = .allocate(capacity: capacity)
        unsafe events.initialize(repeating: unsafe epoll_event())
    }

    // SAFETY: the one owner frees what it allocated.
    deinit { unsafe events.deallocate() }

    /// Waits for events; nil waits for ever.
    package mutating func wait(_ epoll: CInt, nanoseconds: UInt64?) throws(Errno) {
        count = 0
        if hasNanoseconds {
            do throws(Errno) {
                count = Int(try waitNanoseconds(epoll, nanoseconds))
                return
            } catch  where error == .noFunction || error == .notPermitted {
                hasNanoseconds = false
            }
        }
        // Rounded up: waking early would make the caller spin.
        let milliseconds = nanoseconds.map { CInt(clamping: ($0 &+ 999_999) / 1_000_000) } ?? -1
        count = Int(
            try invoke("epoll_wait", retryOnInterrupt: false) {
                // SAFETY: the buffer holds `count` events and lives through the call.
                unsafe epoll_wait(epoll, events.baseAddress, CInt(events.count), milliseconds)
            })
    }

    private func waitNanoseconds(_ epoll: CInt, _ nanoseconds: UInt64?) throws(Errno) -> CInt {
        var time = timespecOf(nanoseconds: nanoseconds ?? 0)
        return try invoke("epoll_pwait2", retryOnInterrupt: false) {
            // SAFETY: the buffer holds `count` events; `time` is a local; both live through the call.
            unsafe withUnsafePointer(to: &time) {
                unsafe cip_epoll_pwait2(
                    epoll, events.baseAddress, CInt(events.count), nanoseconds == nil ? nil : $0)
            }
        }
    }

    package var indices: Range<Int> { 0..<count }

    package subscript(index: Int) -> (token: UInt64, events: EpollEvents) {
        precondition(indices.contains(index))
        // SAFETY: checked above; the kernel filled this entry.
        let event = unsafe events[index]
        return unsafe (event.data.u64, EpollEvents(rawValue: event.events))
    }
}

// MARK: poll

/// ppoll(2) for one descriptor: what is so, empty if the time ran out first. `nil` waits for ever.
package func sysPoll(
    _ descriptor: CInt, for events: EpollEvents, nanoseconds: UInt64?, retryOnInterrupt: Bool = false
) throws(Errno) -> EpollEvents {
    var request = pollfd(fd: descriptor, events: CShort(truncatingIfNeeded: events.rawValue), revents: 0)
    var time = timespecOf(nanoseconds: nanoseconds ?? 0)
    _ = try invoke("ppoll", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: both are locals that live through the call.
        unsafe withUnsafePointer(to: &time) { unsafe cip_ppoll(&request, 1, nanoseconds == nil ? nil : $0) }
    }
    return EpollEvents(rawValue: UInt32(UInt16(bitPattern: request.revents)))
}

/// POLLNVAL: the descriptor is not open.
package let pollInvalid = EpollEvents(rawValue: UInt32(POLLNVAL))

// MARK: eventfd

/// eventfd(2), close-on-exec always.
package func sysEventCounter(
    initial: UInt32 = 0, nonBlocking: Bool = true, semaphore: Bool = false
) throws(Errno) -> CInt {
    var flags = CInt(EFD_CLOEXEC)
    if nonBlocking { flags |= CInt(EFD_NONBLOCK) }
    if semaphore { flags |= CInt(EFD_SEMAPHORE) }
    return try invoke("eventfd") { eventfd(initial, flags) }
}

/// write(2) of eight bytes to an eventfd.
package func sysEventCounterAdd(
    _ descriptor: CInt, _ value: UInt64, retryOnInterrupt: Bool = true
) throws(Errno) {
    _ = try invoke("write", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: eight bytes of a local.
        unsafe withUnsafeBytes(of: value) { unsafe write(descriptor, $0.baseAddress, 8) }
    }
}

/// read(2) of eight bytes from an eventfd.
package func sysEventCounterTake(_ descriptor: CInt, retryOnInterrupt: Bool = true) throws(Errno) -> UInt64 {
    var value: UInt64 = 0
    _ = try invoke("read", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: eight bytes of a local.
        unsafe withUnsafeMutableBytes(of: &value) { unsafe read(descriptor, $0.baseAddress, 8) }
    }
    return value
}
