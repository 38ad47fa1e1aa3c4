// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import SystemPackage

/// The examples of README.md: what stands between `README: name` and `end` is there, word for word.
enum Examples {
    static func pipe() async throws {
        // README: Pipe
        let pipe = try PipePair()
        let reader = pipe.reader  // two ends, each a value of its own
        let writer = pipe.writer
        try await writer.write(Array("hello".utf8))
        try writer.close()
        while let bytes = try await reader.read() {  // nil is the end of the stream
            print(String(decoding: bytes, as: UTF8.self))
        }
        // end
    }

    static func manyWriters() async throws {
        // README: Many writers on one pipe
        let pipe = try PipePair()
        let reader = FragmentReader(pipe.reader)
        let writer = FragmentWriter(pipe.writer)  // one a process or thread, as many as there are
        let long = [UInt8](repeating: 7, count: 20_000)  // longer than a write that stays whole by itself
        async let sent: Void = writer.send(long)
        let message = try await reader.receive()
        try await sent
        print(message?.bytes.count ?? 0, "bytes, whole, from process", message?.processID ?? 0)
        // end
    }

    static func namedPipe() async throws {
        // README: Named pipe
        let log = NamedPipe("/tmp/readme-log")
        try log.create(.openOrCreate)  // mode 0600, whatever the umask says
        let greeting = Task {  // another process, as a rule
            let writer = try await log.openWriter()  // suspends until somebody reads; no thread hangs
            try await writer.write(Array("hello".utf8))
        }
        let reader = try await log.openReader(until: .after(.seconds(5)))
        print(String(decoding: try await reader.readAll(), as: UTF8.self))
        try await greeting.value
        try log.remove()
        // end
    }

    static func unixSocket() async throws {
        // README: Unix socket that passes a descriptor
        let listener = try SequencedPacketListener.bind(to: .path("/tmp/readme.sock"))
        let client = try await SequencedPacketSocket.connect(to: listener.address)
        try await client.send(Array("the log".utf8), descriptors: [.standardOutput])

        let server = try await listener.accept()
        print("process", try server.peerCredentials().processID, "has connected")
        var message = try await server.receiveMessage(upTo: 4096)
        if let log = message.descriptors.takeFirst() {  // ours now, close-on-exec, closed at the end
            try log.fileDescriptor.writeAll("written to a file that this process never opened\n".utf8)
        }
        // end
    }

    static func tcp() async throws {
        // README: TCP
        let listener = try StreamListener.bind(to: SocketAddress("127.0.0.1:0"))  // 0: the kernel chooses a port
        let client = try await StreamSocket.connect(to: listener.address, until: .after(.seconds(5)))
        let server = try await listener.accept()
        try await client.send(Array("hello".utf8))
        try client.shutDown(.sending)
        while case let bytes = try await server.receive(upTo: 4096), !bytes.isEmpty {  // empty is the end
            print(String(decoding: bytes, as: UTF8.self))
        }
        // end
    }

    static func messageQueue() async throws {
        // README: POSIX message queue
        let orders = try MessageQueue(
            ObjectName("/readme-orders"), mode: .openOrCreate,
            limits: .init(maxMessages: 8, messageSizeBytes: 512), removeOnClose: true)
        try await orders.send(Array("two coffees".utf8))
        try await orders.send(Array("fire!".utf8), priority: 9)
        let first = try await orders.receive(until: .after(.seconds(1)))
        print(first.priority, String(decoding: first.bytes, as: UTF8.self))  // 9 fire!
        print(try orders.status().messageCount, "left")
        // end
    }

    static func systemVMessageQueue() async throws {
        // README: System V message queue
        let jobs = try SystemVMessageQueue(
            key: .path("/etc/passwd", project: 7), mode: .openOrCreate, lifetime: .whileUsed())
        try await jobs.send(Array("print".utf8), type: 5)
        try await jobs.send(Array("scan".utf8), type: 2)
        let job = try await jobs.receive(.lowestUpTo(3))  // suspends; no descriptor needed
        print(job.type, String(decoding: job.bytes, as: UTF8.self))  // 2 scan
        print(try jobs.peek()?.type ?? 0, "is next; sent by", try jobs.status().lastSender ?? 0)
        // end
    }

    static func sharedMemory() async throws {
        // README: Shared memory with a type
        struct Totals: SharedPayload { var orders: UInt64 = 0, cents: UInt64 = 0 }
        let totals = try SharedValue(ObjectName("/readme-totals"), mode: .openOrCreate, initial: Totals())
        let orders = totals.offset(of: \.orders)
        _ = totals.region.atomicAdd(UInt64(1), at: orders)  // in place; other processes may add at the same time
        print(totals.load().orders, "order")
        try SharedMemoryObject.unlink(ObjectName("/readme-totals"))
        // end
    }

