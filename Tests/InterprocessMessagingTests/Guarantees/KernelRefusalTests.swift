// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing
import messaging_peer

/// What a subscriber cannot do, though it has the descriptors: it is the kernel that refuses. The subscriber is a Python program, which
/// knows nothing of this library.
@Suite("The kernel protects the log", .bounded())
struct KernelRefusalTests {
    private static let prelude = """
        import ctypes,errno,fcntl,mmap,os,platform,sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int,ctypes.c_int,ctypes.c_int,ctypes.c_long]
        libc.mprotect.argtypes = [ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int]
        libc.fallocate.argtypes = [ctypes.c_int,ctypes.c_int,ctypes.c_long,ctypes.c_long]
        libc.madvise.argtypes = [ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int]
        libc.syscall.argtypes = [ctypes.c_long,ctypes.c_void_p,ctypes.c_long,ctypes.c_long,ctypes.c_long,ctypes.c_void_p,ctypes.c_long]
        size = os.fstat(3).st_size
        def attempt(name, call):
            try: result = call()
            except OSError as error: return print(name, errno.errorcode[error.errno].replace('EOPNOTSUPP', 'ENOTSUP'), flush=True)
            print(name, 'succeeded', flush=True)
        def c(result):
            if result == -1 or result == ctypes.c_void_p(-1).value: raise OSError(ctypes.get_errno(), '')
            return result

        """

    /// A publisher's log and the page of one subscriber, as descriptors.
    private func welcome(_ outbox: Outbox) throws -> (log: HeldDescriptor, page: HeldDescriptor) {
        let pair = try SequencedPacketSocket.pair()
        let link = PeerLink(pair.first, peer: PeerIdentity(credentials: .own, publisherID: 1))
        let hello = Hello(purpose: .subscribe, payload: PayloadDescription(of: Proof.self))
        switch outbox.desk.admit(hello, over: link) {
        case .refusal(let refusal): throw refusal
        case .welcome(_, let log, let page): return (HeldDescriptor(log), HeldDescriptor(page))
        }
    }

