// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// The rows `pipe`, `fifo` and `eventfd` of the table of conditions.
@Suite(.bounded()) struct PipeConditionTests {
    static let pipes = ConditionTable("pipe", pipeRows)
    static let fifos = ConditionTable("fifo", fifoNameRows + fifoOpenRows)
    static let counters = ConditionTable("eventfd", counterRows)

    @Test(arguments: pipes.cases + fifos.cases + counters.cases)
    func condition(_ row: ConditionCase) async throws { try await row.check() }

    @Test func everyRowIsTold() { #expect(Self.pipes.gaps + Self.fifos.gaps + Self.counters.gaps == []) }

    private static let pipeRows: [ConditionCase] = [
        .row("write", "no reader left, SIGPIPE ignored") { try await row1() },
        .row("write", "no reader left, SIGPIPE default") { try await row2() },
        .row("read", "empty, O_NONBLOCK, writer open") { try row3() },
        .row("write", "full, O_NONBLOCK") { try row4() },
        .row("write", "n>PIPE_BUF, O_NONBLOCK, partly fits") { try row5() },
        .row("write", "fd is read end") { try row6() },
        .row("pipe", "RLIMIT_NOFILE reached") { try await row7() },
        .row("pipe2", "unknown flag") { try row8() },
        .row("fcntl F_SETPIPE_SZ", "above /proc/sys/fs/pipe-max-size, unprivileged") { try await row9() },
        .row("fcntl F_SETPIPE_SZ", "smaller than buffered content") { try row10() },
        .row("pipe2 O_CLOEXEC", "execve in child") { try row11() },
    ]

    private static let fifoNameRows: [ConditionCase] = [
        .row("mkfifo", "path exists") { try row12() },
        .row("mkfifo", "path component is a file") { try row13() },
        .row("mkfifo", "name > NAME_MAX") { try row14() },
        .row("mkfifo", "symlink loop") { try row15() },
        .row("mkfifo", "read-only filesystem") { try await row16() },
    ]

    private static let fifoOpenRows: [ConditionCase] = [
        .row("open O_RDONLY|O_NONBLOCK", "no writer") { try row17() },
        .row("open O_RDONLY (blocking)", "no writer; signal arrives") { try await row18() },
        .row("write", "last reader closed") { try row19() },
        .row("read", "last writer closed") { try row20() },
        .row("open", "path was squatted by a regular file") { try row21() },
    ]

    private static let counterRows: [ConditionCase] = [
        .row("read O_NONBLOCK", "counter 0") { try row22() },
        .row("write O_NONBLOCK", "counter would exceed 2^64-2") { try row23() },
        .row("read/write", "buffer < 8 bytes") { try row24() },
        .row("EFD_SEMAPHORE", "read") { try await row25() },
    ]
}

private func row1() async throws {
    await #expect(processExitsWith: .success) {
        ProcessState.setIgnored(13)
        try expectBrokenPipe()
    }
}

private func row2() async throws {
    // The signal that the table names is never delivered through this library.
    await #expect(processExitsWith: .success) {
        ProcessState.setIgnored(13, false)
        try expectBrokenPipe()
        #expect(ProcessState.hasDefaultDisposition())
    }
}

private func row3() throws {
    let pipe = try PipePair()
    #expect(try pipe.reader.tryRead() == .nothingYet)
    #expect(try pipe.reader.status().nonBlocking)
}

private func row4() throws {
    let pipe = try PipePair(PipeOptions(capacityBytes: 4096))
    #expect(try pipe.writer.tryWrite(zeros(4096)) == 4096)
    #expect(try pipe.writer.tryWrite([1]) == nil)
}

private func row5() throws {
    let pipe = try PipePair(PipeOptions(capacityBytes: 8192))
    #expect(try pipe.writer.tryWrite(zeros(10000)) == 8192)
}

private func row6() throws {
    let pair = try sysPipe()
    defer { try? sysClose(pair.writer) }
    let error = #expect(throws: IPCError.self) {
        try PipeWriter(adopting: OwnedDescriptor(adopting: pair.reader)).close()
    }
    #expect(error?.code == .badDescriptor)
    let other = try PipePair()
    expectErrno(.badFileDescriptor) { _ = try sysPipeWrite(other.reader.rawValue, [1].span) }
}

private func row7() async throws {
    await #expect(processExitsWith: .success) {
        try ProcessState.limitDescriptors(64)
        try ProcessState.exhaustDescriptors()
        expectFailure(.tooManyOpenFiles, .limitReached, hint: "RLIMIT_NOFILE") { _ = try PipePair() }
    }
}

private func row8() throws { expectErrno(.invalidArgument) { _ = try sysPipe(flags: 0x40) } }

private func row9() async throws {
    await #expect(processExitsWith: .success) {
        if sysEffectiveUserID() == 0 { try ProcessState.becomeNobody() }
        let pipe = try PipePair()
        expectFailure(.notPermitted, .permissionDenied, hint: "fs.pipe-max-size = ") {
            try pipe.writer.setCapacity(bytes: 1 << 30)
        }
    }
}

private func row10() throws {
    let pipe = try PipePair()
    try pipe.writer.write(zeros(40000))
    expectFailure(.resourceBusy, .busy, hint: "40000 bytes are in it") {
        try pipe.reader.setCapacity(bytes: 4096)
    }
    #expect(try pipe.reader.capacityBytes() == 65536)
}

