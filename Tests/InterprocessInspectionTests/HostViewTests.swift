// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection
import InterprocessTestKit
import SystemPackage
import Testing

/// Real objects of other processes, seen from here.
@Suite struct HostViewTests {
    /// A Python script that makes something, says so, and stays until its input ends.
    func python(_ script: String, _ arguments: [String] = []) throws -> (peer: Peer, line: String) {
        let peer = try Peer.python(script + "\nimport sys\nsys.stdin.read()\n", arguments)
        let line = try #require(try peer.readLine())
        return (peer, line)
    }

    func view(_ kinds: Set<Address.Kind>, _ directories: [FilePath] = []) -> HostView {
        HostView.read(HostView.Options(kinds: kinds, directories: directories))
    }

    @Test(.requires("python3")) func aPipeWithItsContentAndBothEnds() throws {
        let (peer, line) = try python(
            "import os\nr, w = os.pipe()\nos.write(w, b'x' * 77)\nprint(os.fstat(r).st_ino, r, w)")
        let parts = line.split(separator: " ").compactMap { UInt64($0) }
        let object = try HostView.lookUp(.pipe(inode: parts[0]))
        #expect(object.usedBytes == 77 && object.limitBytes == 65_536)
        #expect(object.permissions?.rawValue == 0o600)
        let holder = try #require(object.holders.first)
        #expect(object.holders.count == 1 && holder.processID == peer.processID && holder.isAlive)
        #expect(holder.descriptors.map(\.description) == ["\(parts[1])r", "\(parts[2])w"])
        guard case .pipe(let details) = object.details else { return #expect(Bool(false)) }
        #expect(details.readers == 1 && details.writers == 1 && details.path == nil)
        #expect(view([.pipe]).objects.contains { $0.address == object.address })
    }

    @Test(.requires("python3")) func aNamedPipeIsFoundOpenAndClosed() throws {
        let scratch = ScratchName()
        let path = scratch.path("fifo")
        let (peer, _) = try python(
            "import os, sys\nos.mkfifo(sys.argv[1], 0o640)\nf = os.open(sys.argv[1], os.O_RDWR)\nos.write(f, b'abc')\nprint('ready')",
            [path.string])
        let object = try HostView.lookUp(.fifo(path))
        #expect(object.usedBytes == 3 && object.holders.map(\.processID) == [peer.processID])
        #expect(object.holders.first?.canRead == true && object.holders.first?.canWrite == true)
        #expect(
            view([.fifo], [scratch.directory]).objects.contains { $0.address == .fifo(path) && !$0.holders.isEmpty })

        _ = try peer.finish()
        let closed = view([.fifo], [scratch.directory])
        let left = try #require(closed.objects.first { $0.address == .fifo(path) })
        #expect(left.holders.isEmpty && left.usedBytes == 0)
        if left.holdersAreComplete {
            #expect(closed.orphans().contains { $0.object.address == .fifo(path) && $0.reason == "nobody has it open" })
            #expect(!closed.orphans(olderThan: .seconds(3600)).contains { $0.object.address == .fifo(path) })
        }
    }

