// SPDX-License-Identifier: Apache-2.0
import Interprocess
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
