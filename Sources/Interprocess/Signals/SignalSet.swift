// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A set of signals.
///
/// The corresponding C type is `sigset_t`.
public struct SignalSet: Sendable, Hashable, SetAlgebra, ExpressibleByArrayLiteral {
    /// Signal 1 is the lowest bit.
    public var bits: UInt64

    /// A set by its bits.
    public init(bits: UInt64) { self.bits = bits }
    /// No signal.
    public init() { bits = 0 }
    /// These signals.
    public init(_ signals: some Sequence<Signal>) { bits = signals.reduce(0) { $0 | $1.bit } }
    /// These signals.
    public init(arrayLiteral elements: Signal...) { self.init(elements) }

    /// Every signal that a program can receive as a value (``Signal/receivability``).
    public static let receivable = SignalSet(
        (1...64).compactMap { Signal(number: $0) }.filter { $0.receivability == .receivable })
    /// All real-time signals of programs.
    public static let realTime = SignalSet(Signal.realTimeNumbers.compactMap { Signal(number: $0) })

    /// Its members, lowest number first.
    public var signals: [Signal] { (1...64).compactMap { Signal(number: $0) }.filter(contains) }

    /// Whether `member` is one of them.
    public func contains(_ member: Signal) -> Bool { bits & member.bit != 0 }
    /// Those of both.
    public func union(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits | other.bits) }
    /// Those that are in both.
    public func intersection(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits & other.bits) }
    /// Those that are in one of them only.
    public func symmetricDifference(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits ^ other.bits) }
    /// Adds those of `other`.
    public mutating func formUnion(_ other: SignalSet) { bits |= other.bits }
    /// Keeps those that are in `other`.
    public mutating func formIntersection(_ other: SignalSet) { bits &= other.bits }
    /// Keeps those that are in one of them only.
    public mutating func formSymmetricDifference(_ other: SignalSet) { bits ^= other.bits }

    /// Adds a signal.
    @discardableResult
    public mutating func insert(_ signal: Signal) -> (inserted: Bool, memberAfterInsert: Signal) {
        let isNew = !contains(signal)
        bits |= signal.bit
        return (isNew, signal)
    }
    /// Takes a signal out.
    @discardableResult
    public mutating func remove(_ signal: Signal) -> Signal? {
        let wasThere = contains(signal)
        bits &= ~signal.bit
        return wasThere ? signal : nil
    }
    /// Adds a signal.
    @discardableResult
    public mutating func update(with signal: Signal) -> Signal? { insert(signal).inserted ? nil : signal }
}

extension SignalSet: CustomStringConvertible {
    /// `"SIGINT, SIGTERM"`.
    public var description: String { signals.map(\.description).joined(separator: ", ") }
}

extension Signal {
    var bit: UInt64 { sysSignalBit(number) }
}

// MARK: The calling thread

extension SignalSet {
    /// What the calling thread blocks.
    ///
    /// The corresponding C function is `pthread_sigmask(3)`.
    public static var blockedInThisThread: SignalSet { SignalSet(bits: sysSignalMask()) }

    /// What waits for the calling thread, or for the process, to be unblocked or taken.
    ///
    /// The corresponding C function is `sigpending(2)`.
    public static var pending: SignalSet { SignalSet(bits: sysPendingSignals()) }

    /// Runs `body` with these signals blocked in the calling thread; afterwards the mask is what it was.
    ///
    /// For signals that are sent to this very thread. Signals sent to the process go to any thread that does not block
    /// them: for those there is ``SignalReceiver``.
    ///
    /// The corresponding C function is `pthread_sigmask(3)`.
    public func blockedInThisThread<Result: ~Copyable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = sysBlockSignals(bits)
        defer { sysSetSignalMask(before) }
        return try body()
    }

    /// Blocks the thread until one of these signals is there, for this thread or the process, and takes it.
    ///
    /// - Parameters:
    ///   - deadline: until when.
    ///   - retryOnInterrupt: whether a handler that runs in this thread leaves the wait as it is.
    /// - Returns: nil if the deadline came first.
    /// - Throws: ``IPCError/Code/invalidArgument`` if this thread does not block them all: whatever came before
    ///   the call would have had its effect already; ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `sigtimedwait(2)`.
    public func wait(
        until deadline: Deadline = .never, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> ReceivedSignal? {
        let open = subtracting(.blockedInThisThread)
        guard open.isEmpty else {
            throw IPCError(
                code: .invalidArgument, call: "sigtimedwait", subject: "signals \(self)",
                hint: "this thread does not block \(open); wait inside blockedInThisThread { }")
        }
        while true {
            do throws(Errno) {
                return ReceivedSignal(try sysWaitSignal(bits, nanoseconds: deadline.remainingNanoseconds))
            } catch  where error == .resourceTemporarilyUnavailable {
                return nil
            } catch  where error == .interrupted && retryOnInterrupt {
                continue
            } catch {
                throw IPCError(error, "sigtimedwait", "signals \(self)")
            }
        }
    }
}
