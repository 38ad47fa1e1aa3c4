// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// The one table from errno to code and name. A row per number, so that a reader finds both at once.
private let table: [CInt: (name: String, code: IPCError.Code)] = [
    1: ("EPERM", .permissionDenied),
    2: ("ENOENT", .notFound),
    3: ("ESRCH", .notFound),
    4: ("EINTR", .interrupted),
    5: ("EIO", .system),
    6: ("ENXIO", .noPeer),
    7: ("E2BIG", .messageTooLarge),
    8: ("ENOEXEC", .wrongKind),
    9: ("EBADF", .badDescriptor),
    11: ("EAGAIN", .wouldBlock),
    12: ("ENOMEM", .outOfMemory),
    13: ("EACCES", .permissionDenied),
    14: ("EFAULT", .invalidArgument),
    16: ("EBUSY", .busy),
    17: ("EEXIST", .alreadyExists),
    19: ("ENODEV", .unsupported),
    20: ("ENOTDIR", .invalidName),
    21: ("EISDIR", .wrongKind),
    22: ("EINVAL", .invalidArgument),
    23: ("ENFILE", .limitReached),
    24: ("EMFILE", .limitReached),
    26: ("ETXTBSY", .busy),
    27: ("EFBIG", .limitReached),
    28: ("ENOSPC", .limitReached),
    29: ("ESPIPE", .wrongKind),
    30: ("EROFS", .unsupported),
    32: ("EPIPE", .disconnected),
    34: ("ERANGE", .invalidArgument),
    35: ("EDEADLK", .deadlock),
    36: ("ENAMETOOLONG", .invalidName),
    38: ("ENOSYS", .unsupported),
    40: ("ELOOP", .invalidName),
    42: ("ENOMSG", .wouldBlock),
    43: ("EIDRM", .removed),
    71: ("EPROTO", .malformed),
    74: ("EBADMSG", .malformed),
    75: ("EOVERFLOW", .limitReached),
    88: ("ENOTSOCK", .wrongKind),
    89: ("EDESTADDRREQ", .invalidArgument),
    90: ("EMSGSIZE", .messageTooLarge),
    91: ("EPROTOTYPE", .wrongKind),
    92: ("ENOPROTOOPT", .unsupported),
    93: ("EPROTONOSUPPORT", .unsupported),
    94: ("ESOCKTNOSUPPORT", .unsupported),
    95: ("EOPNOTSUPP", .unsupported),
    97: ("EAFNOSUPPORT", .unsupported),
    98: ("EADDRINUSE", .alreadyExists),
    99: ("EADDRNOTAVAIL", .notFound),
    100: ("ENETDOWN", .noPeer),
    101: ("ENETUNREACH", .noPeer),
    103: ("ECONNABORTED", .disconnected),
    104: ("ECONNRESET", .disconnected),
    105: ("ENOBUFS", .outOfMemory),
    106: ("EISCONN", .busy),
    107: ("ENOTCONN", .disconnected),
    108: ("ESHUTDOWN", .disconnected),
    109: ("ETOOMANYREFS", .limitReached),
    110: ("ETIMEDOUT", .timedOut),
    111: ("ECONNREFUSED", .noPeer),
    113: ("EHOSTUNREACH", .noPeer),
    114: ("EALREADY", .busy),
    115: ("EINPROGRESS", .wouldBlock),
    122: ("EDQUOT", .limitReached),
    125: ("ECANCELED", .cancelled),
    130: ("EOWNERDEAD", .ownerDied),
    131: ("ENOTRECOVERABLE", .notRecoverable),
]

extension IPCError.Code {
    /// The code for what the kernel said; `.system` for what the table does not know.
    public init(_ errno: Errno) {
        self = table[errno.rawValue]?.code ?? .system
    }
}

extension Errno {
    /// The name as the manual spells it: `"EAGAIN"`.
    package var symbolicName: String {
        table[rawValue]?.name ?? "errno \(rawValue)"
    }
}
