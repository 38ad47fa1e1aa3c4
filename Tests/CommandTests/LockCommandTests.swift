// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Locks on files, with Python's fcntl and lslocks at the other side.
@Suite struct LockCommandTests {
    let scratch = ScratchName()

    /// Whether Python gets an OFD lock (`LOCK`, start, length) on the file.
    private func pythonGets(_ kind: String, _ start: Int, _ length: Int, _ path: FilePath) throws -> Bool {
        let script = """
            import fcntl, struct, sys
            f = open(sys.argv[1], 'r+')
            try:
                fcntl.fcntl(f, 37, struct.pack('hhqqi', fcntl.\(kind), 0, \(start), \(length), 0)); print('got')
            except OSError as e: print(e.errno)
            """
        return try Peer.python(script, [path.string]).finish().text.trimmed == "got"
    }

    @Test(.requires("python3")) func othersSeeIt() throws {
        let path = scratch.path()
        let holder = try start("lock", "file:\(path)", "--", "sh", "-c", "echo held; read x; exit 3")
        #expect(try holder.readLine() == "held")
        #expect(try sysStatus(path).permissions == 0o600)
        #expect(try !pythonGets("F_WRLCK", 0, 0, path))
        #expect(try !pythonGets("F_RDLCK", 5, 1, path))
        let refused = try ipc("lock", "file:\(path)", "--no-wait", "--", "true", expecting: 104)
        #expect(refused.errorText.contains("EAGAIN") && refused.errorText.contains("\(holder.processID)"))
        try ipc("lock", "file:\(path)", "--timeout", "30ms", "--", "true", expecting: 104)
        let shown = try ipc("show", "file:\(path)", "--json").text
        #expect(
            try parsed(
                shown, "[(l['family'], l['isShared'], l['start'], l.get('end'), l['pids']) for l in d[0]['locks']]")
                == "[('openFile', False, 0, None, [\(holder.processID)])]")
        #expect(try holder.finish().status == .exited(3))
        #expect(try pythonGets("F_WRLCK", 0, 0, path))
    }

    @Test(.requires("python3")) func rangesHaveBothEnds() throws {
        let path = scratch.path()
        let holder = try start("lock", "file:\(path)", "--range", "10-19", "--", "sh", "-c", "echo held; read x")
        #expect(try holder.readLine() == "held")
        for (start, length, free) in [(0, 10, true), (10, 1, false), (19, 1, false), (20, 0, true)] {
            #expect(try pythonGets("F_WRLCK", start, length, path) == free, "\(start)")
        }
        try ipc("lock", "file:\(path)", "--range", "20-", "--no-wait", "--", "true")
        try ipc("lock", "file:\(path)", "--range", "19-", "--no-wait", "--", "true", expecting: 104)
        _ = try holder.finish()
    }

    @Test(.requires("python3")) func sharedIsSharedWithOthers() throws {
        let path = scratch.path()
        let holder = try start("lock", "file:\(path)", "--shared", "--", "sh", "-c", "echo held; read x")
        #expect(try holder.readLine() == "held")
        #expect(try pythonGets("F_RDLCK", 0, 0, path))
        #expect(try !pythonGets("F_WRLCK", 0, 0, path))
        try ipc("lock", "file:\(path)", "--shared", "--no-wait", "--", "true")
        try ipc("lock", "file:\(path)", "--no-wait", "--", "true", expecting: 104)
        _ = try holder.finish()
    }

    @Test func theCommandDoesNotInheritIt() throws {
        let path = scratch.path()
        let holder = try start("lock", "file:\(path)", "--", "sh", "-c", "echo $$; exec sleep 600")
        let child = try #require(try holder.readLine().flatMap { Int32($0) })
        defer { try? sysKill(child, 9) }
        holder.kill(9)
        _ = try holder.wait()
        #expect(exists(FilePath("/proc/\(child)/status")))
        try ipc("lock", "file:\(path)", "--no-wait", "--", "true")
    }

    @Test func aClosedStandardInputIsNotTheLockedFile() throws {
        let path = scratch.path()
        let command = Checkout.command.string
        let outcome = try Peer.shell(
            "printf secret > '\(path)'; '\(command)' lock file:\(path) -- cat <&-; echo $?"
        ).finish()
        #expect(outcome.text == "0\n")
    }

    @Test func whoWaitsIsShownAndGetsIt() throws {
        let path = scratch.path()
        let holder = try start("lock", "file:\(path)", "--", "sh", "-c", "echo held; read x")
        #expect(try holder.readLine() == "held")
        let waiting = try start("lock", "file:\(path)", "--", "echo", "mine")
        try eventually("it waits") {
            try parsed(
                try ipc("show", "file:\(path)", "--json").text,
                "[l['pids'] for l in d[0]['locks'] if l['isWaiting']] == [[\(waiting.processID)]]") == "True"
        }
        #expect(try ipc("list", "file", "-n", "-o", "address").text.contains(path.string))
        _ = try holder.finish()
        #expect(try waiting.finish().text == "mine\n")
    }

    @Test func exitCodes() throws {
        let path = scratch.path()
        try ipc("lock", "file:\(path)", "--", "sh", "-c", "exit 9", expecting: 9)
        try ipc("lock", "file:\(path)", "--", "no-such-command-here", expecting: 103)
        try ipc("lock", "file:\(path)/x", "--", "true", expecting: 101)
        try ipc("lock", "file:\(scratch.path())/x/y", "--", "true", expecting: 103)
        try ipc("lock", "file:\(path)", expecting: 64)
        try ipc("lock", "file:\(path)", "--", expecting: 64)
        try ipc("lock", "mq:/x", "--", "true", expecting: 164)
        try ipc("lock", "file:\(path)", "--range", "9-3", "--", "true", expecting: 164)
        try ipc("lock", "file:\(path)", "--timeout", "1x", "--", "true", expecting: 164)
    }
}
