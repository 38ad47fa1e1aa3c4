// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Programs that know nothing of this library at the other end of its memory.
@Suite(.bounded()) struct MemoryForeignProgramTests {
    @Test(.requires(python: "posix_ipc")) func posixIPCOpensAnObject() throws {
        let scratch = ScratchMemory()
        let object = try scratch.object(10_000)
        let region = try object.map()
        region.store(UInt32(0x0403_0201), at: 9_996)
        let peer = try Peer.python(
            """
            import mmap, posix_ipc, sys
            s = posix_ipc.SharedMemory(sys.argv[1])
            m = mmap.mmap(s.fd, s.size)
            print(s.size, m[9996:].hex())
            m[0:5] = b'hello'; print('written'); sys.stdin.read()
            """, [scratch.name.description])
        try peer.expect("10000 01020304")
        try peer.expect("written")
        #expect(region.copyBytes(0..<5) == Array("hello".utf8))
        _ = try peer.finish()
    }

    @Test(.requires(python: "multiprocessing.shared_memory")) func anObjectThatPythonMade() throws {
        let scratch = ScratchMemory()
        let peer = try Peer.python(
            """
            import sys
            from multiprocessing import shared_memory
            s = shared_memory.SharedMemory(name=sys.argv[1], create=True, size=5000)
            s.buf[4999] = 42; print('made'); sys.stdin.readline(); print(s.buf[0]); s.close(); s.unlink()
            """, [scratch.name.description])
        try peer.expect("made")
        let object = try SharedMemoryObject(scratch.name)
        #expect(try object.sizeBytes() == 5000)
        let region = try object.map()
        #expect(region.load(UInt8.self, at: 4999) == 42)
        region.store(UInt8(7), at: 0)
        refused(.malformed, hint: "does not begin") {
            region.store(UInt64(1), at: 0)
            _ = try SharedValue<Pose>(opening: try object.map())
        }
        region.store(UInt8(7), at: 0)
        try peer.send("go")
        try peer.expect("7")
        _ = try peer.finish()
        #expect(try !SharedMemoryObject.exists(scratch.name))
    }

    @Test(.requires(python: "sysv_ipc")) func sysvIPCAttachesASegment() throws {
        let scratch = ScratchMemory()
        let segment = try scratch.segment()
        let region = try segment.attach()
        region.write(Array("from Swift".utf8))
        let peer = try Peer.python(
            """
            import sysv_ipc, sys
            m = sysv_ipc.SharedMemory(int(sys.argv[1]))
            print(m.read(10).decode(), m.size, m.number_attached)
            m.write(b'from Python', 100); print('written'); sys.stdin.read()
            """, ["\(scratch.key.rawValue)"])
        try peer.expect("from Swift 8192 2")
        try peer.expect("written")
        #expect(region.copyBytes(100..<111) == Array("from Python".utf8))
        #expect(try segment.status().attachmentCount == 2)
        #expect(try segment.status().lastProcess == peer.processID)
        peer.kill()
        try peer.wait()
        #expect(try segment.status().attachmentCount == 1)
    }

    @Test(.requires("ipcmk", "ipcs", "ipcrm")) func theToolsOfUtilLinux() throws {
        let made = try Peer(["ipcmk", "-M", "12345", "-p", "0640"]).finish().text
        let id = try #require(made.split(whereSeparator: { !$0.isNumber }).last.flatMap { Int32($0) })
        let segment = try SystemVSharedMemory(id: id, lifetime: .removeOnClose)
        let status = try segment.status()
        #expect(status.sizeBytes == 12345 && status.permissions == [.ownerReadWrite, .groupRead])
        let region = try segment.attach()
        let listing = try Peer(["ipcs", "-m", "-i", "\(id)"]).finish().text
        #expect(listing.contains("nattch=1") && listing.contains("bytes=12345"), "\(listing)")
        #expect(try Peer(["ipcrm", "-m", "\(id)"]).finish().status == .exited(0))
        #expect(try segment.status().isRemoved)
        region.store(UInt8(1), at: 12_344)
    }

    @Test(.requires("perl")) func perlOnAMappedFileAndASegment() throws {
        let scratch = ScratchMemory()
        let file = try scratch.file()
        let region = try file.map()
        let peer = try Peer.perl(
            "open(my $f, '+<', shift) or die; seek($f, 100, 0); syswrite($f, 'perl') or die; print qq(ok\\n)",
            [file.path.string])
        try peer.expect("ok")
        #expect(region.copyBytes(100..<104) == Array("perl".utf8))
        let segment = try scratch.segment()
        let writer = try Peer.perl("shmwrite(shift, 'abc', 8, 3) or die; print qq(ok\\n)", ["\(segment.id)"])
        try writer.expect("ok")
        #expect(try segment.attach().copyBytes(8..<11) == Array("abc".utf8))
    }

    /// Sealed memory as a C program makes it, and one of ours that C maps: over an inherited descriptor.
    @Test(.requires("gcc")) func sealedMemoryWithC() throws {
        let scratch = ScratchMemory()
        let source = scratch.path("sealed").string + ".c"
        try Checkout.write(
            """
            #define _GNU_SOURCE
            #include <fcntl.h>
            #include <stdio.h>
            #include <stdatomic.h>
            #include <sys/mman.h>
            #include <unistd.h>
            int main(void) {
                int seals = fcntl(5, F_GET_SEALS);
                _Atomic unsigned long *word = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 5, 0);
                printf("%d %d %d\\n", (seals & F_SEAL_SHRINK) != 0, (seals & F_SEAL_GROW) != 0, ftruncate(5, 1));
                for (int i = 0; i < 100000; i++) atomic_fetch_add(&word[3], 1);
                puts("added");
            }
            """, to: FilePath(source))
        let program = scratch.path("sealed").string
        #expect(try Peer(["gcc", "-O1", "-o", program, source]).finish().status == .exited(0))
        let memory = try SealedMemory(byteCount: 4096)
        let region = try memory.map()
        let peer = try Peer([program], descriptors: [5: memory.rawValue])
        for _ in 0..<100_000 { region.atomicAdd(UInt64(1), at: 24) }
        #expect(try peer.readLine() == "1 1 -1")
        try peer.expect("added")
        #expect(region.atomicLoad(UInt64.self, at: 24) == 200_000)
    }

    @Test func sealedMemoryThatPythonMade() throws {
        let peer = try Peer.python(
            """
            import fcntl, os, sys
            f = os.memfd_create('from-python', os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
            os.ftruncate(f, 4096); os.pwrite(f, b'trust me', 0)
            print(os.getpid(), f); sys.stdin.readline()
            fcntl.fcntl(f, 1033, 1 | 2 | 4 | 8); print('sealed'); sys.stdin.read()
            """)
        let words = try #require(try peer.readLine()).split(separator: " ")
        let link = FilePath("/proc/\(words[0])/fd/\(words[1])")
        func open() throws -> OwnedDescriptor { OwnedDescriptor(adopting: try sysOpenToMap(link, write: false)) }
        refused(.malformed, hint: "shrink, grow is missing") { _ = try SealedMemory(adopting: try open()) }
        try peer.send("go")
        try peer.expect("sealed")
        let memory = try SealedMemory(adopting: try open(), requiring: .immutable, atLeast: 4096)
        #expect(memory.access == .readOnly)
        #expect(try memory.map().copyBytes(0..<8) == Array("trust me".utf8))
        #expect(try memory.status().fileName == "/memfd:from-python (deleted)")
    }
}
