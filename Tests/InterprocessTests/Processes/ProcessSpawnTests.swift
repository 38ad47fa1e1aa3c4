// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

/// Runs a command with its standard output read to the end.
func outputOf(_ command: ProcessCommand) async throws -> (text: String, exit: ProcessExit) {
    let pipe = try TestSyscalls.pipe()
    defer { TestSyscalls.close(pipe.reading) }
    var command = command
    command.descriptors[1] = .number(pipe.writing)
    let child: ProcessHandle
    do { child = try ProcessHandle.spawn(command) } catch {
        TestSyscalls.close(pipe.writing)
        throw error
    }
    TestSyscalls.close(pipe.writing)
    var text: [UInt8] = []
    while true {
        let part = try TestSyscalls.read(pipe.reading)
        if part.isEmpty { break }
        text += part
    }
    return (String(decoding: text, as: UTF8.self), try await child.exit())
}

@Suite(.bounded()) struct ProcessSpawnTests {
    @Test func theEndIsAValue() async throws {
        let child = try ProcessHandle.spawn(.shell("exit 7"))
        let end = try await child.exit()
        #expect(end.reason == .exited(7) && end.code == 7 && !end.isSuccess && end.processID == child.processID)
        #expect("\(end)" == "\(child.processID) exited with 7")
        // Asked again, by whatever face, the answer is the same.
        #expect(try child.tryExit() == end)
        #expect(try Self.exitBlocking(child) == end)
        let killed = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
        #expect(killed.isRunning == true)
        #expect(try killed.tryExit() == nil)
        try killed.kill()
        let how = try await killed.exit(until: .after(.seconds(20)))
        #expect(how.signal == .kill && "\(how)" == "\(killed.processID) was ended by SIGKILL")
        #expect(killed.isRunning == false)
    }

    static func exitBlocking(_ child: borrowing ProcessHandle) throws -> ProcessExit { try child.exit() }

    @Test func usageIsThatOfTheChild() async throws {
        let end = try await ProcessHandle.spawn(
            ProcessCommand("python3", ["-c", "x = bytearray(50_000_000); [i for i in range(2_000_000)]"])
        ).exit()
        let usage = try #require(end.usage)
        #expect(usage.maxResidentBytes > 50_000_000)
        #expect(usage.userTime > .milliseconds(5) && usage.minorFaults > 1000)
    }

    @Test func whatCannotBeStartedIsThrown() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let check = LeakCheck()
            let plain = scratch.path("plain")
            try Checkout.write("echo hello\n", to: plain, mode: [.ownerReadWrite, .ownerExecute])
            let closed = scratch.path("closed")
            try Checkout.write("#!/bin/sh\n", to: closed, mode: .ownerReadWrite)
            let orphan = scratch.path("orphan")
            try Checkout.write("#!/no/such/interpreter\n", to: orphan, mode: [.ownerReadWrite, .ownerExecute])
            func fails(_ errno: Errno, _ code: IPCError.Code, _ hint: String, _ command: ProcessCommand) {
                expectProcessFailure(errno, code, hint: hint) { _ = try ProcessHandle.spawn(command) }
            }
            fails(.noSuchFileOrDirectory, .notFound, "no such file", ProcessCommand("/no/such/program"))
            fails(.noSuchFileOrDirectory, .notFound, "none of the folders of PATH", ProcessCommand("no-such-program"))
            fails(.noSuchFileOrDirectory, .notFound, "interpreter", ProcessCommand(orphan.string))
            fails(.permissionDenied, .permissionDenied, "may not be executed", ProcessCommand(closed.string))
            fails(Errno(rawValue: 8), .wrongKind, "#!", ProcessCommand(plain.string))
            fails(
                Errno(rawValue: 7), .messageTooLarge, "too long",
                ProcessCommand("true", [String(repeating: "x", count: 300_000)]))
            var elsewhere = ProcessCommand("true")
            elsewhere.directory = "/no/such/folder"
            fails(.noSuchFileOrDirectory, .notFound, "/no/such/folder", elsewhere)
            var unknown = ProcessCommand("true")
            unknown.descriptors[3] = 987
            fails(.badFileDescriptor, .badDescriptor, "not open", unknown)
            var group = ProcessCommand("true")
            group.group = .existing(1)
            fails(.notPermitted, .permissionDenied, "same session", group)
            var limits = ProcessCommand("true")
            limits.limits = [.descriptors: .init(soft: 100, hard: 50)]
            fails(.invalidArgument, .invalidArgument, "hard limit", limits)
            var terminal = ProcessCommand("true")
            (terminal.startsSession, terminal.terminal, terminal.descriptors) = (true, 0, [0: .null])
            fails(Errno(rawValue: 25), .system, "terminal", terminal)
            let nul = #expect(throws: IPCError.self) { _ = try ProcessHandle.spawn(ProcessCommand("true", ["a\0b"])) }
            #expect(nul?.code == .invalidArgument)
            // Nothing is left of all these.
            #expect(throws: Errno.noChildProcess) { try sysWaitForEnd(.anyChild) }
            try check.verify()
        }
    }

    @Test func theChildHasExactlyTheDescriptorsThatItIsGiven() async {
        await #expect(processExitsWith: .success) {
            // Somebody's descriptor that every child would inherit.
            let careless = try sysDuplicate(0, minimum: 200)
            try sysSetCloseOnExec(careless, false)
            var command = ProcessCommand("/bin/ls", ["/proc/self/fd"])
            command.descriptors = [0: .null, 2: 2, 7: .null, 9: 0]
            let (text, end) = try await outputOf(command)
            // 3 is the folder that ls reads.
            #expect(text == "0\n1\n2\n3\n7\n9\n")
            #expect(end.isSuccess)
            // Numbers may change places.
            let (one, two) = (try TestSyscalls.pipe(), try TestSyscalls.pipe())
            try TestSyscalls.writeAll(one.writing, Array("one".utf8))
            try TestSyscalls.writeAll(two.writing, Array("two".utf8))
            // A shell knows descriptors of one digit.
            let (low, high) = (try sysDuplicate(one.reading, minimum: 5), try sysDuplicate(two.reading, minimum: 6))
            var swapped = ProcessCommand.shell("head -c3 <&8; head -c3 <&9")
            swapped.descriptors = [0: .null, 2: 2, 8: .number(high), 9: .number(low)]
            #expect(try await outputOf(swapped).text == "twoone")
            // The Nth number may be beyond what the child may open itself.
            var narrow = ProcessCommand("/bin/ls", ["/proc/self/fd"])
            narrow.descriptors = [0: .null, 2: 2, 60: .null]
            narrow.limits = [.descriptors: .both(20)]
            #expect(try await outputOf(narrow).text == "0\n1\n2\n3\n60\n")
        }
    }

    @Test func environmentDirectoryAndName() async throws {
        var command = ProcessCommand("/usr/bin/env")
        command.environment = .only(["A": "1", "B": "x=y z"])
        #expect(try await outputOf(command).text == "A=1\nB=x=y z\n")
        command = .shell("echo $HOME:$A; pwd; umask; echo $0")
        command.environment = .changed(["HOME": nil, "A": "2"])
        command.directory = "/usr/bin"
        command.fileModeMask = [.groupReadWriteExecute, .otherReadWriteExecute]
        #expect(try await outputOf(command).text == ":2\n/usr/bin\n0077\nsh\n")
        command = .shell("echo $PPID")
        #expect(try await outputOf(command).text == "\(sysProcessID())\n")
        command = ProcessCommand("/proc/self/exe")
        command = ProcessCommand("/bin/sh", ["-c", "tr '\\0' ' ' < /proc/$$/cmdline"])
        command.name = "other"
        #expect(try await outputOf(command).text.hasPrefix("other -c "))
    }

    @Test func limitsPriorityAndMasks() async throws {
        var command = ProcessCommand("/bin/cat", ["/proc/self/status", "/proc/self/limits", "/proc/self/stat"])
        command.limits = [
            .coreBytes: .both(0), .descriptors: .init(soft: 50, hard: 60), .cpuSeconds: .init(soft: 3, hard: nil),
        ]
        command.niceness = 7
        command.blockedSignals = [.user1, .realTime(0)]
        command.ignoredSignals = [.hangUp]
        let text = try await outputOf(command).text
        let lines = text.split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(lines.contains("Max open files 50 60 files"))
        #expect(lines.contains("Max core file size 0 0 bytes"))
        #expect(lines.contains("SigBlk:\t0000000200000200"))
        #expect(lines.contains("SigIgn:\t0000000000000001"))
        #expect(lines.last?.split(separator: " ")[18] == "7")
    }

    @Test func groupsAndSessions() async throws {
        var command = ProcessCommand("sleep", ["600"])
        let inherited = try ProcessHandle.spawn(command)
        #expect(try inherited.group() == .current)
        command.group = .own
        let leader = try ProcessHandle.spawn(command)
        #expect(try leader.group().id == leader.processID)
        #expect(try leader.parentID() == sysProcessID())
        command.group = .existing(leader.processID)
        let member = try ProcessHandle.spawn(command)
        #expect(try member.group().id == leader.processID)
        command.group = nil
        command.startsSession = true
        let session = try ProcessHandle.spawn(command)
        #expect(try session.sessionID() == session.processID)
        #expect(try session.group().id == session.processID)
        #expect(try leader.sessionID() != session.processID)
        for child in [inherited.processID, session.processID] {
            try ProcessHandle(processID: child).kill()
        }
        try leader.ledGroup.send(.terminate)
        #expect(try await leader.exit().signal == .terminate)
        #expect(try await member.exit().signal == .terminate)
        #expect(try await inherited.exit().signal == .kill)
        #expect(try await session.exit().signal == .kill)
        #expect(throws: IPCError.self) { try leader.ledGroup.send(.terminate) }
        let error = #expect(throws: IPCError.self) { try leader.group() }
        #expect(error?.code == .notFound)
    }

    @Test(.requires("python3")) func aTerminalBecomesTheControllingOne() async throws {
        let terminals = try Peer.python(
            "import os, sys; a, b = os.openpty(); print(os.ttyname(b)); sys.stdin.read()")
        let path = try #require(try terminals.readLine())
        let terminal = OwnedDescriptor(adopting: try sysOpen(FilePath(path), flags: 0o402))
        var command = ProcessCommand.shell("tty; echo here > /dev/tty; ps -o tpgid= -p $$ | tr -d ' '; echo $$")
        command.descriptors = [0: .number(terminal.rawValue), 2: 2]
        (command.startsSession, command.terminal) = (true, 0)
        let (text, end) = try await outputOf(command)
        #expect(text == "\(path)\n\(end.processID)\n\(end.processID)\n")
        #expect(end.isSuccess)
    }

    @Test func aChildOutlivesTheThreadThatSpawnedIt() async throws {
        // To the kernel the parent is a thread: the death of that one is not the death of this process.
        let ended = Flag()
        let number = SharedNumber()
        try TestSyscalls.startThread("short-lived") {
            var command = ProcessCommand("sleep", ["600"])
            command.signalAtParentDeath = .kill
            if let child = try? ProcessHandle.spawn(command) { number.set(child.processID) }
            ended.set()
        }
        waitUntil { ended.isSet && !LeakCheck.threads().values.contains("short-lived") }
        let child = try ProcessHandle(processID: number.value)
        let stillRuns = try await !child.ended(until: .after(.milliseconds(20)))
        #expect(stillRuns)
        try child.kill()
        _ = try await child.ended()
    }

    @Test func aChildIsToldOfTheDeathOfItsParent() async throws {
        let peer = try Peer.python(
            "import os, sys; print(sys.argv[1]); sys.stdin.read()", ["ready"])
        _ = peer
        // The parent is an exit test, killed in the middle; its child tells its number through a pipe that outlives it.
        let scratch = ScratchName()
        let fifo = scratch.path("number").string
        await #expect(processExitsWith: .signal(9)) { [fifo = fifo as String] in
            var command = ProcessCommand.shell("echo $$ > \(fifo); exec sleep 600")
            command.signalAtParentDeath = .terminate
            let child = try ProcessHandle.spawn(command)
            waitUntil { (try? Checkout.text(of: FilePath(fifo)))?.hasSuffix("\n") == true }
            _ = child
            try ProcessHandle.current().kill()
        }
        let number = try #require(Int32(try Checkout.text(of: FilePath(fifo)).dropLast()))
        waitUntil {
            guard let handle = try? ProcessHandle(processID: number) else { return true }
            return !handle.isRunning
        }
    }
}

final class SharedNumber: Sendable {
    private let number = Mutex<Int32>(0)
    var value: Int32 { number.withLock { $0 } }
    func set(_ value: Int32) { number.withLock { $0 = value } }
}

/// Expects that `body` fails with this errno and code.
func expectProcessFailure(
    _ errno: Errno, _ code: IPCError.Code, hint: String = "", at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: IPCError.self, sourceLocation: location) { try body() }
    guard let error else { return }
    #expect(error.errno == errno, "\(error)", sourceLocation: location)
    #expect(error.code == code, "\(error)", sourceLocation: location)
    if !hint.isEmpty { #expect(error.hint.contains(hint), "\(error)", sourceLocation: location) }
}
