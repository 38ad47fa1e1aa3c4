// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The paths of a POSIX semaphore that may wait or fail, and the one thread in which the tasks of a handle wait.
@usableFromInline
final class SemaphoreWaiting: Sendable {
    let place: SemaphorePlace
    let subject: String
    private let lane: WaiterThread

    init(_ place: SemaphorePlace, subject: String) {
        self.place = place
        self.subject = subject
        lane = WaiterThread(subject: subject)
    }

    @usableFromInline
    func wait(retryOnInterrupt: Bool) throws(IPCError) {
        do throws(Errno) { try sysSemaphoreWait(place, retryOnInterrupt: retryOnInterrupt) } catch {
            throw failure(error, "sem_wait")
        }
    }

    @usableFromInline
    func tryWait() throws(IPCError) -> Bool {
        do throws(Errno) { try sysSemaphoreTryWait(place) } catch {
            if error == .wouldBlock { return false }
            throw failure(error, "sem_trywait")
        }
        return true
    }

    @usableFromInline
    func wait(until deadline: Deadline, retryOnInterrupt: Bool) throws(IPCError) {
        if deadline == .never { return try wait(retryOnInterrupt: retryOnInterrupt) }
        do throws(Errno) {
            try sysSemaphoreWait(
                place, untilNanoseconds: deadline.monotonicNanoseconds, retryOnInterrupt: retryOnInterrupt)
        } catch {
            throw failure(error, "sem_clockwait")
        }
    }

    @usableFromInline
    func post() throws(IPCError) {
        do throws(Errno) { try sysSemaphorePost(place) } catch { throw failure(error, "sem_post") }
    }

    /// In the queue of this handle's tasks. The first of them is in `sem_wait` itself: a permit is taken by the one call that
    /// returns success for it, and whoever is called off has either been interrupted, and has none, or returns with it.
    func awaitPermit(until deadline: Deadline) async throws(IPCError) {
        if Task.isCancelled { throw cancelled }
        if try tryWait() { return }
        if deadline.hasPassed { throw failure(.timedOut, "sem_wait") }
        let place = place
        do throws(IPCError) {
            try await lane.perform(call: "sem_wait", until: deadline) { () throws(Errno) in
                try sysSemaphoreWait(place, retryOnInterrupt: false)
            }
        } catch {
            switch error.code {
            case .timedOut: throw failure(.timedOut, "sem_wait")
            case .cancelled: throw cancelled
            default: throw error
            }
        }
    }

    private var cancelled: IPCError {
        IPCError(code: .cancelled, call: "sem_wait", subject: subject, hint: "the waiting task was cancelled")
    }

    private func failure(_ error: Errno, _ call: String) -> IPCError {
        let hint =
            switch error {
            case .timedOut: "no permit came"
            case .overflow:
                "the value is SEM_VALUE_MAX, \(SemaphorePlace.maximumValue): somebody posts without having waited"
            default: ""
            }
        return IPCError(error, call, subject, hint: hint)
    }
}
