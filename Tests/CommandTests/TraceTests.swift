// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// `ipc trace`, with shells, Python and strace as those who are watched and who watch as well.
@Suite(.bounded()) struct TraceTests {
    let scratch = ScratchName()

    /// The records of a command, which must end with `code`.
    private func trace(_ command: [String], expecting code: Int32 = 0, _ options: String...) throws -> String {
        let file = scratch.path()
        let peer = try Peer(
            [Checkout.command.string, "trace", "--json", "--output", file.string] + options + ["--"] + command)
        let outcome = try peer.finish()
        #expect(outcome.status == .exited(code), "\(outcome.errorText)")
        return try Checkout.text(of: file)
    }

    @Test func aPipelineIsSeenThrough() throws {
        let outcome = try ipc("trace", "--json", "--", "sh", "-c", "seq 100000 | sort | tail -1")
        // What the command writes is not among the records.
        #expect(outcome.errorText == "99999\n")
        let lines = outcome.text
        #expect(
            try parsed(lines, "all(m['schema'] == 1 and m['pid'] > 0 and m['waitedNanoseconds'] >= 0 for m in d)")
                == "True")
        let pipes = "{m['address'] for m in d if m['call'] == 'pipe2' or m['call'] == 'pipe'}"
        #expect(try parsed(lines, "len(\(pipes)) >= 2") == "True")
        let total = "sum(m['bytes'] for m in d if m['call'] == '%s' and m.get('address') in \(pipes) and 'bytes' in m)"
        // seq writes 588895 bytes into the first pipe, sort as many into the second (tail takes them all).
        for call in ["read", "write"] {
            #expect(try parsed(lines, total.replacing("%s", with: call)) == "1177790")
        }
    }

    @Test func exitStatusIsTheCommands() throws {
        try ipc("trace", "--", "sh", "-c", "exit 7", expecting: 7)
        try ipc("trace", "--", "sh", "-c", "kill -TERM $$", expecting: 143)
        try ipc("trace", "--", "/nowhere/at/all", expecting: 103)
        try ipc("trace", "--", "no-such-program-anywhere", expecting: 103)
        let plain = scratch.path()
        try Checkout.write("not a program", to: plain)
        try ipc("trace", "--", plain.string, expecting: 105)
        try ipc("trace", "pid:1073741800", expecting: 3)
        try ipc("trace", expecting: 64)
        try ipc("trace", "mq:/x", expecting: 64)
        try ipc("trace", "pid:1", "--", "true", expecting: 64)
    }

    @Test(.requires("strace")) func anotherTracerIsPermissionDenied() throws {
        let peer = try Peer(["sleep", "1000"])
        let other = try Peer(["strace", "-o", "/dev/null", "-p", "\(peer.processID)"])
        try eventually("strace has it") {
            try Checkout.text(of: FilePath("/proc/\(peer.processID)/status")).contains("TracerPid:\t\(other.processID)")
        }
        let refused = try ipc("trace", "pid:\(peer.processID)", expecting: 5)
        #expect(refused.errorText.contains("EPERM") && refused.errorText.contains("(strace) traces it already"))
    }

    @Test(.requires("strace")) func asManyCallsAsStraceSees() throws {
        // Everybody reads to the end: nobody's writes depend on when a reader goes.
        let line = "seq 20000 | sort -r | tail -3 | cat > /dev/null"
        let ours = try trace(["sh", "-c", line])
        let file = scratch.path()
        let strace = try Peer([
            "strace", "-f", "-y", "-e", "trace=write,pipe2,pipe", "-o", file.string, "sh", "-c", line,
        ])
        .finish()
        #expect(strace.status == .exited(0))
        let theirs = try Checkout.text(of: file)
        func count(_ call: String) -> Int {
            theirs.split(separator: "\n").filter { row in
                row.contains(" \(call)(") && (call != "write" || row.contains("<pipe:["))
            }.count
        }
        let writes = try #require(
            Int(try parsed(ours, "len([m for m in d if m['call'] == 'write' and m['address'][:4] == 'pipe'])")))
        #expect(writes == count("write"))
        #expect(
            try parsed(ours, "len([m for m in d if m['call'] in ('pipe', 'pipe2')])")
                == "\(count("pipe") + count("pipe2"))")
    }

    @Test(.requires(python: "posix_ipc")) func posixObjects() throws {
        let (queue, memory) = (scratch.queueName(), scratch.queueName())
        let script = """
            import posix_ipc, sys, mmap, os
            q = posix_ipc.MessageQueue(sys.argv[1], posix_ipc.O_CREX, max_messages=4, max_message_size=64)
            q.send(b'hello', priority=3); print(q.receive()); q.close(); posix_ipc.unlink_message_queue(sys.argv[1])
            m = posix_ipc.SharedMemory(sys.argv[2], posix_ipc.O_CREX, size=4096)
            v = mmap.mmap(m.fd, 4096); v[0] = 1; posix_ipc.unlink_shared_memory(sys.argv[2])
            """
        let records = try trace(["python3", "-c", script, queue, memory])
        func of(_ call: String, _ fields: String) throws -> String {
            try parsed(
                records,
                "[(\(fields)) for m in d if m['call'] == '\(call)' and 'swift-ipc-test' in m.get('address', '')]")
        }
        #expect(try of("mq_timedsend", "m['address'], m['bytes'], m['detail']") == "[('mq:\(queue)', 5, 'priority 3')]")
        #expect(try of("mq_timedreceive", "m['address'], m['bytes']") == "[('mq:\(queue)', 5)]")
        #expect(try of("mq_unlink", "m['result']") == "[0]")
        #expect(try of("openat", "m['address']") == "['shm:\(memory)']")
        #expect(try of("mmap", "m['address'], m['detail']") == "[('shm:\(memory)', '4096 bytes')]")
        #expect(try of("unlink", "m['address']") == "['shm:\(memory)']")
    }

    @Test(.requires(python: "sysv_ipc")) func systemVObjects() throws {
        let key = scratch.key()
        let script = """
            import sysv_ipc, sys
            key = int(sys.argv[1])
            q = sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREX); q.send(b'four', type=4); q.receive(type=4)
            s = sysv_ipc.Semaphore(key, sysv_ipc.IPC_CREX, initial_value=1); s.acquire(); s.release()
            m = sysv_ipc.SharedMemory(key, sysv_ipc.IPC_CREX, size=4096); m.write(b'x'); m.detach()
            m.remove(); s.remove(); q.remove()
            try: q.send(b'x')
            except Exception as error: pass
            """
        let records = try trace(["python3", "-c", script, "\(key)"])
        let name = "0x" + String(key, radix: 16)
        func of(_ call: String, _ fields: String) throws -> String {
            try parsed(records, "[(\(fields)) for m in d if m['call'] == '\(call)']")
        }
        #expect(try of("msgget", "m['address'], m['result'] >= 0") == "[('sysv-msg:\(name)', True)]")
        #expect(try of("msgrcv", "m['address'], m['bytes'], m['detail']") == "[('sysv-msg:\(name)', 4, 'type 4')]")
        #expect(
            try parsed(records, "[(m['address'], m['bytes']) for m in d if m['call'] == 'msgsnd' and 'bytes' in m]")
                == "[('sysv-msg:\(name)', 4)]")
        #expect(
            try parsed(records, "[m['errno'] for m in d if m['call'] == 'msgsnd' and 'errno' in m]") == "['EINVAL']")
        #expect(
            try parsed(
                records,
                "[m['detail'] for m in d if m['call'] in ('semop', 'semtimedop') and m['address'] == 'sysv-sem:\(name)'][-2:]"
            ) == "['0: -1', '0: +1']")
        #expect(try of("shmat", "m['address']") == "['sysv-shm:\(name)']")
        #expect(try of("shmdt", "m['address']") == "['sysv-shm:\(name)']")
    }

    @Test func socketsSignalsLocksAndCounters() throws {
        let (path, lock) = (scratch.path(), scratch.path())
        let script = """
            import fcntl, os, signal, socket, sys, mmap
            s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
            c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); a, _ = s.accept()
            c.sendall(b'12345'); a.recv(10)
            p, q = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); p.send(b'xy'); q.recv(9)
            f = open(sys.argv[2], 'w'); fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX)
            e = os.eventfd(0); os.eventfd_write(e, 3); os.eventfd_read(e)
            signal.signal(signal.SIGUSR1, lambda *a: None); os.kill(os.getpid(), signal.SIGUSR1)
            m = os.memfd_create('m'); os.ftruncate(m, 4096); mmap.mmap(m, 4096)
            """
        let records = try trace(["python3", "-c", script, path.string, lock.string])
        func all(_ condition: String, _ fields: String) throws -> String {
            try parsed(records, "[(\(fields)) for m in d if \(condition)]")
        }
        #expect(try all("m['call'] == 'bind'", "m['address']") == "['unix:\(path)']")
        #expect(try all("m['call'] == 'connect' and m.get('peer') == '\(path)'", "m['result']") == "[0]")
        #expect(try all("m['call'] == 'sendto' and m['bytes'] == 5", "m['address'][:6]") == "['unix:[']")
        #expect(try all("m['call'] == 'recvfrom' and m['bytes'] == 5", "m['address']") == "['unix:\(path)']")
        #expect(try all("m['call'] == 'recvfrom' and m['bytes'] == 2", "m['address'][:15]") == "['unix-datagram:[']")
        #expect(try all("m['call'] == 'flock'", "m['address'], m['detail']") == "[('file:\(lock)', 'exclusive')]")
        #expect(
            try all("m['call'] == 'fcntl' and 'SETLKW' in m['detail']", "m['address'], m['detail']")
                == "[('file:\(lock)', 'F_SETLKW exclusive')]")
        #expect(
            try all("m.get('address', '')[:8] == 'eventfd:' and 'bytes' in m", "m['call'], m['bytes']")
                == "[('write', 8), ('read', 8)]")
        #expect(
            try all("m['call'] in ('kill', 'tgkill') and 'USR1' in m['detail']", "m['address'] == 'pid:%d' % m['pid']")
                == "[True]")
        #expect(
            try all(
                "m['call'] in ('memfd_create', 'ftruncate', 'mmap') and m.get('address', '')[:6] == 'memfd:'",
                "m['call']") == "['memfd_create', 'ftruncate', 'mmap']")
    }

    @Test func aRunningProcessIsFollowedAndLeftRunning() throws {
        let peer = try Peer.shell("while read word; do echo $word | cat; done")
        try peer.send("before")
        try peer.expect("before")
        let tracer = try start("trace", "pid:\(peer.processID)", "--json")
        try eventually("it traces") { tracer.errorText.contains("Ctrl-C") }
        try peer.send("during")
        try peer.expect("during")
        let line = try #require(try tracer.readLine())
        #expect(line.contains("\"schema\":1"))
        tracer.kill(2)
        #expect(try tracer.wait() == .signaled(2))
        try peer.send("after")
        try peer.expect("after")
        peer.closeInput()
        #expect(try peer.wait() == .exited(0))
    }

    @Test func theSumOfAProcessIsToldAtCtrlC() throws {
        let peer = try Peer(["cat"])
        let tracer = try start("trace", "pid:\(peer.processID)", "--summary", "--json")
        try eventually("it traces") { tracer.errorText.contains("Ctrl-C") }
        for word in ["one", "three"] {
            try peer.send(word)
            try peer.expect(word)
        }
        tracer.kill(2)
        let text = String(decoding: try tracer.readAll(), as: UTF8.self)
        #expect(
            try parsed(
                text, "sorted((m['bytesIn'], m['bytesOut'], m['byCall'].get('write')) for m in d if m['bytesOut'])")
                == "[(0, 10, 2)]")
        peer.closeInput()
        #expect(try peer.wait() == .exited(0))
    }
}
