// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

// MARK: Sending

extension MessageQueue {
    /// Sends a message; waits while the queue is full.
    ///
    /// - Parameters:
    ///   - bytes: the message, up to ``Limits/messageSizeBytes``; none is a message too.
    ///   - priority: 0 to 32767; the highest is received first.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/messageTooLarge`` (EMSGSIZE); ``IPCError/Code/invalidArgument`` for a priority out of
    ///   range; ``IPCError/Code/badDescriptor`` for a handle opened to receive only; ``IPCError/Code/interrupted``.
    ///
    /// Blocking: the thread, while the queue is full. Nothing is allocated.
    ///
    /// The corresponding C function is `mq_send(3)`.
    public func send(_ bytes: Span<UInt8>, priority: UInt32 = 0, retryOnInterrupt: Bool = true) throws(IPCError) {
        do throws(Errno) {
            try sysMessageQueueSend(
                descriptor.rawValue, bytes, priority: priority, retryOnInterrupt: retryOnInterrupt)
        } catch {
            throw sendFailure(error, "mq_send", size: bytes.count, priority: priority)
        }
    }

    /// Sends a message if there is room.
    ///
    /// - Returns: false if the queue is full.
    /// - Throws: as ``send(_:priority:retryOnInterrupt:)-(Span<UInt8>,_,_)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `mq_timedsend(3)` with a time that has passed.
    public func trySend(_ bytes: Span<UInt8>, priority: UInt32 = 0) throws(IPCError) -> Bool {
        do throws(Errno) {
            try sysMessageQueueSend(descriptor.rawValue, bytes, priority: priority, until: .past)
            return true
        } catch  where error == .timedOut || error == .wouldBlock {
            return false
        } catch {
            throw sendFailure(error, "mq_timedsend", size: bytes.count, priority: priority)
        }
    }

    /// Sends a message; waits until `deadline` while the queue is full.
    ///
    /// The deadline is monotonic: setting the wall clock, on which `mq_timedsend(3)` counts, changes nothing.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; as ``send(_:priority:retryOnInterrupt:)-(Span<UInt8>,_,_)``.
    ///
    /// The corresponding C functions are `mq_timedsend(3)` and `ppoll(2)`.
    public func send(
        _ bytes: Span<UInt8>, priority: UInt32 = 0, until deadline: Deadline, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        while try !trySend(bytes, priority: priority) {
            guard try descriptor.wait(for: .writable, until: deadline, retryOnInterrupt: retryOnInterrupt) else {
                throw late("mq_timedsend", full: true)
            }
        }
    }

    /// ``send(_:priority:retryOnInterrupt:)-(Span<UInt8>,_,_)`` of an array.
    public func send(_ bytes: [UInt8], priority: UInt32 = 0, retryOnInterrupt: Bool = true) throws(IPCError) {
        try send(bytes.span, priority: priority, retryOnInterrupt: retryOnInterrupt)
    }

    /// ``trySend(_:priority:)-(Span<UInt8>,_)`` of an array.
    public func trySend(_ bytes: [UInt8], priority: UInt32 = 0) throws(IPCError) -> Bool {
        try trySend(bytes.span, priority: priority)
    }

    /// ``send(_:priority:until:retryOnInterrupt:)`` of an array.
    public func send(
        _ bytes: [UInt8], priority: UInt32 = 0, until deadline: Deadline, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        try send(bytes.span, priority: priority, until: deadline, retryOnInterrupt: retryOnInterrupt)
    }
}

// MARK: Receiving

extension MessageQueue {
    /// Receives the oldest message of the highest priority; waits while the queue is empty.
    ///
    /// - Parameters:
    ///   - buffer: the message is appended; the free room must be ``Limits/messageSizeBytes`` at least,
    ///     however long the message is.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: how many bytes came, and the priority.
    /// - Throws: ``IPCError/Code/messageTooLarge`` (EMSGSIZE) if the room is too small, and nothing is taken;
    ///   ``IPCError/Code/badDescriptor`` for a handle opened to send only; ``IPCError/Code/interrupted``.
    ///
    /// Blocking: the thread, while the queue is empty. Nothing is allocated.
    ///
    /// The corresponding C function is `mq_receive(3)`.
    public func receive(into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) -> Receipt
    {
        do throws(Errno) {
            return Receipt(
                try sysMessageQueueReceive(descriptor.rawValue, into: &buffer, retryOnInterrupt: retryOnInterrupt))
        } catch {
            throw receiveFailure(error, "mq_receive", room: buffer.freeCapacity)
        }
    }

    /// Receives a message if there is one.
    ///
    /// - Returns: nil if the queue is empty.
    /// - Throws: as ``receive(into:retryOnInterrupt:)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `mq_timedreceive(3)` with a time that has passed.
    public func tryReceive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Receipt? {
        do throws(Errno) {
            return Receipt(try sysMessageQueueReceive(descriptor.rawValue, into: &buffer, until: .past))
        } catch  where error == .timedOut || error == .wouldBlock {
            return nil
        } catch {
            throw receiveFailure(error, "mq_timedreceive", room: buffer.freeCapacity)
        }
    }

    /// Receives a message; waits until `deadline` while the queue is empty. A message that is there is
    /// received even if the deadline has passed.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; as ``receive(into:retryOnInterrupt:)``.
    ///
    /// The corresponding C functions are `mq_timedreceive(3)` and `ppoll(2)`.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> Receipt {
        while true {
            if let receipt = try tryReceive(into: &buffer) { return receipt }
            guard try descriptor.wait(for: .readable, until: deadline, retryOnInterrupt: retryOnInterrupt) else {
                throw late("mq_timedreceive", full: false)
            }
        }
    }

    /// ``receive(into:retryOnInterrupt:)`` into a new array.
    public func receive(retryOnInterrupt: Bool = true) throws(IPCError) -> Message {
        var priority: UInt32 = 0
        let bytes = try [UInt8](capacity: limits.messageSizeBytes) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            priority = try receive(into: &free, retryOnInterrupt: retryOnInterrupt).priority
        }
        return Message(bytes: bytes, priority: priority)
    }

    /// ``tryReceive(into:)`` into a new array.
    public func tryReceive() throws(IPCError) -> Message? {
        var receipt: Receipt?
        let bytes = try [UInt8](capacity: limits.messageSizeBytes) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            receipt = try tryReceive(into: &free)
        }
        return receipt.map { Message(bytes: bytes, priority: $0.priority) }
    }

    /// ``receive(into:until:retryOnInterrupt:)`` into a new array.
    public func receive(until deadline: Deadline, retryOnInterrupt: Bool = true) throws(IPCError) -> Message {
        while true {
            if let message = try tryReceive() { return message }
            guard try descriptor.wait(for: .readable, until: deadline, retryOnInterrupt: retryOnInterrupt) else {
                throw late("mq_timedreceive", full: false)
            }
        }
    }
}

extension MessageQueue.Receipt {
    init(_ received: MessageQueueReceived) {
        self.init(count: received.count, priority: received.priority)
    }
}
