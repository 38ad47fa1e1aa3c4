// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct PipeTests {
    @Test func bytesThenTheEnd() throws {
        let pipe = try PipePair()
        let reader = pipe.reader
        let writer = pipe.writer
        try writer.write([1, 2, 3])
        #expect(try reader.availableBytes() == 3)
        try writer.close()
        #expect(try reader.readAll() == [1, 2, 3])
        #expect(try reader.status().nonBlocking == false)
    }

    @Test func packetsKeepTheirBoundaries() throws {
        let pipe = try PipePair(PipeOptions(packets: true))
        try pipe.writer.write([1])
        try pipe.writer.write([2, 3])
        #expect(try pipe.reader.read() == [1])
        #expect(try pipe.reader.read() == [2, 3])
        #expect(try pipe.writer.status().packets)
    }

    @Test func aTaskWaitsAndIsWoken() async throws {
        let pipe = try PipePair()
        let reader = pipe.reader
        let writer = pipe.writer
        let waiting = Task { try await reader.read(upTo: 10) as [UInt8]? }
        try await Task.sleep(for: .milliseconds(10))
        _ = try writer.tryWrite([9])
        #expect(try await waiting.value == [9])
    }

    @Test func backPressureIsAwaited() async throws {
        let pipe = try PipePair(PipeOptions(capacityBytes: 4096))
        let reader = pipe.reader
        let writer = pipe.writer
        let sending = Task { try await writer.write(zeros(1_000_000)) }
        var count = 0
        while count < 1_000_000 { count += try await reader.read()?.count ?? 1_000_001 }
        #expect(count == 1_000_000)
        try await sending.value
    }

    @Test func cancellationAndDeadlineEndTheWait() async throws {
        let task = Task {
            let pipe = try PipePair()
            return try await pipe.reader.read(upTo: 10) as [UInt8]?
        }
        try await Task.sleep(for: .milliseconds(10))
        task.cancel()
        let error = await #expect(throws: IPCError.self) { _ = try await task.value }
        #expect(error?.code == .cancelled)
        let pipe = try PipePair()
        let late = #expect(throws: IPCError.self) { _ = try pipe.reader.read(upTo: 1, until: .after(.milliseconds(5))) }
        #expect(late?.code == .timedOut)
        let later = await #expect(throws: IPCError.self) {
            _ = try await pipe.reader.read(upTo: 1, until: .after(.milliseconds(5))) as [UInt8]?
        }
        #expect(later?.code == .timedOut)
    }

    @Test func blockingVerbsStillBlockOnceNonBlocking() throws {
        let pipe = try PipePair()
        let reader = pipe.reader
        let writer = pipe.writer
        #expect(try reader.tryRead() == .nothingYet)
        try TestSyscalls.startThread("late") {
            TestSyscalls.sleep(nanoseconds: 5_000_000)
            try? writer.write([4])
        }
        #expect(try reader.read() == [4])
    }

    @Test func anEndGoesToAChild() throws {
        let pipe = try PipePair()
        let reader = pipe.reader
        let writer = pipe.writer
        _ = try writer.tryWrite([65])
        let given = try writer.release()
        let child = try Peer.python("import os; os.write(7, b'BC')", descriptors: [7: given.rawValue])
        try given.close()
        #expect(try reader.readAll() == [65, 66, 67])
        #expect(try child.wait() == .exited(0))
    }

    @Test func aSharedDescriptionKeepsItsFlags() throws {
        let pair = try sysPipe()
        let other = OwnedDescriptor(adopting: try sysDuplicate(pair.reader))
        let reader = try PipeReader(adopting: OwnedDescriptor(adopting: pair.reader), sharing: .shared)
        let writer = try PipeWriter(adopting: OwnedDescriptor(adopting: pair.writer))
        #expect(try reader.tryRead() == .nothingYet)
        #expect(try sysDescriptionFlags(other.rawValue) & PipeFlags.nonBlocking == 0)
        try writer.write([1])
        #expect(try reader.tryRead() == .bytes([1]))
        let file = #expect(throws: IPCError.self) {
            try PipeReader(adopting: OwnedDescriptor(adopting: sysOpen("/etc/passwd", flags: 0))).close()
        }
        #expect(file?.code == .wrongKind)
    }

    @Test func movesAsATask() async throws {
        let one = try PipePair()
        let other = try PipePair()
        try await one.writer.write([1, 2, 3])
        #expect(try await one.reader.duplicate(to: other.writer) == 3)
        #expect(try await one.reader.move(to: other.writer) == 3)
        let bytes = try await other.reader.read() as [UInt8]?
        #expect(bytes == [1, 2, 3, 1, 2, 3])
    }

    @Test func spliceTeeAndVmsplice() throws {
        let one = try PipePair()
        let other = try PipePair()
        try one.writer.write([1, 2, 3])
        #expect(try one.reader.duplicate(to: other.writer) == 3)
        #expect(try one.reader.move(to: FileDescriptor(rawValue: other.writer.rawValue)) == 3)
        #expect(try other.reader.read() == [1, 2, 3, 1, 2, 3])
        let file = OwnedDescriptor(adopting: try TestSyscalls.anonymousFile())
        try one.writer.write(zeros(5000))
        #expect(try one.reader.move(to: file.fileDescriptor) == 5000)
        _ = try file.fileDescriptor.seek(offset: 0, from: .start)
        #expect(try one.writer.moveAll(from: file.fileDescriptor) == 5000)
        #expect(try one.reader.read()?.count == 5000)
        let memory = zeros(8192)
        #expect(try one.writer.writeWithoutCopying(memory.span) == 8192)
        #expect(try one.reader.read() == memory)
        #expect(try one.reader.tryMove(to: file.fileDescriptor) == nil)
    }

    @Test(.enabled(if: FaultPlan.isAvailable)) func aKernelWithoutTheFlagIsFoundOutOnce() async {
        await #expect(processExitsWith: .success) {
            Faults.fail("pwritev2", with: .notSupportedOnSocket)
            Faults.fail("pwritev2", with: .notSupportedOnSocket)
            try expectBrokenPipe()
            let calls = try Faults.record {
                let pipe = try PipePair()
                _ = try pipe.writer.tryWrite([5])
            }
            #expect(calls.contains("write") && !calls.contains("pwritev2"), "\(calls)")
        }
    }
}
