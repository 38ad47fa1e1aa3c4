// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SealedMemoryTests {
    @Test func whatIsMadeHasItsSeals() throws {
        let memory = try SealedMemory(name: "frames", byteCount: 10_000)
        let seals = try memory.seals()
        #expect(seals.isSuperset(of: .fixedSize) && !seals.contains(.seal))
        #expect(try memory.sizeBytes() == 10_000)
        let status = try memory.status()
        #expect(status.fileName == "/memfd:frames (deleted)" && status.linkCount == 0)
        #expect(status.allocatedBytes >= 10_000)
        #expect(memory.subject == "memfd:[\(status.inode)]")
        refused(.permissionDenied, .notPermitted, hint: "seal") { try memory.shrink(to: 1) }
        refused(.permissionDenied, .notPermitted, hint: "seal") { try memory.grow(to: 20_000) }
        #expect(SealedMemory.Seals.immutable.description == "shrink, grow, write, seal")
        #expect(SealedMemory.Seals().description == "nothing")
    }

    @Test func anImmutableOneIsWrittenBeforeItIsSealed() throws {
        let memory = try SealedMemory(byteCount: 4096, seals: .immutable) {
            (region: borrowing MappedRegion) throws(IPCError) in region.write(Array("for ever".utf8))
        }
        let region = try memory.map(access: .readOnly)
        #expect(region.copyBytes(0..<8) == Array("for ever".utf8))
        refused(.permissionDenied, .notPermitted, hint: "seal") { _ = try memory.map() }
        var copy = try memory.map(access: .readOnly)
        refused(.permissionDenied) { try copy.protect(.readWrite) }
        // A private copy may be written: nobody else sees it.
        let own = try memory.map(access: .readWrite, sharing: .privateCopy)
        own.store(UInt8(0), at: 0)
        #expect(region.load(UInt8.self, at: 0) == UInt8(ascii: "f"))
    }

    @Test func theMakerWritesOnWhereOthersOnlyRead() throws {
        let memory = try SealedMemory(byteCount: 4096)
        let writer = try memory.map()
        refused(.busy, .resourceBusy, hint: ".futureWrite") { try memory.seal(.write) }
        try memory.seal([.futureWrite, .seal])
        refused(.permissionDenied, .notPermitted) { _ = try memory.map() }
        let reader = try memory.map(access: .readOnly)
        writer.store(UInt32(5), at: 0)
        #expect(reader.load(UInt32.self, at: 0) == 5)
        refused(.permissionDenied, .notPermitted, hint: "further seals") { try memory.seal(.write) }
        // Holes cannot be punched into it either.
        refused(.permissionDenied) { try reader.advise(.remove) }
    }

    @Test func whatComesFromElsewhereIsChecked() throws {
        let good = try SealedMemory(byteCount: 8192)
        let adopted = try SealedMemory(adopting: try Self.duplicate(good), atLeast: 8192)
        #expect(adopted.access == .readWrite)
        refused(.malformed, hint: "8192 bytes and must have 8193") {
            _ = try SealedMemory(adopting: try Self.duplicate(good), atLeast: 8193)
        }
        refused(.malformed, hint: "write is missing") {
            _ = try SealedMemory(adopting: try Self.duplicate(good), requiring: [.shrink, .write])
        }
        let readOnly = try SealedMemory(adopting: try good.readOnlyDescriptor())
        #expect(readOnly.access == .readOnly)
        _ = try readOnly.map()
        refused(.permissionDenied) { _ = try readOnly.map(access: .readWrite) }
        // A file, a pipe, shared memory with a name: nothing that could be trusted.
        let scratch = ScratchMemory()
        let file = try scratch.file()
        refused(.malformed, hint: "shrink, grow is missing") {
            let object = try scratch.object()
            _ = try SealedMemory(adopting: OwnedDescriptor(adopting: try sysDuplicate(object.rawValue)))
        }
        let error = #expect(throws: IPCError.self) {
            _ = try SealedMemory(adopting: OwnedDescriptor(adopting: try sysDuplicate(file.rawValue)))
        }
        #expect(error?.code == .wrongKind || error?.code == .malformed)
        let pipe = try TestSyscalls.pipe()
        refused(.wrongKind, .invalidArgument) {
            _ = try SealedMemory(adopting: OwnedDescriptor(adopting: pipe.reading))
        }
        TestSyscalls.close(pipe.writing)
    }

    private static func duplicate(_ memory: borrowing SealedMemory) throws -> OwnedDescriptor {
        OwnedDescriptor(adopting: try sysDuplicate(memory.rawValue))
    }

    @Test func aLyingSizeIsSeenAfterTheSeal() throws {
        // Not sealed against growing and shrinking: what the sender says of its size is worth nothing.
        let memory = try SealedMemory(byteCount: 4096, seals: [])
        refused(.malformed, hint: "shrink is missing") {
            _ = try SealedMemory(adopting: try Self.duplicate(memory), requiring: .shrink, atLeast: 4096)
        }
        try memory.grow(to: 8192)
        try memory.seal(.shrink)
        let adopted = try SealedMemory(adopting: try Self.duplicate(memory), requiring: .shrink, atLeast: 8192)
        try memory.grow(to: 12_288)
        var region = try adopted.map(byteCount: 4096)
        #expect(try adopted.remap(&region))
        #expect(region.byteCount == 12_288)
    }

    @Test func itGoesThroughASocket() throws {
        let pair = try SequencedPacketSocket.pair()
        let memory = try SealedMemory(byteCount: 4096)
        let region = try memory.map()
        region.store(UInt64(42), at: 8)
        try pair.first.send([1], descriptors: [memory.fileDescriptor])
        var message = try pair.second.receiveMessage(upTo: 16, maximumDescriptors: 1)
        guard let received = message.descriptors.takeFirst() else {
            Issue.record("no descriptor came")
            return
        }
        let theirs = try SealedMemory(adopting: received)
        let view = try theirs.map(access: .readOnly)
        #expect(view.load(UInt64.self, at: 8) == 42)
    }

    @Test func hugePagesOrAClearError() throws {
        do throws(IPCError) {
            let memory = try SealedMemory(byteCount: 1, pages: .huge)
            #expect(memory.pageSizeBytes > 4096)
            let region = try memory.map()
            #expect(region.byteCount == memory.pageSizeBytes)
            refused(.invalidArgument, hint: "huge pages") { _ = try memory.map(byteCount: 4096) }
            try region.close()
        } catch {
            // None are set aside here.
            #expect([.limitReached, .outOfMemory, .unsupported].contains(error.code), "\(error)")
            #expect(!error.hint.isEmpty)
        }
        refused(.unsupported, hint: "huge pages of that size") {
            _ = try SealedMemory(byteCount: 1, pages: .huge(bytes: 1 << 13))
        }
    }

    @Test(.requiresRoot) func hugePagesThatWereSetAside() async throws {
        let setting: FilePath = "/proc/sys/vm/nr_hugepages"
        let before = try Checkout.text(of: setting)
        guard (try? Checkout.write("4\n", to: setting)) != nil else { return }
        defer { try? Checkout.write(before, to: setting) }
        guard let memory = try? SealedMemory(byteCount: 1, pages: .huge) else { return }
        let region = try memory.map()
        #expect(region.byteCount == memory.pageSizeBytes && region.byteCount >= 1 << 16)
        region.fill(with: 1)
        refused(.invalidArgument, hint: "huge pages") { _ = try memory.map(byteCount: 4096) }
        refused(.invalidArgument) { _ = try memory.map(offsetBytes: 4096) }
        try region.close()
        let error = #expect(throws: IPCError.self) { _ = try SealedMemory(byteCount: 1 << 40, pages: .huge) }
        #expect(error?.code == .limitReached || error?.code == .outOfMemory, "\(String(describing: error))")
    }
}
