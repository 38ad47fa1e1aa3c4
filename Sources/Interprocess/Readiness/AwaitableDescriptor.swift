// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// A descriptor that tasks can await: readability, writability, or the end of the other side, with deadline and
/// cancellation, without blocking a thread of the cooperative pool.
///
/// Wrap any descriptor: a pipe, a socket, a POSIX message queue, an eventfd, a timerfd, a pidfd, a terminal. It
/// is registered with a reactor at the first asynchronous wait: with the one on whose thread the task lives, else with
/// ``Reactor/shared()``. Blocking waits need no reactor.
///
/// Ownership: the value owns the descriptor and closes it.
///
/// Concurrency: any number of tasks and threads may wait at once; readiness wakes all who wait for it, so take
/// with a call that does not block.
///
/// The corresponding C functions are `poll(2)` and `epoll_wait(2)`.
public struct AwaitableDescriptor: ~Copyable, Sendable {
    struct State: ~Copyable {
        var owned: OwnedDescriptor?
        var registration: Registration?
    }

    /// The number. Do not close it.
    public let rawValue: CInt
    let state: Mutex<State>

    /// Makes a descriptor awaitable; nothing is registered before the first wait.
    public init(_ descriptor: consuming OwnedDescriptor) {
        rawValue = descriptor.rawValue
        state = Mutex(State(owned: descriptor, registration: nil))
    }

    deinit { _ = takeOut() }

    /// Closes the descriptor. Whoever still waits for it gets ``IPCError/Code/badDescriptor``.
    ///
    /// - Throws: as ``OwnedDescriptor/close()``.
    public consuming func close() throws(IPCError) {
        guard let owned = takeOut() else { return }
        try owned.close()
    }

    /// Gives the descriptor back, no longer registered.
    public consuming func release() -> OwnedDescriptor {
        guard let owned = takeOut() else { preconditionFailure("a descriptor is released once") }
        return owned
    }

    /// First out of epoll, then closed: the other way round the number could be somebody else's already.
    private borrowing func takeOut() -> OwnedDescriptor? {
        let registration = state.withLock { $0.registration.take() }
        registration?.end()
        return state.withLock { $0.owned.take() }
    }