private func row11() throws {
    let pipe = try PipePair()
    let (one, other) = (pipe.reader.rawValue, pipe.writer.rawValue)
    let inode = try pipe.reader.status().inode
    let child = try Peer.shell("ls -l /proc/self/fd").finish()
    #expect(!child.text.contains("pipe:[\(inode)]"), "\(one) \(other) \(child.text)")
}

private func row12() throws {
    let scratch = ScratchName()
    let pipe = NamedPipe(scratch.path())
    try pipe.create()
    for form in [NamedPipe.Form.mkfifo, .mknod] {
        expectFailure(.fileExists, .alreadyExists) { try pipe.create(form: form) }
    }
    try pipe.create(.openOrCreate)
}

private func row13() throws {
    expectFailure(.notDirectory, .invalidName) { try NamedPipe("/etc/passwd/pipe").create() }
}

private func row14() throws {
    let scratch = ScratchName()
    let path = scratch.directory.appending(String(repeating: "n", count: 256))
    expectFailure(.fileNameTooLong, .invalidName) { try NamedPipe(path).create() }
}

private func row15() throws {
    let scratch = ScratchName()
    let (one, other) = (scratch.path(), scratch.path())
    _ = try Peer.shell("ln -s \(one) \(other); ln -s \(other) \(one)").finish()
    expectFailure(.tooManySymbolicLinkLevels, .invalidName) { try NamedPipe(one.appending("pipe")).create() }
}

private func row16() async throws {
    // /proc refuses like a read-only file system only where one is mounted: /sys is, as a rule, for containers.
    await #expect(processExitsWith: .success) {
        Faults.fail("mkfifoat", with: .readOnlyFileSystem)
        expectFailure(.readOnlyFileSystem, .unsupported, hint: "read-only") {
            try NamedPipe("/tmp/swift-ipc-test-never").create()
        }
    }
}

private func row17() throws {
    let scratch = ScratchName()
    let pipe = try made(scratch)
    let reader = try pipe.tryOpenReader()
    #expect(try reader.tryRead() == .end)
}

private func row18() async throws {
    await #expect(processExitsWith: .success) {
        let scratch = ScratchName()
        let pipe = try made(scratch)
        try SignalStorm.run {
            expectFailure(.interrupted, .interrupted) {
                try pipe.openReader(retryOnInterrupt: false).close()
            }
        }
    }
}

private func row19() throws {
    let scratch = ScratchName()
    let pipe = try made(scratch)
    let reader = try pipe.tryOpenReader()
    let writer = try openNow(pipe)
    try reader.close()
    expectFailure(.brokenPipe, .disconnected) { try writer.write([1]) }
}

private func row20() throws {
    let scratch = ScratchName()
    let pipe = try made(scratch)
    let reader = try pipe.tryOpenReader()
    let writer = try openNow(pipe)
    try writer.write([7])
    try writer.close()
    #expect(try reader.read() == [7])
    #expect(try reader.read() == nil)
    #expect(try reader.tryRead() == .end)
}

private func row21() throws {
    let scratch = ScratchName()
    let path = scratch.path()
    _ = try Peer.shell("echo precious > \(path)").finish()
    let pipe = NamedPipe(path)
    for body in [
        { try pipe.tryOpenReader().close() }, { _ = try pipe.tryOpenWriter() }, { try pipe.openWriter().close() },
        { try pipe.openReader().close() }, { _ = try pipe.openReadWrite() }, { try pipe.create(.openOrCreate) },
        { _ = try pipe.remove() },
    ] as [() throws -> Void] {
        let error = #expect(throws: IPCError.self) { try body() }
        #expect(error?.code == .wrongKind)
    }
    #expect(try Checkout.text(of: path) == "precious\n")
}

private func row22() throws {
    let counter = try EventCounter()
    #expect(try counter.tryTake() == nil)
}

private func row23() throws {
    let counter = try EventCounter()
    #expect(try counter.tryAdd(.max - 1))
    #expect(try counter.tryAdd(1) == false)
    expectFailure(.invalidArgument, .invalidArgument) { _ = try counter.tryAdd(.max) }
    #expect(try counter.tryTake() == .max - 1)
}

private func row24() throws {
    let counter = try EventCounter(initial: 1)
    expectErrno(.invalidArgument) { _ = try sysWrite(counter.rawValue, [1, 2].span) }
}

private func row25() async throws {
    let counter = try EventCounter(initial: 3, semaphore: true)
    #expect(try counter.tryTake() == 1)
    #expect(try counter.tryTake() == 1)
    #expect(try await counter.take() == 1)
    #expect(try counter.tryTake() == nil)
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

func made(_ scratch: ScratchName) throws -> NamedPipe {
    let pipe = NamedPipe(scratch.path("fifo"))
    try pipe.create()
    return pipe
}

func expectBrokenPipe() throws {
    let pipe = try PipePair()
    let reader = pipe.reader
    let writer = pipe.writer
    try reader.close()
    expectFailure(.brokenPipe, .disconnected) { try writer.write([1, 2, 3]) }
    expectFailure(.brokenPipe, .disconnected) { _ = try writer.tryWrite([1, 2, 3]) }
}

/// The writing end of a named pipe that somebody reads.
func openNow(_ pipe: NamedPipe) throws -> PipeWriter {
    guard let writer = try pipe.tryOpenWriter() else { throw IPCError(code: .noPeer, subject: pipe.subject) }
    return writer
}