    @Test(
        "a log is neither written, mapped for writing, truncated, grown, punched nor sealed by who receives it",
        .requires("python3"))
    func log() throws {
        let outbox = try Meeting.outbox(Proof.self)
        let (log, page) = try welcome(outbox)
        let script = """
            attempt('map', lambda: c(libc.mmap(None, size, 3, 1, 3, 0)))
            readable = c(libc.mmap(None, size, 1, 1, 3, 0))
            attempt('protect', lambda: c(libc.mprotect(readable, size, 3)))
            attempt('write', lambda: os.pwrite(3, b'x', 0))
            attempt('truncate', lambda: os.ftruncate(3, 0))
            attempt('grow', lambda: os.ftruncate(3, size + 4096))
            attempt('extend', lambda: c(libc.fallocate(3, 0, size, 4096)))
            attempt('punch', lambda: c(libc.fallocate(3, 3, 0, 4096)))
            attempt('zero', lambda: c(libc.fallocate(3, 16, 0, 4096)))
            attempt('collapse', lambda: c(libc.fallocate(3, 8, 0, 4096)))
            attempt('remove', lambda: c(libc.madvise(readable, 4096, 9)))
            attempt('seal', lambda: fcntl.fcntl(3, 1033, 8))
            def again(flags):
                fd = os.open('/proc/self/fd/3', flags)
                try: os.pwrite(fd, b'x', 0)
                finally: os.close(fd)
            attempt('reopen', lambda: again(os.O_RDWR))
            attempt('reopen-truncating', lambda: again(os.O_RDWR | os.O_TRUNC))
            private = c(libc.mmap(None, size, 3, 2, 3, 0))
            ctypes.memset(private, 255, size)
            print('done', flush=True)
            """
        let peer = try Peer.python(Self.prelude + script, descriptors: [3: log.number, 4: page.number])
        let lines = try peer.finish().text.split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "map EPERM", "protect EACCES", "write EPERM", "truncate EPERM", "grow EPERM", "extend EPERM",
                "punch EPERM", "zero ENOTSUP", "collapse ENOTSUP", "remove EACCES", "seal EPERM", "reopen EPERM",
                "reopen-truncating EPERM", "done",
            ], "\(peer.errorText)")
        // What it wrote into its private copy is nobody else's.
        #expect(outbox.desk.segment.region.load(UInt64.self, at: 0) == 0)
        let publisher = Publisher<Proof>(outbox)
        let inboxes = try Meeting.inboxes(Proof.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        try publisher.send(copying: Proof(1, 1))
        #expect(try Subscriber<Proof>(inboxes).receiveValue() == Proof(1, 1))
    }

    @Test("a page that its reader has mapped is mapped for writing by nobody else", .requires("python3"))
    func page() throws {
        let outbox = try Meeting.outbox(Proof.self)
        let (log, page) = try welcome(outbox)
        let remote = try RemotePage(adopting: try page.descriptor.duplicate(), stagger: 0)
        let script = """
            attempt('map', lambda: c(libc.mmap(None, 4096, 3, 1, 4, 0)))
            attempt('write', lambda: os.pwrite(4, b'x', 0))
            attempt('truncate', lambda: os.ftruncate(4, 0))
            attempt('punch', lambda: c(libc.fallocate(4, 3, 0, 4096)))
            attempt('seal', lambda: fcntl.fcntl(4, 1033, 8))
            """
        let peer = try Peer.python(Self.prelude + script, descriptors: [3: log.number, 4: page.number])
        #expect(try peer.finish().text == "map EPERM\nwrite EPERM\ntruncate EPERM\npunch EPERM\nseal EPERM\n")
        withExtendedLifetime(remote) {}
    }

    @Test("a reader that punches a hole into its own page loses its own place only", .requires("python3"))
    func punchedPage() throws {
        let outbox = try Meeting.outbox(Proof.self, capacity: 8, stallLimit: .seconds(60))
        let publisher = Publisher<Proof>(outbox)
        let (log, page) = try welcome(outbox)
        let inboxes = try Meeting.inboxes(Proof.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let honest = Subscriber<Proof>(inboxes)
        // It says that it has read, then takes it back: its page is as it was born.
        for number in 0..<4 as Range<UInt64> {
            try publisher.send(copying: Proof(1, number))
            #expect(try honest.receiveValue() == Proof(1, number))
        }
        let script = """
            page = c(libc.mmap(None, 4096, 3, 1, 4, 0))
            ctypes.memmove(page, (4 * 256).to_bytes(8, 'little'), 8)
            print('reads', flush=True); sys.stdin.readline()
            attempt('punch', lambda: c(libc.fallocate(4, 3, 0, 4096)))
            """
        let peer = try Peer.python(Self.prelude + script, descriptors: [3: log.number, 4: page.number])
        try peer.expect("reads")
        for number in 4..<10 as Range<UInt64> {
            try publisher.send(copying: Proof(1, number), until: .after(.seconds(5)))
            #expect(try honest.receiveValue() == Proof(1, number))
        }
        try peer.send("go")
        try peer.expect("punch succeeded")
        for number in 10..<40 as Range<UInt64> {
            #expect(try publisher.send(copying: Proof(1, number), until: .after(.seconds(5))))
            #expect(try honest.receiveValue() == Proof(1, number))
        }
    }

    @Test("a subscriber gets its own page and the log, and can wake nobody with them", .requires("python3"))
    func alone() throws {
        let outbox = try Meeting.outbox(Proof.self)
        let (log, first) = try welcome(outbox)
        let (again, second) = try welcome(outbox)
        // The log is one, the pages are two.
        #expect(try sysStatus(log.number).inode == sysStatus(again.number).inode)
        #expect(try sysStatus(first.number).inode != sysStatus(second.number).inode)
        let inboxes = try Meeting.inboxes(Proof.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let sleeper = try Meeting.onThread(inboxes) { inboxes in
            let subscriber = Subscriber<Proof>(inboxes)
            guard try subscriber.receiveValue() == Proof(1, 1) else { throw Violation("another message") }
        }
        while outbox.desk.report().readers.allSatisfy({ !$0.isSleeping }) { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        // FUTEX_REQUEUE and FUTEX_WAKE of every word: whoever sleeps there would be moved away or woken.
        let script = """
            number = {'x86_64': 202, 'aarch64': 98}[platform.machine()]
            here = c(libc.mmap(None, size, 1, 1, 3, 0))
            page = c(libc.mmap(None, 4096, 3, 1, 4, 0))
            touched = 0
            for base, count in ((here, size), (page, 4096)):
                for offset in range(0, count, 4):
                    for operation in (3, 1):
                        n = libc.syscall(number, base + offset, operation, 0 if operation == 3 else 1000, 1000, page + 4000, 0)
                        touched += max(0, n)
            print('touched', touched, flush=True)
            """
        let peer = try Peer.python(Self.prelude + script, descriptors: [3: log.number, 4: first.number])
        #expect(try peer.finish().text == "touched 0\n", "\(peer.errorText)")
        try Publisher<Proof>(outbox).send(copying: Proof(1, 1))
        try sleeper.wait()
    }
}