    /// Another descriptor for the same open file, for who waits for it with another reactor.
    package func duplicate() throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) { return OwnedDescriptor(adopting: try sysDuplicate(rawValue)) } catch {
            throw IPCError(error, "fcntl", "descriptor \(rawValue)")
        }
    }

    // MARK: Blocking

    /// Blocks the thread until `interest` is so.
    ///
    /// - Parameters:
    ///   - interest: what to wait for.
    ///   - deadline: until when.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: false if the deadline came first.
    /// - Throws: ``IPCError/Code/badDescriptor``, ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `ppoll(2)`.
    public func wait(
        for interest: Interest, until deadline: Deadline = .never, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> Bool {
        while true {
            do throws(Errno) {
                let found = try sysPoll(rawValue, for: interest.asked, nanoseconds: deadline.remainingNanoseconds)
                if found.contains(pollInvalid) { throw Errno.badFileDescriptor }
                if !found.isDisjoint(with: interest.answered) { return true }
            } catch  where error == .interrupted && retryOnInterrupt {
                continue
            } catch {
                throw IPCError(error, "ppoll", "descriptor \(rawValue)")
            }
            if deadline.hasPassed { return false }
        }
    }

    /// Whether `interest` is so at this moment.
    public func isReady(_ interest: Interest) throws(IPCError) -> Bool {
        try wait(for: interest, until: .now)
    }

    // MARK: Asynchronous

    /// Suspends the task until `interest` is so.
    ///
    /// - Parameters:
    ///   - interest: what to wait for.
    ///   - deadline: until when.
    /// - Returns: false if the deadline came first.
    /// - Throws: ``IPCError/Code/cancelled``, ``IPCError/Code/badDescriptor``, and what starting the reactor may throw.
    public func wait(for interest: Interest, until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        while true {
            let seen = try generation(interest)
            if try isReady(interest) { return true }
            guard try await wait(for: interest, after: seen, until: deadline) else { return false }
        }
    }

    /// The asynchronous face of every verb: tries until `attempt` has a result, and suspends in between.
    ///
    /// - Parameters:
    ///   - interest: what makes another attempt worth while.
    ///   - deadline: until when; one attempt is made in any case.
    ///   - subject: the object's name for errors.
    ///   - attempt: a call that does not block; nil means "not now".
    package func attempt<Result: ~Copyable>(
        _ interest: Interest, until deadline: Deadline = .never, call: String = "",
        _ subject: @autoclosure () -> String,
        _ attempt: () throws(IPCError) -> Result?
    ) async throws(IPCError) -> Result {
        // Room to write is usually there, and asking to be told of it costs a system call.
        if interest == .writable, let result = try attempt() { return result }
        while true {
            let seen = try generation(interest)
            if let result = try attempt() { return result }
            guard try await wait(for: interest, after: seen, until: deadline) else {
                throw IPCError(.timedOut, call, subject())
            }
        }
    }

    /// The blocking face of `until:` verbs, in the same shape.
    package func attemptBlocking<Result: ~Copyable>(
        _ interest: Interest, until deadline: Deadline = .never, call: String = "",
        _ subject: @autoclosure () -> String,
        retryOnInterrupt: Bool = true, _ attempt: () throws(IPCError) -> Result?
    ) throws(IPCError) -> Result {
        while true {
            if let result = try attempt() { return result }
            guard try wait(for: interest, until: deadline, retryOnInterrupt: retryOnInterrupt) else {
                throw IPCError(.timedOut, call, subject())
            }
        }
    }

    /// The count to hand to ``wait(for:after:until:)``; read it before the attempt.
    package func generation(_ interest: Interest) throws(IPCError) -> UInt64 {
        try registration().generation(interest)
    }

    /// Suspends until something happened since `seen`; false if the deadline came first.
    package func wait(
        for interest: Interest, after seen: UInt64, until deadline: Deadline
    ) async throws(IPCError) -> Bool {
        if deadline.hasPassed { return false }
        let registration = try registration()
        let waiter = Waiter()
        registration.arm(waiter, index: 0, interest, after: seen)
        let timer = registration.reactor.expire(waiter, at: deadline)
        let wakeup = await waiter.suspend()
        if let timer { registration.reactor.callOff(timer) }
        switch wakeup {
        case .ready: return true
        case .timedOut:
            registration.disarm(waiter)
            return false
        case .cancelled:
            registration.disarm(waiter)
            throw IPCError(code: .cancelled, subject: "descriptor \(rawValue)", hint: "the waiting task was cancelled")
        case .failed(let error): throw error
        }
    }

    /// Fires `waiter` with `index` once something has happened since `seen`: for those who wait for several things of their own.
    package func arm(_ waiter: Waiter, index: Int, _ interest: Interest, after seen: UInt64) throws(IPCError) {
        try registration().arm(waiter, index: index, interest, after: seen)
    }

    /// Forgets `waiter`.
    package func disarm(_ waiter: Waiter) { state.withLock { $0.registration }?.disarm(waiter) }

    /// A token for ``WaitAny``. It does not keep the descriptor open: if that is closed, waiting fails.
    ///
    /// - Throws: what starting the reactor may throw.
    public func readiness(_ interest: Interest) throws(IPCError) -> Readiness {
        Readiness(DescriptorReadiness(registration: try registration(), interest: interest))
    }

    private func registration() throws(IPCError) -> Registration {
        if let registration = state.withLock({ $0.registration }) { return registration }
        let fresh = Registration(rawValue, on: try Reactor.current())
        return state.withLock { state in
            if let winner = state.registration { return winner }
            state.registration = fresh
            return fresh
        }
    }
}

extension Reactor {
    /// Fires `waiter` with `.timedOut` at `deadline`; nil for a deadline that never comes.
    func expire(_ waiter: Waiter, at deadline: Deadline) -> UInt64? {
        deadline == .never ? nil : schedule(at: deadline) { waiter.fire(.timedOut) }
    }
}

/// The readiness of one direction of a descriptor.
struct DescriptorReadiness: ReadinessSource {
    let registration: Registration
    let interest: Interest

    func arm(_ waiter: Waiter, index: Int) throws(IPCError) {
        let seen = try registration.generation(interest)
        // Readiness is a state, an edge is news: what was so before is found by asking.
        let found: EpollEvents
        do throws(Errno) {
            found = try sysPoll(registration.descriptor, for: interest.asked, nanoseconds: 0, retryOnInterrupt: true)
        } catch {
            throw IPCError(error, "ppoll", "descriptor \(registration.descriptor)")
        }
        if !found.isDisjoint(with: interest.answered) {
            waiter.fire(.ready(index))
        } else {
            registration.arm(waiter, index: index, interest, after: seen)
        }
    }

    func disarm(_ waiter: Waiter) { registration.disarm(waiter) }
}
