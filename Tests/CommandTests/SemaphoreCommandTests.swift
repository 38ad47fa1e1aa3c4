// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Semaphores of both kinds, alone and held while a command runs.
@Suite struct SemaphoreCommandTests {
    let scratch = ScratchName()

    private func value(_ address: String, _ key: String = "value") throws -> String {
        try parsed(try ipc("show", address, "--json").text, "d[0]['\(key)']")
    }

    private func set() -> (key: Int32, text: String) {
        let key = scratch.key()
        return (key, "sysv-sem:0x" + String(key, radix: 16))
    }

    // MARK: POSIX

    @Test(.requires(python: "posix_ipc")) func pythonAndItShareASemaphore() throws {
        let name = scratch.queueName()
        let address = "sem:\(name)"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        #expect(try ipc("create", address, "--value", "2").text == address + "\n")
        try ipc("wait", address)
        try ipc("post", address, "--by", "3")
        let script = """
            import posix_ipc, sys
            s = posix_ipc.Semaphore(sys.argv[1]); print(s.value); s.acquire(); s.acquire(); s.acquire(); s.acquire()
            print(s.value, flush=True); s.acquire(); print('got it')
            """
        let peer = try Peer.python(script, [name])
        #expect(try peer.readLine() == "4")
        #expect(try peer.readLine() == "0")
        try eventually("it waits") { try value(address, "waiting") == "1" }
        #expect(try ipc("show", address, "--json").text.contains(#""relation":"waits""#))
        try ipc("post", address)
        #expect(try peer.finish().text.contains("got it"))
        #expect(try value(address) == "0")
    }

    @Test func nothingToTakeIsWouldBlock() throws {
        let address = "sem:\(scratch.queueName())"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        try ipc("wait", address, expecting: 3)
        try ipc("post", address, expecting: 3)
        try ipc("wait", address, "--", "true", expecting: 103)
        try ipc("create", address)
        #expect(try ipc("wait", address, "--no-wait", expecting: 4).errorText.contains("EAGAIN"))
        #expect(try ipc("wait", address, "--timeout", "30ms", expecting: 4).errorText.contains("ETIMEDOUT"))
        try ipc("wait", address, "--no-wait", "--", "true", expecting: 104)
        try ipc("wait", address, "--timeout", "30ms", "--", "true", expecting: 104)
        #expect(try ipc("create", address, "--exclusive", expecting: 6).errorText.contains("EEXIST"))
        try ipc("create", address, "--value", "7")
        #expect(try value(address) == "0")
        try ipc("chmod", "0660", address)
        #expect(try value(address, "mode") == "0660")
        try ipc("remove", address)
        try ipc("show", address, expecting: 3)
    }

    @Test func itIsHeldWhileTheCommandRuns() throws {
        let address = "sem:\(scratch.queueName())"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        try ipc("create", address, "--value", "1")
        let holder = try start("wait", address, "--", "sh", "-c", "echo held; read x; exit 7")
        #expect(try holder.readLine() == "held")
        #expect(try value(address) == "0")
        try ipc("wait", address, "--no-wait", "--", "true", expecting: 104)
        #expect(try holder.finish().status == .exited(7))
        #expect(try value(address) == "1")
    }

    static let endings: [([String], Int32)] = [
        (["true"], 0), (["false"], 1), (["sh", "-c", "exit 42"], 42), (["sh", "-c", "kill -9 $$"], 137),
        (["no-such-command-here"], 103), (["/etc/passwd"], 105), (["/etc"], 105),
    ]

    @Test(arguments: endings)
    func exitCodesOfTheCommand(_ command: [String], _ code: Int32) throws {
        let address = "sem:\(scratch.queueName())"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        try ipc("create", address, "--value", "1")
        let outcome = try Peer([Checkout.command.string, "wait", address, "--"] + command).finish()
        #expect(outcome.status == .exited(code), "\(outcome.errorText)")
        #expect(try value(address) == "1")
    }

    @Test func aSignalReachesTheCommandAndWhatIsHeldComesBack() throws {
        let address = "sem:\(scratch.queueName())"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        try ipc("create", address, "--value", "1")
        for signal: Int32 in [2, 15, 1] {
            let holder = try start("wait", address, "--", "sh", "-c", "echo held; exec sleep 600")
            #expect(try holder.readLine() == "held")
            holder.kill(signal)
            #expect(try holder.wait() == .exited(128 + signal))
            #expect(try value(address) == "1")
        }
    }

