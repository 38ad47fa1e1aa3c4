// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The one background thread of messaging in a process: it lets readers in, finds publishers, and notices who is gone, for all
/// channels. It only marks and rings; whoever uses memory unmaps it.
///
/// Started at first use; it stays for the life of the process. It blocks every signal but synchronous faults. Tasks that live on
/// it never block.
package final class Attendant: Sendable {
    package let reactor: Reactor
    private let word: ForkWord
    private let names = Mutex<NameWatch?>(nil)
    private static let current = Mutex<Attendant?>(nil)

    /// The attendant of this process.
    ///
    /// - Throws: `IPCError.Code.limitReached`, `IPCError.Code.outOfMemory`: no descriptor or thread for it; the next call
    ///   tries again. `IPCError.Code.unsupported` in a child that was forked from a process that had one: its
    ///   threads stayed there, and with them whatever lock of the runtime they held; it is to call exec first.
    package static func shared() throws(IPCError) -> Attendant {
        try current.withLock { (current) throws(IPCError) in
            if let attendant = current {
                if attendant.word.isOurs { return attendant }
                throw IPCError(
                    code: .unsupported, subject: "messaging",
                    hint: "this process was forked from one that uses messaging; it has to call exec first")
            }
            let fresh = try Attendant()
            current = fresh
            return fresh
        }
    }

    private init() throws(IPCError) {
        do throws(Errno) { word = try ForkWord.current() } catch {
            throw IPCError(error, "pthread_atfork", "messaging", hint: "the process cannot be prepared for a fork")
        }
        do throws(IPCError) { reactor = try Reactor(name: "ipc-attendant") } catch {
            var error = error
            error.subject = "messaging"
            error.hint = "its background thread (ipc-attendant) cannot be started"
            throw error
        }
    }

    /// False in a forked child of the process that it served.
    var isOurs: Bool { word.isOurs }

    /// Runs `body` on the thread of the attendant.
    @discardableResult
    func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        Task(executorPreference: reactor) { await body() }
    }

    /// Suspends a task that lives here; shorter if it is cancelled.
    func pause(_ duration: Duration) async {
        let waiter = Waiter()
        let timer = reactor.schedule(at: .after(duration)) { waiter.fire(.timedOut) }
        _ = await waiter.suspend()
        reactor.callOff(timer)
    }

    /// For tests: as if the kernel's queue of events had overflowed.
    package func pretendOverflow() throws(IPCError) {
        var news = NameNews(decoding: [])
        news.overflowed = true
        try nameWatch().deliver(news)
    }

    /// The watch on directories, made when first needed.
    func nameWatch() throws(IPCError) -> NameWatch {
        try names.withLock { (watch) throws(IPCError) in
            if let watch { return watch }
            let fresh = try NameWatch()
            watch = fresh
            start { await fresh.run() }
            return fresh
        }
    }
}

/// Something that one task waits for and anybody rings: rung before the wait counts.
final class AttendantBell: Sendable {
    private let state = Mutex((isRung: false, waiter: Waiter?.none))

    func ring() {
        let waiter = state.withLock { state in
            state.isRung = true
            return state.waiter.take()
        }
        waiter?.fire(.ready(0))
    }

    /// Returns when it rings, at the deadline, or when the task is cancelled.
    func wait(on reactor: Reactor, until deadline: Deadline) async {
        let waiter = Waiter()
        let isRung = state.withLock { state in
            if state.isRung {
                state.isRung = false
                return true
            }
            state.waiter = waiter
            return false
        }
        if isRung { return }
        let timer = deadline == .never ? nil : reactor.schedule(at: deadline) { waiter.fire(.timedOut) }
        _ = await waiter.suspend()
        if let timer { reactor.callOff(timer) }
        state.withLock { state in
            state.isRung = false
            state.waiter = nil
        }
    }
}