    static func sealedMemory() async throws {
        // README: Sealed memory, passed over a socket
        let ends = try SequencedPacketSocket.pair()
        let picture = try SealedMemory(byteCount: 1 << 20) { region in region.fill(with: 7) }
        try picture.seal(.immutable)  // from now on nobody can write, grow or shrink it, not even this process
        try await ends.first.send([0], descriptors: [picture.fileDescriptor])

        var message = try await ends.second.receiveMessage(upTo: 1)
        if let descriptor = message.descriptors.takeFirst() {
            let received = try SealedMemory(adopting: descriptor, requiring: .immutable)  // checked before it is mapped
            let pixels = try received.map(access: .readOnly)
            print(pixels.byteCount, "bytes without a copy; the first is", pixels.bytes[0])
        }
        // end
    }

    static func semaphore() async throws {
        // README: Semaphore
        let tables = try NamedSemaphore(
            ObjectName("/readme-tables"), mode: .openOrCreate, initialValue: 2, removeOnClose: true)
        try await tables.withPermit(until: .after(.seconds(5))) {  // suspends; given back at the end, also by an error
            print("at a table;", tables.value, "left")
        }
        // end
    }

    static func semaphoreSet() async throws {
        // README: Semaphores that nobody takes into the grave
        let forks = try SystemVSemaphoreSet(
            key: .private, mode: .createExclusive, values: [1, 1, 1], lifetime: .removeOnClose)
        try await forks.perform([.wait(0, undo: true), .wait(1, undo: true)])  // both at once, or none
        print("forks:", try forks.values())  // if this process is killed now, the kernel puts them back
        try await forks.perform([.post(0, undo: true), .post(1, undo: true)])
        // end
    }

    static func robustMutex() async throws {
        // README: A lock that survives its owner
        struct Account: SharedPayload { var balance: Int64 = 0, version: Int64 = 0 }
        let account = try RobustMutex(
            ObjectName("/readme-account"), initial: Account(),
            recovery: .repair { account in  // an owner was killed in the middle: the next one is told, and repairs
                account.version += 1
                return true
            })
        try await account.withLock { $0.balance += 100 }  // as many processes as like
        print("balance", try await account.withLock { $0.balance })
        try LockMemory.unlink(ObjectName("/readme-account"))
        // end
    }

    static func fileLock() async throws {
        // README: File lock
        let ledger = try FileLock("/tmp/readme-ledger")
        try await ledger.withLock(.exclusive, until: .after(.seconds(5))) {
            let other = try ledger.reopened()  // as another process would
            print("may another have it?", try other.tryLock(.shared))
            let holder = try other.holders().first
            print("process", holder?.processID ?? 0, "has it; this is", try ProcessHandle.current().processID)
        }
        // end
    }

    static func signals() async throws {
        // README: Signals as values
        let signals = try SignalReceiver([.realTime(3), .terminate])  // blocked in every thread; no handler runs code
        try ProcessHandle.current().send(.realTime(3), value: 42)
        let news = try await signals.receive(until: .after(.seconds(5)))
        print(news.signal, news.value ?? 0)  // SIGRTMIN+3 42
        // end
    }

    static func processes() async throws {
        // README: Processes
        var command = ProcessCommand("/bin/sh", ["-c", "exit 3"])
        command.limits = [.descriptors: .both(64)]
        command.signalAtParentDeath = .terminate
        let child = try ProcessHandle.spawn(command)  // what exec refuses is thrown here
        let end = try await child.exit(until: .after(.seconds(5)))
        print("exit code", end.code ?? -1)
        // end
    }

    static func topics() async throws {
        // README: Topics
        let topic = try Topic("robot/pose", of: Pose.self)
        let publisher = try topic.publisher()  // as many as like, in any processes
        var loan = try await publisher.loan()  // a place in the log
        loan.payload.x = 1.5  // written where it will be read
        loan.send()  // one store: everybody sees it

        let subscriber = try await topic.subscriber(.init(history: .latest(10)))  // lossless, or .lossy
        guard let sample = try await subscriber.next(until: .after(.seconds(5))) else { return }
        print(sample.payload.x, "is message", sample.header.sequence)
        // end
    }

    static func waitAny() async throws {
        // README: The first of any mix
        let orders = try SystemVMessageQueue(key: .private, mode: .createExclusive, lifetime: .removeOnClose)
        let alarms = try SystemVMessageQueue(key: .private, mode: .createExclusive, lifetime: .removeOnClose)
        let pipe = try PipePair()
        try await alarms.send(Array("fire!".utf8))

        let any = WaitAny([try orders.receivable(), try alarms.receivable(), try pipe.reader.readable()])
        switch try await any.first(until: .after(.seconds(5))) {
        case 0: print("an order:", try orders.tryReceive()?.bytes ?? [])
        case 1: print("an alarm:", try alarms.tryReceive()?.bytes ?? [])
        case 2: print("bytes:", try await pipe.reader.read() ?? [])
        default: print("nothing for five seconds")
        }
        // end
    }
}

/// The payload of the topic.
struct Pose: SharedPayload { var x = 0.0, y = 0.0, heading = 0.0 }
