// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// SIGPIPE is never delivered by this library, and nothing of somebody else's SIGPIPE is touched: with RWF_NOSIGNAL,
/// and without, where the mask of the thread does it.
///
/// Each body runs in a process of its own with the default disposition, so that a signal that is delivered ends it.
@Suite(.bounded()) struct PipeSignalTests {
    @Test func admittedWithTheFlagOfTheKernel() async {
        await #expect(processExitsWith: .success) { try Self.admitted(NoSignalWrites.unknown) }
    }

    @Test func admittedWithoutTheFlag() async {
        await #expect(processExitsWith: .success) { try Self.admitted(NoSignalWrites.missing) }
    }

    @Test func blockedWithTheFlagOfTheKernel() async {
        await #expect(processExitsWith: .success) { try Self.blocked(NoSignalWrites.unknown) }
    }

    @Test func blockedWithoutTheFlag() async {
        await #expect(processExitsWith: .success) { try Self.blocked(NoSignalWrites.missing) }
    }

    @Test func pendingAlreadyWithTheFlagOfTheKernel() async {
        await #expect(processExitsWith: .success) { try Self.pending(NoSignalWrites.unknown) }
    }

    @Test func pendingAlreadyWithoutTheFlag() async {
        await #expect(processExitsWith: .success) { try Self.pending(NoSignalWrites.missing) }
    }

    /// The kernel raises it together with a short count, too.
    @Test func aPartWasWrittenWithTheFlagOfTheKernel() async {
        await #expect(processExitsWith: .success) { try Self.writeAPart(NoSignalWrites.unknown) }
    }

    @Test func aPartWasWrittenWithoutTheFlag() async {
        await #expect(processExitsWith: .success) { try Self.writeAPart(NoSignalWrites.missing) }
    }

    @Test func aPartWasMoved() async {
        await #expect(processExitsWith: .success) { try Self.moveAPart() }
    }

    /// One that waits for the whole process is not the one that a write raises: it stays, and one only.
    @Test func pendingForTheProcess() async {
        await #expect(processExitsWith: .success) { try Self.pendingForTheProcessBody() }
    }

    // MARK: Bodies: one thread each, which a task would not promise

    private static func admitted(_ way: UInt8) throws {
        NoSignalWrites.force(way)
        ProcessState.setIgnored(13, false)
        TestSyscalls.admitSignal(13)
        try meetNobody()
        #expect(!TestSyscalls.isBlocked(13))
        #expect(ProcessState.hasDefaultDisposition())
    }

    private static func blocked(_ way: UInt8) throws {
        NoSignalWrites.force(way)
        for ignored in [false, true] {
            ProcessState.setIgnored(13, ignored)
            TestSyscalls.blockSignal(13)
            try meetNobody()
            #expect(TestSyscalls.isBlocked(13))
            let pending = TestSyscalls.takePending(13)
            #expect(!pending)
        }
    }

    private static func pending(_ way: UInt8) throws {
        NoSignalWrites.force(way)
        ProcessState.setIgnored(13, false)
        TestSyscalls.blockSignal(13)
        try TestSyscalls.signalThread(sysThreadID(), 13)
        try meetNobody()
        let (first, second) = (TestSyscalls.takePending(13), TestSyscalls.takePending(13))
        #expect(first && !second)
    }

    private static func pendingForTheProcessBody() throws {
        // With a handler, for other threads may admit it: then it is theirs.
        try TestSyscalls.installInterruptingHandler(13)
        NoSignalWrites.force(NoSignalWrites.missing)
        TestSyscalls.blockSignal(13)
        _ = try? sysSignalProcess(sysOpenProcess(sysProcessID()), 13)
        try meetNobody()
        // Another thread may have handled it; in no case is there one of this thread's.
        _ = TestSyscalls.takePending(13)
        let second = TestSyscalls.takePending(13)
        #expect(!second)
    }

    /// Every verb that writes, with nobody there.
    private static func meetNobody() throws {
        try expectBrokenPipe()
        let pipe = try PipePair()
        try pipe.writer.write([5])
        #expect(try pipe.reader.read() == [5])
        let one = try PipePair()
        let other = try PipePair()
        try one.writer.write([1])
        let reader = other.reader
        let target = other.writer
        try reader.close()
        expectFailure(.brokenPipe, .disconnected) {
            _ = try one.reader.move(to: FileDescriptor(rawValue: target.rawValue))
        }
        expectFailure(.brokenPipe, .disconnected) { _ = try one.reader.duplicate(to: target) }
        expectFailure(.brokenPipe, .disconnected) { _ = try target.writeWithoutCopying([1, 2].span) }
    }

    private static func writeAPart(_ way: UInt8) throws {
        NoSignalWrites.force(way)
        ProcessState.setIgnored(13, false)
        TestSyscalls.admitSignal(13)
        let pipe = try PipePair(PipeOptions(capacityBytes: 4096))
        try readOnceAndGo(pipe.reader)
        let writer = pipe.writer
        let count = try writer.writeSome(zeros(100_000).span)
        #expect((4096...8192).contains(count))
        expectFailure(.brokenPipe, .disconnected) { _ = try writer.writeSome([1].span) }
        let whole = try PipePair(PipeOptions(capacityBytes: 4096))
        try readOnceAndGo(whole.reader)
        let all = whole.writer
        expectFailure(.brokenPipe, .disconnected) { try all.write(zeros(100_000)) }
    }

    private static func moveAPart() throws {
        ProcessState.setIgnored(13, false)
        TestSyscalls.admitSignal(13)
        let source = try PipePair()
        try source.writer.write(zeros(20_000))
        let target = try PipePair(PipeOptions(capacityBytes: 4096))
        try readOnceAndGo(target.reader)
        let writer = target.writer
        let from = source.reader
        expectFailure(.brokenPipe, .disconnected) {
            while try from.move(to: FileDescriptor(rawValue: writer.rawValue)) > 0 {}
        }
    }

    /// On another thread: reads once, waits until the writer has filled the pipe again and waits, and closes.
    private static func readOnceAndGo(_ reader: consuming PipeReader) throws {
        let reader = Held(reader)
        try TestSyscalls.startThread("reader") {
            reader.readOnce()
            TestSyscalls.sleep(nanoseconds: 20_000_000)
            reader.go()
        }
    }
}

/// A reading end that another thread takes along.
private final class Held: Sendable {
    private let number: CInt

    init(_ reader: consuming PipeReader) {
        // Kept open by number only, so that the other thread is its one owner.
        guard let released = try? reader.release() else { preconditionFailure("a pipe is released") }
        number = (try? sysDuplicate(released.rawValue)) ?? -1
    }

    func readOnce() { _ = try? TestSyscalls.read(number, upTo: 4096) }
    func go() { TestSyscalls.close(number) }
}
