// SPDX-License-Identifier: Apache-2.0

extension Address {
    /// The mechanisms that an address can name; the raw value is what stands before the colon.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Named pipe.
        case fifo
        /// Unix stream socket.
        case unix
        /// Unix datagram socket.
        case unixDatagram = "unix-datagram"
        /// Unix sequenced-packet socket.
        case unixSeqpacket = "unix-seqpacket"
        /// TCP socket.
        case tcp
        /// UDP socket.
        case udp
        /// POSIX message queue.
        case mq
        /// POSIX shared memory.
        case shm
        /// POSIX named semaphore.
        case sem
        /// System V message queue.
        case sysvMsg = "sysv-msg"
        /// System V shared memory.
        case sysvShm = "sysv-shm"
        /// System V semaphore set.
        case sysvSem = "sysv-sem"
        /// Ordinary file: mapped, appended to, or locked.
        case file
        /// Topic of this package's messaging.
        case topic
        /// Service of this package's messaging.
        case service
        /// Event of this package's messaging.
        case event
        /// Work queue of this package's messaging.
        case queue
        /// Dictionary of this package's messaging.
        case dict
        /// Process.
        case pid
        /// Signal sent to this very process.
        case signal
        /// Unnamed pipe; seen, not named.
        case pipe
        /// Event counter; seen, not named.
        case eventfd
        /// Anonymous memory file; seen, not named.
        case memfd
    }
}

extension Address.Kind {
    /// A right address of this kind, for messages and documentation.
    public var example: String {
        switch self {
        case .fifo: "fifo:/tmp/log"
        case .unix: "unix:/run/app.sock"
        case .unixDatagram: "unix-datagram:@log"
        case .unixSeqpacket: "unix-seqpacket:/run/app.sock"
        case .tcp: "tcp:127.0.0.1:8080"
        case .udp: "udp:[::1]:5353"
        case .mq: "mq:/orders"
        case .shm: "shm:/frames"
        case .sem: "sem:/gate"
        case .sysvMsg: "sysv-msg:0x2a"
        case .sysvShm: "sysv-shm:id=32769"
        case .sysvSem: "sysv-sem:/etc/hostname#1"
        case .file: "file:/tmp/ledger"
        case .topic: "topic:camera/front"
        case .service: "service:convert"
        case .event: "event:tick"
        case .queue: "queue:jobs"
        case .dict: "dict:settings"
        case .pid: "pid:812"
        case .signal: "signal:SIGRTMIN+3"
        case .pipe: "pipe:[20481]"
        case .eventfd: "eventfd:17"
        case .memfd: "memfd:[1031]"
        }
    }

    /// What the object is, in words: `"POSIX message queue"`.
    public var title: String {
        switch self {
        case .fifo: "named pipe"
        case .unix: "unix stream socket"
        case .unixDatagram: "unix datagram socket"
        case .unixSeqpacket: "unix sequenced-packet socket"
        case .tcp: "TCP socket"
        case .udp: "UDP socket"
        case .mq: "POSIX message queue"
        case .shm: "POSIX shared memory"
        case .sem: "POSIX semaphore"
        case .sysvMsg: "System V message queue"
        case .sysvShm: "System V shared memory"
        case .sysvSem: "System V semaphore set"
        case .file: "file"
        case .topic: "topic"
        case .service: "service"
        case .event: "event"
        case .queue: "work queue"
        case .dict: "dictionary"
        case .pid: "process"
        case .signal: "signal"
        case .pipe: "pipe"
        case .eventfd: "event counter"
        case .memfd: "anonymous memory"
        }
    }

    /// Whether it is one of the three kinds of unix socket.
    public var isUnix: Bool { self == .unix || self == .unixDatagram || self == .unixSeqpacket }

    /// Whether it is a socket of any kind.
    public var isSocket: Bool { isUnix || self == .tcp || self == .udp }

    /// Whether it is one of the three kinds of System V object.
    public var isSystemV: Bool { self == .sysvMsg || self == .sysvShm || self == .sysvSem }

    /// The kind that was probably meant by a word that is none.
    ///
    /// - Parameter word: what stood before the colon.
    /// - Returns: the kind whose spelling is nearest, or that people know by that word; nil if none is near.
    public static func nearest(to word: String) -> Address.Kind? {
        let word = word.lowercased()
        if let exact = Address.Kind(rawValue: word) { return exact }
        if let known = otherWords[word] { return known }
        let limit = word.utf8.count <= 3 ? 1 : word.utf8.count <= 6 ? 2 : 3
        var best: (kind: Address.Kind, distance: Int)?
        for kind in allCases {
            let distance = editDistance(Array(word.utf8), Array(kind.rawValue.utf8), atMost: limit)
            if distance <= limit, distance < (best?.distance ?? .max) { best = (kind, distance) }
        }
        return best?.kind
    }

    /// What the same things are called elsewhere.
    private static let otherWords: [String: Address.Kind] = [
        "namedpipe": .fifo, "named-pipe": .fifo, "mkfifo": .fifo, "socket": .unix, "sock": .unix, "uds": .unix,
        "unix-stream": .unix, "unix-dgram": .unixDatagram, "unixgram": .unixDatagram, "dgram": .unixDatagram,
        "seqpacket": .unixSeqpacket, "posix-mq": .mq, "mqueue": .mq, "msgqueue": .mq, "messagequeue": .mq,
        "posix-shm": .shm, "shared-memory": .shm, "posix-sem": .sem, "semaphore": .sem, "msg": .sysvMsg,
        "msgq": .sysvMsg, "sysv": .sysvMsg, "sysv-mq": .sysvMsg, "sysv-queue": .sysvMsg, "process": .pid, "proc": .pid,
        "sig": .signal, "dictionary": .dict, "event-fd": .eventfd, "path": .file,
    ]
}

/// The number of single-letter changes (insert, delete, replace, swap neighbours) between two words;
/// `limit + 1` if there are more than `limit`.
package func editDistance(_ left: [UInt8], _ right: [UInt8], atMost limit: Int) -> Int {
    if abs(left.count - right.count) > limit { return limit + 1 }
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for i in left.indices {
        var row = [i + 1]
        for j in right.indices {
            var distance = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                distance = min(distance, beforeLast[j - 1] + 1)
            }
            row.append(distance)
        }
        (beforeLast, last) = (last, row)
    }
    return min(last[right.count], limit + 1)
}