    @Test(.requires("python3"), arguments: [("STREAM", Address.Kind.unix), ("SEQPACKET", .unixSeqpacket)])
    func unixListenersAndTheirConnections(type: String, kind: Address.Kind) throws {
        let scratch = ScratchName()
        let path = scratch.path("sock")
        let script = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_\(type)); s.bind(sys.argv[1]); s.listen(5)
            c = socket.socket(socket.AF_UNIX, socket.SOCK_\(type)); c.connect(sys.argv[1])
            a, _ = s.accept(); c.send(b'hello')
            w = socket.socket(socket.AF_UNIX, socket.SOCK_\(type)); w.connect(sys.argv[1])
            print(s.fileno(), __import__('os').fstat(a.fileno()).st_ino)
            """
        let (peer, line) = try python(script, [path.string])
        let object = try HostView.lookUp(.unix(path, kind: kind))
        guard case .unix(let details) = object.details else { return #expect(Bool(false)) }
        #expect(details.state == .listening && details.pendingConnections == 1 && details.backlog == 5)
        #expect(object.usedCount == 1 && object.limitCount == 5)
        #expect(object.holders.map(\.processID) == [peer.processID])

        let all = view([kind], [scratch.directory])
        #expect(all.objects.count { $0.address == .unix(path, kind: kind) } == 1)
        let inode = try #require(line.split(separator: " ").last.flatMap { UInt64($0) })
        let accepted = try HostView.lookUp(try Address(kind: kind, name: .number(inode)))
        guard case .unix(let connection) = accepted.details else { return #expect(Bool(false)) }
        #expect(connection.state == .connected && connection.receiveQueueBytes == 5)
        let client = try HostView.lookUp(try #require(connection.peer))
        guard case .unix(let other) = client.details else { return #expect(Bool(false)) }
        #expect(other.peerInode == inode)

        // The path asked for as another type of socket is refused with the right address.
        let wrong: Address.Kind = kind == .unix ? .unixDatagram : .unix
        #expect { try HostView.lookUp(.unix(path, kind: wrong)) } throws: { error in
            (error as? IPCError)?.code == .wrongKind && (error as? IPCError)?.hint.contains(kind.rawValue) == true
        }

        _ = try peer.finish()
        let stale = try HostView.lookUp(.unix(path))
        guard case .unix(let gone) = stale.details else { return #expect(Bool(false)) }
        #expect(gone.state == .stale && stale.holders.isEmpty)
        #expect(view([.unix], [scratch.directory]).orphans().contains { $0.object.address == .unix(path) })
    }

    @Test(.requires("python3")) func abstractNamesAndDatagrams() throws {
        let name = ScratchName().abstractName()
        let script = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('\\0' + sys.argv[1]); print('ready')
            """
        let (peer, _) = try python(script, [name])
        let address = Address.unix(abstract: Array(name.utf8), kind: .unixDatagram)
        let object = try HostView.lookUp(address)
        #expect(object.address == address && object.holders.map(\.processID) == [peer.processID])
        #expect(object.otherAddresses.count == 1)
        #expect(try HostView.lookUp(object.otherAddresses[0]).address == address)
    }

    @Test(.requires("python3"), arguments: [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
    func internetSockets(family: String, host: String) throws {
        let script = """
            import socket
            s = socket.socket(socket.\(family), socket.SOCK_STREAM); s.bind(('\(host)', 0)); s.listen(7)
            c = socket.create_connection(('\(host)', s.getsockname()[1])); a, _ = s.accept(); c.send(b'12345')
            u = socket.socket(socket.\(family), socket.SOCK_DGRAM); u.bind(('\(host)', 0))
            print(s.getsockname()[1], c.getsockname()[1], u.getsockname()[1])
            """
        let (peer, line) = try python(script)
        let ports = line.split(separator: " ").compactMap { UInt16($0) }
        let listener = try HostView.lookUp(.tcp(host: host, port: ports[0]))
        guard case .internet(let details) = listener.details else { return #expect(Bool(false)) }
        #expect(
            details.state == .listening && details.local == Endpoint(host: host, port: ports[0])
                && details.remote == nil)
        #expect(details.backlog == 7 && details.pendingConnections == 0)
        #expect(listener.holders.map(\.processID) == [peer.processID])
        let client = try HostView.lookUp(.tcp(host: host, port: ports[1]))
        guard case .internet(let connection) = client.details else { return #expect(Bool(false)) }
        #expect(connection.state == .established && connection.remote == Endpoint(host: host, port: ports[0]))
        let datagrams = try HostView.lookUp(.udp(host: host, port: ports[2]))
        #expect(datagrams.holders.map(\.processID) == [peer.processID])
        let all = view([.tcp, .udp])
        #expect(all.objects.count { $0.address == .tcp(host: host, port: ports[0]) } == 1)
        // The accepted end bears the listener's address: it goes by its inode.
        let accepted = try #require(all.objects.first { $0.otherAddresses.contains(.tcp(host: host, port: ports[0])) })
        #expect(accepted.usedBytes == 5)
        #expect(try HostView.lookUp(accepted.address).address == accepted.address)
    }

    @Test(.requires(python: "posix_ipc")) func posixQueues() throws {
        let scratch = ScratchName()
        let name = scratch.objectName()
        let script = """
            import posix_ipc, sys
            q = posix_ipc.MessageQueue(sys.argv[1], posix_ipc.O_CREX, mode=0o640, max_messages=4, max_message_size=100)
            q.send(b'x' * 30); q.send(b'y' * 12); print('ready')
            """
        let (peer, _) = try python(script, [name.description])
        let object = try HostView.lookUp(.messageQueue(name))
        guard case .messageQueue(let details) = object.details else { return #expect(Bool(false)) }
        #expect(details.messages == 2 && details.maxMessages == 4 && details.messageSizeBytes == 100)
        #expect(object.usedBytes == 42 && object.limitBytes == 400 && object.fraction == 0.5)
        #expect(object.permissions == FilePermissions(rawValue: 0o640))
        #expect(object.holders.map(\.processID) == [peer.processID])
        #expect(view([.mq]).objects.contains { $0.address == .messageQueue(name) })

        _ = try peer.finish()
        let left = view([.mq])
        if !left.isPartial {
            let orphan = try #require(left.orphans().first { $0.object.address == .messageQueue(name) })
            #expect(orphan.reason == "nobody has it open; 2 messages wait in it")
        }
    }

    @Test(.requires(python: "sysv_ipc")) func systemVQueuesAndWhoWaits() throws {
        let scratch = ScratchName()
        let key = scratch.key()
        let script = """
            import sysv_ipc, sys, os
            q = sysv_ipc.MessageQueue(int(sys.argv[1]), sysv_ipc.IPC_CREX, mode=0o640); q.send(b'12345', type=3)
            print(q.id, os.getpid(), flush=True)
            q.receive(type=99)
            """
        let peer = try Peer.python(script, ["\(key)"])
        let line = try #require(try peer.readLine())
        let parts = line.split(separator: " ").compactMap { Int32($0) }
        let address = Address.systemVMessageQueue(.number(key))
        var object = try HostView.lookUp(address)
        #expect(object.usedBytes == 5 && object.usedCount == 1 && (object.limitBytes ?? 0) > 0)
        #expect(object.permissions == FilePermissions(rawValue: 0o640))
        #expect(object.otherAddresses == [.systemVMessageQueue(id: parts[0])])
        #expect(try HostView.lookUp(.systemVMessageQueue(id: parts[0])).address == address)
        #expect(object.holders.contains { $0.relation == .lastSender && $0.processID == peer.processID && $0.isAlive })
        // It is on its way into msgrcv; look until it is there.
        let deadline = Deadline.after(.seconds(20))
        while !object.holders.contains(where: { $0.relation == .waitsToReceive }), !deadline.hasPassed {
            object = try HostView.lookUp(address)
        }
        #expect(object.holders.contains { $0.relation == .waitsToReceive && $0.processID == peer.processID })
        #expect(!view([.sysvMsg]).orphans().contains { $0.object.address == address })

        peer.kill()
        try peer.wait()
        let left = view([.sysvMsg])
        if !left.isPartial {
            let orphan = try #require(left.orphans().first { $0.object.address == address })
            #expect(orphan.reason == "its only sender (\(peer.processID)) is gone and nobody ever received")
        }
    }

    @Test(.requires("ipcs", "ipcmk")) func theSameSystemVQueuesAsIpcs() throws {
        let made = try Peer(["ipcmk", "-Q", "-p", "0600"]).finish().text
        let id = try #require(
            made.split(separator: " ").last.flatMap { Int32($0.trimmingPrefix("\n").prefix { $0.isNumber }) })
        let listed = try Peer(["ipcs", "-q", "-i", "\(id)"]).finish().text
        let object = try HostView.lookUp(.systemVMessageQueue(id: id))
        #expect(listed.contains("msqid=\(id)") && object.permissions?.rawValue == 0o600)
        #expect(listed.contains("qbytes=\(try #require(object.limitBytes))"))
        _ = try Peer(["ipcrm", "-q", "\(id)"]).finish()
        #expect { try HostView.lookUp(.systemVMessageQueue(id: id)) } throws: { ($0 as? IPCError)?.code == .notFound }
    }

    @Test(.requires("python3")) func eventCounters() throws {
        let script = """
            import ctypes, os
            f = ctypes.CDLL(None).eventfd(5, 0)
            print([l.split()[1] for l in open('/proc/self/fdinfo/%d' % f) if l.startswith('eventfd-id')][0])
            """
        let (peer, line) = try python(script)
        let object = try HostView.lookUp(.eventfd(id: try #require(UInt64(line))))
        #expect(object.usedCount == 5 && object.holders.map(\.processID) == [peer.processID])
    }

    @Test func whatIsNotThere() throws {
        let scratch = ScratchName()
        let file = scratch.path("plain")
        try Checkout.write("x", to: file)
        let cases: [(Address, IPCError.Code)] = [
            (.fifo(scratch.path()), .notFound), (.fifo(file), .wrongKind), (.fifo("/"), .wrongKind),
            (.unix(scratch.path()), .notFound), (.unix(file), .wrongKind),
            (.unix(abstract: Array(scratch.abstractName().utf8)), .notFound), (.pipe(inode: 1), .notFound),
            (.eventfd(id: .max), .notFound), (.messageQueue(scratch.objectName()), .notFound),
            (.systemVMessageQueue(.number(scratch.key())), .notFound),
            (.systemVMessageQueue(.private), .invalidArgument),
            (.tcp(host: "127.0.0.1", port: 0), .notFound), (.tcp(host: "203.0.113.7", port: 9), .notFound),
            (try Address("unix:[1]"), .notFound), (try Address("tcp:[0]"), .notFound), (.process(.max), .notFound),
            (try Address("topic:camera"), .unsupported), (try Address("shm:\(scratch.objectName())"), .notFound),
            (try Address("sem:\(scratch.objectName())"), .notFound), (try Address("memfd:[1]"), .notFound),
            (try Address("sysv-shm:\(scratch.key())"), .notFound), (try Address("sysv-sem:private"), .invalidArgument),
            (.file(scratch.path()), .notFound), (.file("/"), .wrongKind),
        ]
        for (address, code) in cases {
            #expect { try HostView.lookUp(address) } throws: { error in
                (error as? IPCError)?.code == code
            }
        }
    }

    @Test func everyObjectIsFoundAgainByItsAddress() throws {
        for object in view(HostView.kinds).objects {
            #expect(try Address(object.address.description) == object.address)
            _ = object.facts
        }
    }

    @Test func aSearchThatIsCutSaysSo() {
        let view = HostView.read(
            HostView.Options(kinds: [.fifo], findsHolders: false, directories: ["/"], entryLimit: 3))
        #expect(view.isPartial && view.missing.contains { $0.what.contains("beyond 3") })
    }

    @Test func limitsHaveValues() throws {
        let limits = HostView.limits()
        #expect(limits.contains { $0.name == "kernel.msgmnb" && $0.isBytes && ($0.value ?? 0) > 0 })
        let descriptors = try #require(limits.first { $0.name == "RLIMIT_NOFILE" })
        #expect(descriptors.scope == .process && (descriptors.used ?? 0) > 0)
        #expect(HostView.limits(kinds: [.mq]).allSatisfy { $0.kinds.contains(.mq) })
        #expect(HostView.limits(kinds: [.mq]).contains { $0.name == "fs.mqueue.msg_max" })
    }
}
