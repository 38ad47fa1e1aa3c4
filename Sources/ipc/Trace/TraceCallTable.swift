// SPDX-License-Identifier: Apache-2.0

/// What the arguments of each call mean.
enum TraceCallTable {
    /// Where a call says which object it is about.
    enum Subject {
        /// A descriptor, in this argument.
        case descriptor(Int)
        /// The descriptor that it returns.
        case newDescriptor
        /// Two descriptors, written to where this argument points.
        case newPair(Int)
        /// A path, by its pointer; with the descriptor that it returns, if it opens.
        case path(Int, opens: Bool)
        /// A name of a POSIX queue, by its pointer.
        case queueName(Int)
        /// A System V key, with an id as result.
        case key(SystemV)
        /// A System V id.
        case id(SystemV)
        /// What was attached at this address (shmdt).
        case attachment
        /// A process.
        case process(Int)
        /// A word in shared memory.
        case word
        /// A mapping: descriptor and flags decide.
        case mapping
        /// This process itself.
        case own
    }

    enum SystemV: String { case msg, sem, shm }

    enum Bytes { case none, result }

    struct Meaning {
        var subject: Subject
        var bytes = Bytes.none
        /// The pointer and the length of a socket address, or nil.
        var address: (pointer: Int, length: Int)?
    }

    /// Calls by which bytes leave the process.
    static let sends: Set<String> = [
        "write", "writev", "pwrite64", "sendto", "sendmsg", "sendmmsg", "vmsplice", "mq_timedsend", "msgsnd",
        "process_vm_writev",
    ]

    static let meanings: [String: Meaning] = {
        var all: [String: Meaning] = [:]
        for name in [
            "read", "write", "readv", "writev", "pread64", "pwrite64", "vmsplice", "splice", "tee", "recvmsg",
            "sendmsg", "mq_timedreceive",
        ] {
            all[name] = Meaning(subject: .descriptor(0), bytes: .result)
        }
        all["sendfile"] = Meaning(subject: .descriptor(0), bytes: .result)
        all["sendto"] = Meaning(subject: .descriptor(0), bytes: .result, address: (4, 5))
        all["recvfrom"] = Meaning(subject: .descriptor(0), bytes: .result)
        for name in [
            "sendmmsg", "recvmmsg", "listen", "shutdown", "ftruncate", "mq_timedsend", "mq_notify",
            "mq_getsetattr", "flock", "fcntl", "pidfd_send_signal", "pidfd_getfd", "signalfd", "accept", "accept4",
        ] {
            all[name] = Meaning(subject: .descriptor(0))
        }
        all["bind"] = Meaning(subject: .descriptor(0), address: (1, 2))
        all["connect"] = Meaning(subject: .descriptor(0), address: (1, 2))
        for name in ["socket", "memfd_create", "eventfd", "eventfd2", "signalfd4"] {
            all[name] = Meaning(subject: .newDescriptor)
        }
        all["pipe"] = Meaning(subject: .newPair(0))
        all["pipe2"] = Meaning(subject: .newPair(0))
        all["socketpair"] = Meaning(subject: .newPair(3))
        all["openat"] = Meaning(subject: .path(1, opens: true))
        all["open"] = Meaning(subject: .path(0, opens: true))
        all["unlink"] = Meaning(subject: .path(0, opens: false))
        all["unlinkat"] = Meaning(subject: .path(1, opens: false))
        all["mknod"] = Meaning(subject: .path(0, opens: false))
        all["mknodat"] = Meaning(subject: .path(1, opens: false))
        all["mq_open"] = Meaning(subject: .queueName(0))
        all["mq_unlink"] = Meaning(subject: .queueName(0))
        for (kind, names) in [
            (SystemV.msg, ["msgsnd", "msgctl"]), (.sem, ["semop", "semtimedop", "semctl"]),
            (.shm, ["shmat", "shmctl"]),
        ] {
            for name in names { all[name] = Meaning(subject: .id(kind)) }
            all["\(kind.rawValue)get"] = Meaning(subject: .key(kind))
        }
        all["msgrcv"] = Meaning(subject: .id(.msg), bytes: .result)
        all["shmdt"] = Meaning(subject: .attachment)
        for name in ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open"] {
            all[name] = Meaning(subject: .process(0))
        }
        all["process_vm_readv"] = Meaning(subject: .process(0), bytes: .result)
        all["process_vm_writev"] = Meaning(subject: .process(0), bytes: .result)
        all["rt_sigtimedwait"] = Meaning(subject: .own)
        all["futex"] = Meaning(subject: .word)
        all["mmap"] = Meaning(subject: .mapping)
        return all
    }()
}
