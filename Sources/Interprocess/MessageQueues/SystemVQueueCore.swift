// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What a handle and those who wait on it share.
final class SystemVQueueCore: Sendable {
    let id: Int32
    let subject: String
    let stash = SystemVStash()
    let waiting: SystemVWaiting

    private let roomHint = Atomic<Int>(0)

    init(id: Int32, subject: String) {
        self.id = id
        self.subject = subject
        waiting = SystemVWaiting(id: id, subject: subject, stash)
    }

    // MARK: Sending

    @inline(__always)
    func trySend(_ bytes: Span<UInt8>, type: Int) throws(IPCError) -> Bool {
        do throws(Errno) {
            try sysMessageSend(id, type: type, bytes, noWait: true)
            return true
        } catch  where error == .wouldBlock {
            return false
        } catch {
            throw sendFailure(error, type: type, size: bytes.count)
        }
    }

    // MARK: Receiving

    /// Nil only if not to wait.
    func receive(
        into buffer: inout OutputSpan<UInt8>, _ selection: SystemVMessageQueue.Selection,
        _ overlong: SystemVMessageQueue.Overlong, noWait: Bool, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SystemVMessageQueue.Receipt? {
        try check(selection)
        if !stash.isEmpty, let message = try unstash(selection) {
            return append(message, to: &buffer)
        }
        let flags = noWait ? selection.flags.union(.noWait) : selection.flags
        do throws(Errno) {
            return SystemVMessageQueue.Receipt(
                try sysMessageReceive(
                    id, into: &buffer, type: selection.type, flags: flags, retryOnInterrupt: retryOnInterrupt))
        } catch  where error == .noMessage {
            return nil
        } catch  where error == .argListTooLong && overlong == .truncate {
            // Received whole and cut here: the kernel's own MSG_NOERROR does not tell that it cut.
            return try receive(selection, noWait: noWait, retryOnInterrupt: retryOnInterrupt)
                .map { append($0, to: &buffer) }
        } catch {
            throw receiveFailure(error, selection, room: buffer.freeCapacity)
        }
    }

    func receive(
        _ selection: SystemVMessageQueue.Selection, noWait: Bool, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SystemVMessageQueue.Message? {
        try check(selection)
        if !stash.isEmpty, let message = try unstash(selection) { return message }
        let flags = noWait ? selection.flags.union(.noWait) : selection.flags
        var room = room
        while true {
            do throws(Errno) {
                let (received, bytes) = try sysMessageReceiveArray(
                    id, room: room, type: selection.type, flags: flags, retryOnInterrupt: retryOnInterrupt)
                return SystemVMessageQueue.Message(type: received.type, bytes: bytes)
            } catch  where error == .argListTooLong {
                room = enlarge(room)
            } catch  where error == .noMessage {
                return nil
            } catch {
                throw receiveFailure(error, selection, room: room)
            }
        }
    }

    func check(_ selection: SystemVMessageQueue.Selection) throws(IPCError) {
        if selection.isValid { return }
        throw IPCError(
            code: .invalidArgument, call: "msgrcv", subject: subject, hint: "\(selection): a type is 1 or more")
    }

    private func append(
        _ message: SystemVMessageQueue.Message, to buffer: inout OutputSpan<UInt8>
    ) -> SystemVMessageQueue.Receipt {
        let count = min(buffer.freeCapacity, message.bytes.count)
        for index in 0..<count { buffer.append(message.bytes[index]) }
        return SystemVMessageQueue.Receipt(type: message.type, count: count, lostCount: message.bytes.count - count)
    }

    /// A message that was taken by waiting for it; but not if the queue has one that comes first.
    private func unstash(
        _ selection: SystemVMessageQueue.Selection
    ) throws(IPCError) -> SystemVMessageQueue.Message? {
        guard let type = stash.take(selection) else { return nil }
        if case .lowestUpTo = selection, type > 1 {
            let lower: (received: SystemVReceived, bytes: [UInt8])?
            do throws(Errno) {
                lower = try sysMessageReceiveArray(id, room: room, type: -(type - 1), flags: .noWait)
            } catch {
                lower = nil
            }
            if let lower {
                stash.put(type)
                return SystemVMessageQueue.Message(type: lower.received.type, bytes: lower.bytes)
            }
        }
        return SystemVMessageQueue.Message(type: type, bytes: [])
    }

    // MARK: How much room a message may need

    /// `kernel.msgmax`, or more if there was a longer message.
    var room: Int {
        let known = roomHint.load(ordering: .relaxed)
        if known > 0 { return known }
        let fresh = KernelLimit.value("kernel/msgmax") ?? 8192
        roomHint.store(fresh, ordering: .relaxed)
        return fresh
    }

    /// The limit may have been higher when the message was sent, or be higher by now.
    func enlarge(_ room: Int) -> Int {
        let larger = max(room * 2, 1024)
        roomHint.store(larger, ordering: .relaxed)
        return larger
    }

    // MARK: The end

    /// Ends all waits; what waiting has taken goes back to the queue.
    func end() throws(IPCError) {
        waiting.end()
        if let error = stash.giveBack(to: id) { throw sendFailure(error, type: 1, size: 0) }
    }
}

/// Messages without bytes that were taken by waiting for them, by their types; the oldest first.
final class SystemVStash: Sendable {
    private let types = Mutex<[Int]>([])
    private let count = Atomic<Int>(0)

    /// One load: what every receive pays.
    var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }

    func put(_ type: Int) {
        types.withLock { types in
            types.insert(type, at: 0)
            count.store(types.count, ordering: .releasing)
        }
    }

    func add(_ type: Int) {
        types.withLock { types in
            types.append(type)
            count.store(types.count, ordering: .releasing)
        }
    }

    func holds(_ selection: SystemVMessageQueue.Selection) -> Bool {
        !isEmpty && types.withLock { $0.contains(where: selection.matches) }
    }

    /// Sends all of it, oldest first, to the queue; what has no room there stays.
    @discardableResult
    func giveBack(to id: Int32) -> Errno? {
        while let type = take(.any) {
            do throws(Errno) { try sysMessageSend(id, type: type, [UInt8]().span, noWait: true) } catch {
                // With the queue gone there is nothing that anybody could receive.
                if error == .identifierRemoved || error == .invalidArgument { continue }
                put(type)
                return error
            }
        }
        return nil
    }

    func take(_ selection: SystemVMessageQueue.Selection) -> Int? {
        types.withLock { types in
            let found =
                if case .lowestUpTo = selection {
                    types.indices.filter { selection.matches(types[$0]) }.min { types[$0] < types[$1] }
                } else {
                    types.firstIndex(where: selection.matches)
                }
            guard let found else { return nil }
            let type = types.remove(at: found)
            count.store(types.count, ordering: .releasing)
            return type
        }
    }
}
