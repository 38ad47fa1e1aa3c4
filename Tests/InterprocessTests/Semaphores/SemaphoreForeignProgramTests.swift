// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Programs that know nothing of this library at the same semaphores.
@Suite(.bounded()) struct SemaphoreForeignProgramTests {
    // MARK: POSIX

    @Test(.requires(python: "posix_ipc")) func pythonOnANamedOne() async throws {
        let semaphore = try ScratchSemaphores().semaphore(2)
        let peer = try Peer.python(
            """
            import posix_ipc, sys
            s = posix_ipc.Semaphore(sys.argv[1])
            print(s.value)
            s.acquire(); s.acquire()
            print('taken')
            s.acquire()
            print('woken'); s.release(); s.release()
            """, [semaphore.name.description])
        try peer.expect("2")
        try peer.expect("taken")
        #expect(semaphore.value == 0)
        try await Expect.eventually { semaphore.waitingCount == 1 }
        try semaphore.post()
        try peer.expect("woken")
        try await semaphore.wait(until: .after(.seconds(60)))
        try await semaphore.wait(until: .after(.seconds(60)))
        #expect(try peer.finish().status == .exited(0))
        #expect(semaphore.value == 0)
    }

    @Test(.requires(python: "posix_ipc")) func oneThatPythonMade() async throws {
        let scratch = ScratchSemaphores()
        let name = scratch.name()
        let peer = try Peer.python(
            """
            import posix_ipc, sys
            s = posix_ipc.Semaphore(sys.argv[1], posix_ipc.O_CREX, mode=0o640, initial_value=1)
            print('made'); sys.stdin.readline(); s.release(); s.close(); sys.stdin.read()
            posix_ipc.unlink_semaphore(sys.argv[1]); print('gone')
            """, [name.description])
        try peer.expect("made")
        let semaphore = try NamedSemaphore(name)
        #expect(try semaphore.status().permissions.rawValue == 0o640)
        try await semaphore.wait()
        let waiting = Kept(try NamedSemaphore(name))
        let task = Task { try await waiting.value.wait(until: .after(.seconds(60))) }
        try await Expect.eventually { semaphore.waitingCount == 1 }
        try peer.send("release")
        try await task.value
        peer.closeInput()
        try peer.expect("gone")
        #expect(try !NamedSemaphore.exists(name))
        #expect(try semaphore.status().hasName == false)
    }

    /// A C program that keeps a `sem_t` in a file that both map; made by one, used by the other, both ways.
    private static let sharer = """
        #include <fcntl.h>
        #include <semaphore.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        int main(int count, char **arguments) {
            int fd = open(arguments[1], O_RDWR);
            char *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            sem_t *theirs = (sem_t *)(memory + 64), *mine = (sem_t *)(memory + 1024);
            if (sem_init(mine, 1, 0)) return 1;
            puts("made"); fflush(stdout);
            for (int i = 0; i < 1000; i++) {
                if (sem_wait(theirs)) return 2;
                if (sem_post(mine)) return 3;
            }
            return 0;
        }
        """

    @Test(.requires("cc")) func aCProgramInSharedMemory() async throws {
        let scratch = ScratchSemaphores()
        let (source, program, file) = (
            scratch.directory.appending("sharer.c"), scratch.directory.appending("sharer"),
            scratch.directory.appending("memory")
        )
        try Checkout.write(Self.sharer, to: source)
        #expect(try Peer(["cc", "-o", program.string, source.string, "-pthread"]).finish().status == .exited(0))
        try Checkout.write(String(repeating: "\0", count: 4096), to: file)
        let memory = OwnedDescriptor(
            adopting: try FileDescriptor.open(file, .readWrite, options: .closeOnExec).rawValue)
        let ours = try SharedSemaphore(initializing: memory, at: 64, initialValue: 0)
        let peer = try Peer([program.string, file.string])
        try peer.expect("made")
        let theirs = try SharedSemaphore(attachingTo: memory, at: 1024)
        try Self.exchange(ours, theirs, 500)
        for _ in 0..<500 {
            try ours.post()
            try await theirs.wait(until: .after(.seconds(60)))
        }
        #expect(try peer.finish().status == .exited(0))
        #expect(ours.value == 0 && theirs.value == 0)
    }

    private static func exchange(
        _ ours: borrowing SharedSemaphore, _ theirs: borrowing SharedSemaphore, _ count: Int
    ) throws {
        for _ in 0..<count {
            try ours.post()
            try theirs.wait(until: .after(.seconds(60)))
        }
    }

    // MARK: System V

    @Test(.requires(python: "sysv_ipc")) func pythonOnASet() async throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        let set = try SystemVSemaphoreSet(key: key, mode: .createExclusive, values: [1], lifetime: .removeOnClose)
        let peer = try Peer.python(
            """
            import sysv_ipc, sys
            s = sysv_ipc.Semaphore(int(sys.argv[1]))
            s.undo = True
            s.P(); print('taken', s.value)
            s.Z(); print('zero'); s.V(); s.P(); sys.stdin.read()
            """, ["\(key.number)"])
        try peer.expect("taken 0")
        try peer.expect("zero")
        try await Expect.eventually { try set.status(of: 0).lastProcess == peer.processID }
        #expect(try peer.finish().status == .exited(0))
        try await set.wait(until: .after(.seconds(60)))
    }

    @Test(.requires(python: "sysv_ipc")) func aSetThatPythonMade() throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        let peer = try Peer.python(
            """
            import sysv_ipc, sys
            s = sysv_ipc.Semaphore(int(sys.argv[1]), sysv_ipc.IPC_CREX, initial_value=3)
            print('made'); sys.stdin.read(); s.remove()
            """, ["\(key.number)"])
        try peer.expect("made")
        let set = try SystemVSemaphoreSet(key: key, initialization: .awaited(patience: .milliseconds(20)))
        #expect(set.count == 1)
        #expect(try set.value() == 3)
        let id = set.id
        let thread = try BlockedThread { () throws(IPCError) in try SystemVSemaphoreSet(id: id).wait(by: 9) }
        thread.waitUntilBlocked()
        _ = try peer.finish()
        #expect(thread.outcome()?.code == .removed)
    }

    /// A maker in C that follows the rule, slowly: `semget`, then the value, then the operation that says that it is ready.
    private static let maker = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/sem.h>
        union semun { int val; struct semid_ds *buf; };
        int main(int count, char **arguments) {
            int key = atoi(arguments[1]), id = semget(key, 1, IPC_CREAT | IPC_EXCL | 0600);
            if (id < 0) {
                struct semid_ds state;
                union semun argument = { .buf = &state };
                id = semget(key, 1, 0);
                do { if (semctl(id, 0, IPC_STAT, argument) < 0) return 1; } while (state.sem_otime == 0);
                printf("ready %d\\n", semctl(id, 0, GETVAL));
                return 0;
            }
            puts("made"); fflush(stdout); getchar();
            union semun argument = { .val = 1 };
            if (semctl(id, 0, SETVAL, argument) < 0) return 2;
            puts("set"); fflush(stdout); getchar();
            struct sembuf post = { 0, 1, 0 };
            return semop(id, &post, 1) < 0 ? 3 : 0;
        }
        """

    @Test(.requires("cc")) func aCProgramThatFollowsTheRule() throws {
        let scratch = ScratchSemaphores()
        let (source, program) = (scratch.directory.appending("maker.c"), scratch.directory.appending("maker").string)
        try Checkout.write(Self.maker, to: source)
        #expect(try Peer(["cc", "-o", program, source.string]).finish().status == .exited(0))

        let key = scratch.key()
        let peer = try Peer([program, "\(key.number)"])
        try peer.expect("made")
        let thread = try BlockedThread { () throws(IPCError) in
            let set = try SystemVSemaphoreSet(
                key: key, mode: .openOrCreate, values: [9], initialization: .awaited(patience: .seconds(600)))
            try set.perform([.wait(by: 2), .waitForZero()], until: .now)
        }
        try peer.send("")
        try peer.expect("set")
        #expect(!thread.isDone)
        try peer.send("")
        #expect(thread.outcome() == nil)
        #expect(try peer.finish().status == .exited(0))

        // And the other way round: it waits by the rule for what this library makes.
        let other = scratch.key()
        let set = try SystemVSemaphoreSet(key: other, mode: .createExclusive, values: [7], lifetime: .removeOnClose)
        #expect(try Peer([program, "\(other.number)"]).finish().text == "ready 7\n")
        #expect(try set.value() == 7)
    }

    @Test(.requires("perl")) func perlOnASet() async throws {
        let set = Kept(try scratchSet([0, 0, 4]))
        let peer = try Peer.perl(
            "my $id = shift; semop($id, pack('s!9', 0, -1, 0, 1, 0, 0, 2, 3, 0)) or die; print qq(done\\n);"
                + "<STDIN>; semop($id, pack('s!3', 1, 1, 0)) or die;", ["\(set.value.id)"])
        try await Expect.eventually { try set.value.status(of: 0).waitingForMoreCount == 1 }
        try set.value.post(0)
        try peer.expect("done")
        #expect(try set.value.values() == [0, 0, 7])
        let waiting = Task { try await set.value.perform([.wait(1), .wait(2, by: 7)]) }
        try await Task.sleep(for: .milliseconds(5))
        try peer.send("")
        try await waiting.value
        #expect(try set.value.values() == [0, 0, 0])
        #expect(try peer.finish().status == .exited(0))
    }

    @Test(.requires("ipcs", "ipcrm", "ipcmk")) func ipcsShowsAndIpcrmRemoves() async throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        let set = Kept(
            try SystemVSemaphoreSet(
                key: key, mode: .createExclusive, values: [1, 2, 3], permissions: [.ownerReadWrite, .groupRead]))
        let listing = try Peer(["ipcs", "-s"]).finish().text
        let line = listing.split(separator: "\n").first { $0.hasPrefix("0x" + String(key.number, radix: 16)) }
        let fields = line.map { $0.split(separator: " ").map(String.init) } ?? []
        #expect(fields.count >= 5 && fields[1] == "\(set.value.id)" && fields[3] == "640" && fields[4] == "3")
        let detail = try Peer(["ipcs", "-s", "-i", "\(set.value.id)"]).finish().text
        #expect(detail.contains("nsems = 3"))
        let waiting = Task { try await set.value.wait(by: 5) }
        try await Task.sleep(for: .milliseconds(5))
        #expect(try Peer(["ipcrm", "-s", "\(set.value.id)"]).finish().status == .exited(0))
        let error = await #expect(throws: IPCError.self) { try await waiting.value }
        #expect(error?.code == .removed)

        // ipcmk makes sets without values and knows no rule: they are taken as they are by who says so.
        let made = try Peer(["ipcmk", "-S", "2"]).finish().text
        let id = try #require(made.split(whereSeparator: { $0.isWhitespace }).last.flatMap { Int32($0) })
        let found = try SystemVSemaphoreSet(id: id, lifetime: .removeOnClose)
        #expect(found.count == 2)
        #expect(try found.values() == [0, 0])
        #expect(try found.status().lastOperated == nil)
    }
}
