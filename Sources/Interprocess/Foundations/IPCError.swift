// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// What went wrong in a call to the kernel, or with what another process sent.
///
/// Switch over ``code`` to decide; print the error to tell a person. Expected outcomes (nothing there
/// yet, end of stream) are values, never errors; misuse is a precondition.
public struct IPCError: Error, Sendable, Hashable {
    /// The kind of failure, independent of the mechanism.
    public var code: Code
    /// The function that failed, as its manual page spells it (`"mq_timedsend"`); empty where no call was made.
    public var call: String
    /// What the kernel said, if it was the kernel that said it.
    public var errno: Errno?
    /// Which object: `"mq:/orders"`, `"fifo:/run/log"`.
    public var subject: String
    /// One sentence that helps: what the state is and what to do.
    public var hint: String

    /// An error; what is not known is left out.
    public init(code: Code, call: String = "", errno: Errno? = nil, subject: String, hint: String = "") {
        self.code = code
        self.call = call
        self.errno = errno
        self.subject = subject
        self.hint = hint
    }

    /// An error of the kernel; the code comes from the one table in `IPCError+Errno.swift`.
    package init(_ errno: Errno, _ call: String, _ subject: @autoclosure () -> String, hint: String = "") {
        self.init(code: Code(errno), call: call, errno: errno, subject: subject(), hint: hint)
    }
}

extension IPCError {
    /// The kinds of failure. More may come; give a `switch` a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The kind in words: `"no such object"`.
        public let description: String
        private init(_ description: String) { self.description = description }

        /// No object of that name, key or number (ENOENT, ESRCH).
        public static let notFound = Code("no such object")
        /// The name or key is taken (EEXIST, EADDRINUSE).
        public static let alreadyExists = Code("exists already")
        /// Mode, owner or capability forbids it (EACCES, EPERM).
        public static let permissionDenied = Code("permission denied")
        /// It could not be done at once (EAGAIN, ENOMSG) and the call was not to wait.
        public static let wouldBlock = Code("would block")
        /// The deadline passed (ETIMEDOUT).
        public static let timedOut = Code("timed out")
        /// The waiting task was cancelled (ECANCELED).
        public static let cancelled = Code("cancelled")
        /// A signal handler ran and the call was not to be made again (EINTR).
        public static let interrupted = Code("interrupted")
        /// The object was removed while this call waited on it or used it (EIDRM).
        public static let removed = Code("removed")
        /// The other side is gone (EPIPE, ECONNRESET).
        public static let disconnected = Code("the other side is gone")
        /// Nobody is at the other side (ECONNREFUSED, and ENXIO of a named pipe that nobody reads).
        public static let noPeer = Code("nobody is at the other side")
        /// The message does not fit (EMSGSIZE, E2BIG).
        public static let messageTooLarge = Code("message too large")
        /// A limit of the process or the system is reached (EMFILE, ENFILE, ENOSPC, ETOOMANYREFS, EDQUOT).
        public static let limitReached = Code("limit reached")
        /// No memory (ENOMEM, ENOBUFS).
        public static let outOfMemory = Code("out of memory")
        /// The name cannot be one (ENAMETOOLONG, ELOOP, ENOTDIR, and names that a mechanism forbids).
        public static let invalidName = Code("invalid name")
        /// An argument is out of its range (EINVAL, ERANGE).
        public static let invalidArgument = Code("invalid argument")
        /// The descriptor is closed or was opened for the other direction (EBADF).
        public static let badDescriptor = Code("bad descriptor")
        /// The object is not what the call is for: a regular file where a named pipe should be (ENOTSOCK, …).
        public static let wrongKind = Code("not an object of that kind")
        /// Somebody else uses it in a way that excludes this (EBUSY).
        public static let busy = Code("busy")
        /// Waiting would never end: the caller holds what it waits for, directly or through others (EDEADLK).
        public static let deadlock = Code("deadlock")
        /// The owner of a lock died while it held it; what it guards must be looked at (EOWNERDEAD).
        public static let ownerDied = Code("the owner died")
        /// An owner died and nobody repaired what its lock guards (ENOTRECOVERABLE).
        public static let notRecoverable = Code("not recoverable")
        /// A mapped object became shorter while it was in use (EFAULT, where a plain access would raise SIGBUS).
        public static let truncated = Code("shorter than it was")
        /// This kernel or file system cannot (ENOSYS, EOPNOTSUPP, EROFS, ESOCKTNOSUPPORT).
        public static let unsupported = Code("not supported here")
        /// What another process sent is not what it may send.
        public static let malformed = Code("malformed data from the other side")
        /// A publisher has put this subscriber out, because it was too slow or reported what cannot be.
        public static let evicted = Code("put out by the publisher")
        /// Waiting would need more threads than the process allows (``WaiterThreads/limit``).
        public static let tooManyWaiters = Code("too many waiter threads")
        /// Anything else the kernel says; ``IPCError/errno`` has it.
        public static let system = Code("system error")
    }
}

extension IPCError: CustomStringConvertible {
    /// One sentence: the object, what went wrong, the errno, the call, and what helps.
    public var description: String {
        var text = "\(subject): \(code)"
        if let errno { text += " (\(errno.symbolicName))" }
        if !call.isEmpty { text += " in \(call)" }
        if !hint.isEmpty { text += ": \(hint)" }
        return text
    }
}
