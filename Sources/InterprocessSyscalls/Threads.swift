// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// Starts a detached thread that runs `body` once.
///
/// It blocks every signal but the synchronous faults (a handler of the program's never runs on a thread
/// of this library) and, where given, the one that interrupts system calls.
package func sysStartThread(
    named name: String, interruptedBy signal: CInt? = nil, _ body: @escaping @Sendable () -> Void
) throws(Errno) {
    final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var blocked = sigset_t()
    var previous = sigset_t()
    // SAFETY: all of these fill or read locals that live through the calls; the thread inherits the mask.
    unsafe sigfillset(&blocked)
    for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS] { unsafe sigdelset(&blocked, fault) }
    if let signal { unsafe sigdelset(&blocked, signal) }
    unsafe pthread_sigmask(SIG_SETMASK, &blocked, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }

    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    defer { unsafe pthread_attr_destroy(&attributes) }

    // SAFETY: one retain here, one release where the thread starts, or below where it does not.
    let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    do throws(Errno) {
        var thread = pthread_t()
        try invokeReturningErrno("pthread_create") {
            unsafe pthread_create(
                &thread, &attributes,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                    // Fifteen bytes is what the kernel keeps of a thread's name.
                    unsafe pthread_setname_np(pthread_self(), String(start.name.prefix(15)))
                    start.body()
                    return nil
                }, start.toOpaque())
        }
    } catch {
        unsafe start.release()
        throw error
    }
}

/// tgkill(2) to a thread of this process.
package func sysInterruptThread(_ thread: Int32, with signal: CInt) throws(Errno) {
    _ = try invoke("tgkill") { cip_tgkill(getpid(), thread, signal) }
}

/// The signal number `offset` below SIGRTMAX.
package func sysRealtimeSignal(belowMaximum offset: Int32) -> CInt { cip_realtime_signal(offset) }

/// Gives a signal that still has its default disposition an empty handler without SA_RESTART.
/// False, with nothing changed, if the program uses the signal itself.
package func sysClaimInterruptSignal(_ signal: CInt) throws(Errno) -> Bool {
    var current = sigaction()
    // SAFETY: both structures are locals that live through the calls.
    _ = try invoke("sigaction") { unsafe sigaction(signal, nil, &current) }
    guard unsafe cip_is_default_handler(&current) != 0 else { return false }
    var action = sigaction()
    unsafe cip_make_interrupting(&action)
    _ = try invoke("sigaction") { unsafe sigaction(signal, &action, nil) }
    return true
}

/// A gate that one thread waits at and any thread opens; once open it lets one waiter through and closes.
///
/// Allocates: a pthread mutex and condition must not move.
@safe package final class ThreadGate: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isOpen = false

    package init() {
        // SAFETY: fresh memory that this object owns until deinit; the clock is monotonic so that
        // setting the wall clock does not stretch a wait.
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        // SAFETY: nobody can wait here any more: waiting needs a reference.
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    package func open() {
        // SAFETY: the memory lives as long as this object.
        unsafe pthread_mutex_lock(mutex)
        isOpen = true
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// False if the point of the monotonic clock came first; nil waits for ever.
    package func pass(untilNanoseconds deadline: UInt64? = nil) -> Bool {
        // SAFETY: the memory lives as long as this object; `isOpen` is read and written under the mutex.
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while !isOpen {
            if let deadline {
                var time = timespecOf(nanoseconds: deadline)
                if unsafe pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT && !isOpen { return false }
            } else {
                unsafe pthread_cond_wait(condition, mutex)
            }
        }
        isOpen = false
        return true
    }
}

/// Runs a job of the concurrency runtime on the calling thread, in the name of `executor`.
package func runJob(_ job: UnownedJob, on executor: some TaskExecutor) {
    // SAFETY: the executor was asked to run this job, runs it once, and lives through it.
    unsafe job.runSynchronously(on: executor.asUnownedTaskExecutor())
}
