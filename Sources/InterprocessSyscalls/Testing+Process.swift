// SPDX-License-Identifier: Apache-2.0
// State of the whole process that a test changes: only in exit tests.
package import CInterprocess
package import SystemPackage
import Synchronization

extension TestSyscalls {
    /// Becomes another user for good, with no supplementary group and no capability.
    package static func becomeUser(_ user: uid_t) throws(Errno) {
        guard setgroups(0, nil) == 0, setresgid(user, user, user) == 0, setresuid(user, user, user) == 0 else {
            throw Errno(rawValue: cip_errno())
        }
    }

    package enum Resource: Sendable {
        case descriptors, messageQueueBytes, pendingSignals, processes

        var number: CInt {
            switch self {
            case .descriptors: cip_resource_descriptors()
            case .messageQueueBytes: cip_resource_message_queues()
            case .pendingSignals: ResourceLimits.pendingSignals
            case .processes: cip_resource_processes()
            }
        }
    }

    /// setrlimit(2) of the soft limit; the hard one stays.
    package static func setLimit(_ resource: Resource, _ soft: UInt64) throws(Errno) {
        var limit = rlimit()
        // SAFETY: a local of the size that the call fills.
        guard unsafe cip_getrlimit(resource.number, &limit) == 0,
            cip_setrlimit(resource.number, rlim_t(soft), limit.rlim_max) == 0
        else { throw Errno(rawValue: cip_errno()) }
    }

    /// Keeps the main thread out of sigsuspend(2), where an asynchronous main leaves it: in a handler of SIGPWR that takes long.
    package static func occupyMainThread() throws(Errno) {
        // The handler makes one system call again and again and touches nothing.
        _ = signal(SIGPWR) { _ in
            for _ in 0..<6000 { usleep(10_000) }
        }
        try sysSignalThread(getpid(), getpid(), SIGPWR)
    }

    /// umask(2); returns the one before.
    @discardableResult
    package static func setFileModeMask(_ mask: mode_t) -> mode_t { umask(mask) }

    /// A handler that does nothing, without SA_RESTART: system calls that it hits fail with EINTR.
    package static func installInterruptingHandler(_ signal: CInt) throws(Errno) {
        var action = sigaction()
        // SAFETY: locals of the right size; the handler is a C function that does nothing.
        unsafe cip_make_interrupting(&action)
        guard unsafe sigaction(signal, &action, nil) == 0 else { throw Errno(rawValue: cip_errno()) }
    }

    package enum Disposition: Sendable, Equatable { case standard, ignored, handled }

    package static func disposition(of signal: CInt) -> Disposition {
        var action = sigaction()
        // SAFETY: a local of the size that the call fills.
        _ = unsafe sigaction(signal, nil, &action)
        // SAFETY: as above.
        let number = unsafe cip_disposition(&action)
        return number == 0 ? .standard : number == 1 ? .ignored : .handled
    }

    package static func setIgnored(_ signal: CInt, _ ignored: Bool) {
        var action = sigaction()
        // SAFETY: locals of the right size.
        unsafe cip_make_disposition(&action, ignored ? 1 : 0)
        _ = unsafe sigaction(signal, &action, nil)
    }

    /// tgkill(2) to a thread of this process.
    package static func signalThread(_ thread: Int32, _ signal: CInt) throws(Errno) {
        if cip_tgkill(getpid(), thread, signal) != 0 { throw Errno(rawValue: cip_errno()) }
    }

    package static func abortProcess() -> Never { abort() }

    /// sleep of this thread.
    package static func sleep(nanoseconds: UInt64) {
        var time = timespecOf(nanoseconds: nanoseconds)
        // SAFETY: a local; the rest is not asked for.
        _ = unsafe nanosleep(&time, nil)
    }

    /// A thread of its own that runs `body` to its end; nobody joins it. All its signals are blocked.
    package static func startThread(_ name: StaticString, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        final class Work: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        var all = sigset_t()
        var before = sigset_t()
        // SAFETY: the sets are locals; a new thread inherits the mask, which is restored here at once.
        unsafe sigfillset(&all)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
        // SAFETY: as above.
        defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        // SAFETY: the retained object is taken over by the thread, which releases it once.
        let context = unsafe Unmanaged.passRetained(Work(body)).toOpaque()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                let work = unsafe Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
                work.body()
                return nil
            }, context)
        if result != 0 {
            // SAFETY: the thread did not start: the reference is still ours.
            unsafe Unmanaged<Work>.fromOpaque(context).release()
            throw Errno(rawValue: result)
        }
        // SAFETY: the thread exists; names are at most 15 bytes, a longer one is refused and does no harm.
        _ = pthread_detach(thread)
        _ = unsafe pthread_setname_np(thread, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
    }
}

extension TestSyscalls {
    /// Ends this process as `kill -9` does.
    package static func killSelf() { _ = kill(getpid(), SIGKILL) }

    /// fork(2). The child has one thread: it makes plain calls, awaits nothing and ends by being killed.
    package static func fork() throws(Errno) -> pid_t { try invoke("fork") { cip_fork_for_test() } }
}