    // MARK: System V

    @Test(.requires(python: "sysv_ipc")) func pythonAndItShareASet() throws {
        let (key, address) = set()
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        #expect(try ipc("create", "sysv-sem:\(key)", "--values", "1,0,8", "--mode", "0640").text == address + "\n")
        #expect(try value(address, "values") == "[1, 0, 8]")
        try ipc("wait", address, "--index", "2", "--by", "5")
        try ipc("post", address, "--index", "1", "--by", "4")
        #expect(try value(address, "values") == "[1, 4, 3]")
        let script = """
            import sysv_ipc, sys
            s = sysv_ipc.Semaphore(int(sys.argv[1])); print(s.value, oct(s.mode)); s.acquire(); s.acquire(); print('got it')
            """
        let peer = try Peer.python(script, ["\(key)"])
        #expect(try peer.readLine() == "1 0o640")
        try eventually("it waits") { try value(address, "waitingForMore") == "[1, 0, 0]" }
        #expect(
            try parsed(
                try ipc("show", address, "--json").text,
                "[h['pid'] for h in d[0]['holders'] if h['relation'] == 'waits']") == "[\(peer.processID)]")
        try ipc("post", address)
        #expect(try peer.finish().text.contains("got it"))
        try ipc("wait", address, "--index", "0", "--by", "0", "--no-wait")
        try ipc("wait", address, "--index", "1", "--by", "0", "--no-wait", expecting: 4)
        #expect(try ipc("wait", address, "--index", "3", expecting: 1).errorText.contains("EFBIG"))
    }

    @Test(.requires("ipcs", "ipcmk", "ipcrm")) func theClassicToolsAndItSeeTheSame() throws {
        let made = try Peer.shell("ipcmk -S 3").finish().text.trimmed
        let id = try #require(made.split(separator: " ").last)
        let address = "sysv-sem:id=\(id)"
        try ipc("post", address, "--index", "2", "--by", "9")
        #expect(try value(address, "values") == "[0, 0, 9]")
        #expect(try Peer.shell("ipcs -s -i \(id)").finish().text.contains("nsems = 3"))
        try ipc("wait", address, "--no-wait", expecting: 4)
        let waiting = try start("wait", address)
        try eventually("it waits") { try value(address, "waitingForMore") == "[1, 0, 0]" }
        _ = try Peer.shell("ipcrm -s \(id)").finish()
        let outcome = try waiting.finish()
        #expect(outcome.status == .exited(7), "\(outcome.errorText)")
        #expect(outcome.errorText.contains("EIDRM"))
        try ipc("wait", address, expecting: 3)
    }

    @Test func undoGivesItBackWhenItIsKilledAndTheCommandLives() throws {
        let (_, address) = set()
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        try ipc("create", address, "--count", "2", "--value", "3")
        #expect(try value(address, "values") == "[3, 3]")
        let script = "echo $$; exec sleep 600"
        let holder = try start("wait", address, "--index", "1", "--by", "2", "--undo", "--", "sh", "-c", script)
        let child = try #require(try holder.readLine().flatMap { Int32($0) })
        defer { try? sysKill(child, 9) }
        #expect(try value(address, "values") == "[3, 1]")
        holder.kill(9)
        _ = try holder.wait()
        #expect(try value(address, "values") == "[3, 3]")
        #expect(exists(FilePath("/proc/\(child)/status")))
        // The usual way: once, not twice.
        try ipc("wait", address, "--undo", "--by", "3", "--", "true")
        #expect(try value(address, "values") == "[3, 3]")
        try ipc("wait", address, "--undo", expecting: 64)
        try ipc("post", address, "--undo", expecting: 64)
    }

    @Test func privateSetsGoById() throws {
        let id = try ipc("create", "sysv-sem:private", "--count", "3").text.trimmed
        #expect(id.hasPrefix("sysv-sem:id="))
        #expect(try value(id, "values") == "[0, 0, 0]")
        try ipc("remove", id)
        try ipc("remove", id, expecting: 3)
        try ipc("wait", "sysv-sem:private", expecting: 64)
    }
}
