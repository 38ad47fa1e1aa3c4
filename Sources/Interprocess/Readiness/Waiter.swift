// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization

/// Why a wait ended.
package enum Wakeup: Sendable {
    /// The source with this index is ready.
    case ready(Int)
    case timedOut
    case cancelled
    /// The source can never become ready: closed, removed, or no resources to watch it.
    case failed(IPCError)
}

/// One wait of one task or thread, for one source or several. Whoever calls ``fire(_:)`` first decides
/// how it ends; all later calls do nothing.
package final class Waiter: Sendable {
    private enum State {
        case armed
        case suspended(CheckedContinuation<Wakeup, Never>)
        case blocked(ThreadGate)
        case fired(Wakeup)
    }

    private let state = Mutex(State.armed)

    package init() {}

    /// Whether this call decided the outcome.
    @discardableResult
    package func fire(_ wakeup: Wakeup) -> Bool {
        let previous = state.withLock { state -> State in
            let previous = state
            if case .fired = state {} else { state = .fired(wakeup) }
            return previous
        }
        switch previous {
        case .fired: return false
        case .suspended(let continuation): continuation.resume(returning: wakeup)
        case .blocked(let gate): gate.open()
        case .armed: break
        }
        return true
    }

    package var outcome: Wakeup? {
        state.withLock { if case .fired(let wakeup) = $0 { wakeup } else { nil } }
    }

    /// Suspends the task until somebody fires. `onCancel` replaces the firing of `.cancelled`.
    package func suspend(onCancel: (@Sendable () -> Void)? = nil) async -> Wakeup {
        if let outcome { return outcome }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = state.withLock { state -> Wakeup? in
                    if case .fired(let wakeup) = state { return wakeup }
                    state = .suspended(continuation)
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            if let onCancel { onCancel() } else { fire(.cancelled) }
        }
    }

    /// Blocks the thread until somebody fires.
    package func block() -> Wakeup {
        let gate = ThreadGate()
        let early = state.withLock { state -> Wakeup? in
            if case .fired(let wakeup) = state { return wakeup }
            state = .blocked(gate)
            return nil
        }
        if let early { return early }
        while true {
            _ = gate.pass()
            if let outcome { return outcome }
        }
    }
}
