// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Memory, semaphores, locks and processes of foreign programs, seen from here.
@Suite struct MemoryViewTests {
    let scratch = ScratchName()

    /// A Python script that makes something, says so, and stays until its input ends.
    private func python(_ script: String, _ arguments: [String] = []) throws -> (peer: Peer, line: String) {
        let peer = try Peer.python(script + "\nimport sys\nsys.stdout.flush()\nsys.stdin.read()\n", arguments)
        return (peer, try #require(try peer.readLine()))
    }

    private func view(_ kinds: Set<Address.Kind>) -> HostView {
        HostView.read(HostView.Options(kinds: kinds, directories: []))
    }

    private func relations(_ object: InspectedObject, _ process: Int32) -> [Holder.Relation] {
        object.holders.filter { $0.processID == process }.map(\.relation)
    }

    @Test(.requires("python3")) func sharedMemoryAndWhoHasIt() throws {
        let name = scratch.queueName()
        let address = try Address("shm:\(name)")
        let script = """
            import os, mmap, sys
            path = '/dev/shm' + sys.argv[1]
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o640); os.ftruncate(fd, 10000); m = mmap.mmap(fd, 10000)
            print(fd)
            sys.stdout.flush(); sys.stdin.readline(); os.unlink(path); print('unlinked')
            """
        let (peer, line) = try python(script, [name])
        let object = try HostView.lookUp(address)
        #expect(object.usedBytes == 10_000 && object.permissions?.rawValue == 0o640)
        #expect(relations(object, peer.processID) == [.open, .maps])
        #expect(object.holders.first?.descriptors.map(\.description).contains("\(line)rw") == true)
        #expect(object.holders.last?.mappedBytes == 12_288)
        guard case .sharedMemory(let memory) = object.details else { return #expect(Bool(false)) }
        #expect(memory.sizeBytes == 10_000 && memory.isLinked == true && memory.seals == nil)
        #expect(view([.shm]).objects.contains { $0.address == address })
        #expect(!view([.shm]).orphans().contains { $0.object.address == address })

        try peer.write(Array("\n".utf8))
        #expect(try peer.readLine() == "unlinked")
        #expect { try HostView.lookUp(address) } throws: { ($0 as? IPCError)?.code == .notFound }
        let held = try #require(view([.shm]).objects.first { $0.address == address })
        guard case .sharedMemory(let left) = held.details else { return #expect(Bool(false)) }
        #expect(left.isLinked == false && relations(held, peer.processID).contains(.maps))
    }

    @Test(.requires("python3")) func memoryWithoutAName() throws {
        let script = """
            import os, fcntl, mmap
            fd = os.memfd_create('pictures', os.MFD_ALLOW_SEALING); os.ftruncate(fd, 8192)
            fcntl.fcntl(fd, 1033, 2 | 4); m = mmap.mmap(fd, 8192); print(os.fstat(fd).st_ino)
            """
        let (peer, line) = try python(script)
        let object = try HostView.lookUp(try Address("memfd:[\(line)]"))
        guard case .sharedMemory(let memory) = object.details else { return #expect(Bool(false)) }
        #expect(memory.label == "pictures" && memory.seals == ["shrink", "grow"] && memory.sizeBytes == 8192)
        #expect(relations(object, peer.processID) == [.open, .maps])
        #expect(view([.memfd]).objects.contains { $0.address == object.address })
    }

    @Test(.requires(python: "posix_ipc")) func namedSemaphoresAndWhoWaits() throws {
        let name = scratch.queueName()
        let address = try Address("sem:\(name)")
        let script = """
            import posix_ipc, sys
            s = posix_ipc.Semaphore(sys.argv[1], posix_ipc.O_CREX, initial_value=3); s.acquire(); print(s.value)
            sys.stdout.flush(); sys.stdin.readline()
            s.acquire(); s.acquire(); print('empty', flush=True); s.acquire(); s.unlink(); print('done')
            """
        let (peer, line) = try python(script, [name])
        guard case .semaphore(let first) = try HostView.lookUp(address).details else { return #expect(Bool(false)) }
        #expect(first.value == UInt32(line) && first.waiting == 0 && first.isLinked)
        try peer.write(Array("\n".utf8))
        #expect(try peer.readLine() == "empty")
        var object = try HostView.lookUp(address)
        for _ in 0..<4000 where !relations(object, peer.processID).contains(.waits) {
            TestSyscalls.sleep(nanoseconds: 5_000_000)
            object = try HostView.lookUp(address)
        }
        guard case .semaphore(let second) = object.details else { return #expect(Bool(false)) }
        #expect(second.value == 0 && second.waiting == 1)
        #expect(relations(object, peer.processID).contains(.waits))
        try NamedSemaphore(ObjectName(name)).post()
        #expect(try peer.readLine() == "done")
    }

    @Test(.requires(python: "sysv_ipc")) func segmentsAndSets() throws {
        let keys = [scratch.key(), scratch.key()]
        let script = """
            import sysv_ipc, sys
            m = sysv_ipc.SharedMemory(int(sys.argv[1]), sysv_ipc.IPC_CREX, size=5000, mode=0o640)
            s = sysv_ipc.Semaphore(int(sys.argv[2]), sysv_ipc.IPC_CREX, initial_value=2); s.acquire()
            print(m.id, s.id)
            """
        let (peer, line) = try python(script, keys.map(String.init))
        let ids = line.split(separator: " ").map(String.init)
        let segment = try HostView.lookUp(try Address("sysv-shm:\(keys[0])"))
        #expect(segment.otherAddresses.map(\.description) == ["sysv-shm:id=\(ids[0])"])
        guard case .systemVSegment(let details) = segment.details else { return #expect(Bool(false)) }
        #expect(details.sizeBytes == 5000 && details.attachments == 1 && details.creatorProcess == peer.processID)
        #expect(relations(segment, peer.processID) == [.attached, .creator, .lastUser])
        let set = try HostView.lookUp(try Address("sysv-sem:id=\(ids[1])"))
        guard case .systemVSemaphores(let values) = set.details else { return #expect(Bool(false)) }
        #expect(values.values == [1] && values.lastProcesses == [peer.processID] && values.count == 1)
        #expect(relations(set, peer.processID) == [.lastUser])

        let kinds: Set<Address.Kind> = [.sysvShm, .sysvSem]
        let mine = Set([segment.address, set.address])
        #expect(!view(kinds).orphans().contains { mine.contains($0.object.address) })
        _ = try peer.finish()
        let left = view(kinds)
        #expect(left.objects.count { mine.contains($0.address) } == 2)
        if left.missing.isEmpty {
            #expect(left.orphans().count { mine.contains($0.object.address) } == 2)
        }
        try SystemVSharedMemory.remove(key: .number(keys[0]))
        try SystemVSemaphoreSet.remove(key: .number(keys[1]))
        #expect { try HostView.lookUp(segment.address) } throws: { ($0 as? IPCError)?.code == .notFound }
    }

    @Test(.requires("python3")) func locksAndMappingsOfAFile() throws {
        let path = scratch.path()
        let script = """
            import fcntl, mmap, os, struct, sys
            f = open(sys.argv[1], 'w+'); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096)
            fcntl.fcntl(f, 37, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 10, 5, 0))
            g = open(sys.argv[1]); fcntl.lockf(g, fcntl.LOCK_SH, 1, 100)
            h = open(sys.argv[1]); fcntl.flock(h, fcntl.LOCK_SH)
            print('ready')
            """
        let (peer, _) = try python(script, [path.string])
        let object = try HostView.lookUp(.file(path))
        guard case .file(let file) = object.details else { return #expect(Bool(false)) }
        #expect(file.sizeBytes == 4096 && file.mappers == 1 && file.locks.count == 3)
        #expect(Set(file.locks.map(\.family)) == [.openFile, .process, .flock])
        #expect(file.locks.allSatisfy { $0.processes == [peer.processID] && !$0.isWaiting })
        let own = try #require(file.locks.first { $0.family == .openFile })
        #expect(own.startBytes == 10 && own.endBytes == 14 && !own.isShared)
        #expect(relations(object, peer.processID).contains(.holdsLock))
        #expect(view([.file]).objects.contains { $0.address == .file(path) })
    }

    @Test(.requires("python3")) func aProcess() throws {
        let script = """
            import signal, os
            signal.signal(signal.SIGUSR1, lambda *a: None); signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2)
            r, w = os.pipe(); print(os.fstat(r).st_ino)
            """
        let (peer, line) = try python(script)
        let object = try HostView.lookUp(.process(peer.processID))
        guard case .process(let process) = object.details else { return #expect(Bool(false)) }
        #expect(process.command.hasPrefix("python") && process.threads == 1 && process.tracer == nil)
        #expect(process.caughtSignals.contains(10) && process.ignoredSignals.contains(1))
        #expect(process.blockedSignals == [12] && process.pendingSignals == [12])
        #expect(process.objects?.contains(.pipe(inode: UInt64(line) ?? 0)) == true)
        #expect(process.arguments?.first?.contains("python") == true)
        #expect(view([.pid]).objects.contains { $0.address == object.address })
        _ = try peer.finish()
        #expect { try HostView.lookUp(object.address) } throws: { ($0 as? IPCError)?.code == .notFound }
    }

    @Test func limitsOfMemoryAndSemaphores() {
        let names = Set(HostView.limits(kinds: [.shm, .sysvShm, .sysvSem, .pid]).map(\.name))
        for name in [
            "kernel.shmmax", "kernel.shmmni", "kernel.sem (semmni)", "/dev/shm", "RLIMIT_MEMLOCK", "RLIMIT_SIGPENDING",
        ] {
            #expect(names.contains(name), "\(name)")
        }
        let limits = HostView.limits(kinds: [.sysvShm, .sysvSem, .shm])
        #expect(limits.first { $0.name == "kernel.sem (semmni)" }?.used != nil)
        #expect(limits.first { $0.name == "/dev/shm" }.map { ($0.used ?? 1) <= ($0.value ?? 0) } == true)
    }
}
