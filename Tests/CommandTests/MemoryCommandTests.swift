// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// POSIX and System V shared memory, with Python's posix_ipc and sysv_ipc, ipcs, ipcmk and ipcrm at the other side.
@Suite struct MemoryCommandTests {
    let scratch = ScratchName()

    @Test(.requires(python: "posix_ipc")) func pythonAndItShareMemory() throws {
        let name = scratch.queueName()
        let address = "shm:\(name)"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        #expect(try ipc("create", address, "--size", "4096").text == address + "\n")
        try ipc("write", address, "--offset", "10", "héllo")
        let script = """
            import posix_ipc, mmap, sys, os
            m = posix_ipc.SharedMemory(sys.argv[1])
            b = mmap.mmap(m.fd, m.size)
            print(m.size, b[10:16], oct(os.fstat(m.fd).st_mode & 0o777), os.fstat(m.fd).st_blocks > 0)
            b[4090:4096] = bytes([0, 255, 16, 0, 10, 1])
            """
        #expect(try Peer.python(script, [name]).finish().text.trimmed == "4096 b'h\\xc3\\xa9llo' 0o600 True")
        #expect(try ipc("read", address, "--offset", "4090", "--hex").text == "00ff10000a01\n")
        #expect(try ipc("read", address, "--offset", "11", "--length", "2").output == [0xc3, 0xa9])
        #expect(try ipc("read", address).output.count == 4096)
        #expect(try ipc("read", address, "--offset", "4096").output.isEmpty)
        try ipc("read", address, "--offset", "4097", expecting: 1)
    }

    @Test func writingPastTheEndWritesNothing() throws {
        let address = "shm:\(scratch.queueName())"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        try ipc("create", address, "--size", "16")
        try ipc("write", address, "--offset", "12", "abcd")
        let refused = try ipc("write", address, "--offset", "12", "vwxyz", expecting: 1)
        #expect(refused.errorText.contains("nothing was written"))
        try ipc("write", address, "--offset", "17", "a", expecting: 1)
        try ipc("write", address, input: "seventeen letters", expecting: 1)
        try ipc("write", address, "--offset", "16", "")
        #expect(try ipc("read", address, "--offset", "12").text == "abcd")
        try ipc("write", address, "--offset", "0", "--hex", "00 FF\n10")
        #expect(try ipc("read", address, "--length", "3", "--hex").text == "00ff10\n")
        try ipc("write", address, "--hex", "0f0", expecting: 64)
        try ipc("write", address, "--length", "2", input: "xyz")
        #expect(try ipc("read", address, "--length", "3", "--hex").text == "787910\n")
        #expect(try parsed(try ipc("show", address, "--json").text, "d[0]['size']") == "16")
    }

    @Test func modesSizesAndWhatIsThereAlready() throws {
        let address = "shm:\(scratch.queueName())"
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        #expect(try ipc("create", address, expecting: 64).errorText.contains("--size"))
        try ipc("create", address, "--size", "0", expecting: 64)
        _ = try Peer.shell("umask 077; '\(Checkout.command)' create \(address) --size 8K --mode 0666").finish()
        #expect(try ipc("create", address, "--size", "4K").errorText.contains("8192"))
        #expect(try ipc("create", address, "--size", "8K", "--exclusive", expecting: 6).errorText.contains("EEXIST"))
        let shown = try ipc("show", address, "--json").text
        #expect(
            try parsed(
                shown,
                "(d[0]['kind'], d[0]['mode'], d[0]['size'], d[0]['allocatedBytes'], d[0]['holders'], len(d))")
                == "('shm', '0666', 8192, 8192, [], 1)")
        try ipc("chmod", "g-w,o=", address)
        #expect(try parsed(try ipc("show", address, "--json").text, "d[0]['mode']") == "0640")
        #expect(try ipc("list", "shm", "-n", "-o", "address,size", "-b").text.contains("\(address)"))
        #expect(try ipc("remove", "--dry-run", address).text == address + "\n")
        try ipc("remove", address)
        for verb in ["remove", "show", "read"] {
            #expect(try ipc(verb, address, expecting: 3).errorText.contains("ENOENT"))
        }
        try ipc("write", address, "x", expecting: 3)
    }

    @Test(.requires("python3")) func whoHasItInMemory() throws {
        let name = scratch.queueName()
        defer { _ = try? Peer([Checkout.command.string, "remove", "shm:\(name)"]).finish() }
        try ipc("create", "shm:\(name)", "--size", "4096")
        let script = """
            import mmap, os, sys
            fd = os.open('/dev/shm' + sys.argv[1], os.O_RDWR); m = mmap.mmap(fd, 4096); os.close(fd)
            print('mapped', flush=True); sys.stdin.read()
            """
        let peer = try Peer.python(script, [name])
        #expect(try peer.readLine() == "mapped")
        let shown = try ipc("show", "shm:\(name)", "--json").text
        #expect(
            try parsed(
                shown,
                "[(h['pid'], h['relation'], h['mappedBytes']) for h in d[0]['holders'] if h['relation'] == 'maps']")
                == "[(\(peer.processID), 'maps', 4096)]")
        #expect(try ipc("list", "shm").text.contains("(\(peer.processID))"))
        try ipc("remove", "--orphaned", "shm:\(name)")
        try ipc("show", "shm:\(name)")
        _ = try peer.finish()
        #expect(try ipc("remove", "--orphaned", "shm:\(name)").text.contains("nobody has it"))
        try ipc("show", "shm:\(name)", expecting: 3)
    }

    @Test func filesHaveOffsetsToo() throws {
        let path = scratch.path()
        #expect(try ipc("create", "file:\(path)", "--size", "32").text == "file:\(path)\n")
        try ipc("write", "file:\(path)", "--offset", "30", "ab")
        try ipc("write", "file:\(path)", "--offset", "31", "ab", expecting: 1)
        #expect(try ipc("read", "file:\(path)", "--offset", "28", "--hex").text == "00006162\n")
        #expect(
            try parsed(try ipc("show", "file:\(path)", "--json").text, "(d[0]['size'], d[0]['mode'])") == "(32, '0600')"
        )
    }

    // MARK: System V

    private func segment() -> (key: Int32, text: String) {
        let key = scratch.key()
        return (key, "sysv-shm:0x" + String(key, radix: 16))
    }

    @Test(.requires(python: "sysv_ipc")) func pythonAndItShareASegment() throws {
        let (key, address) = segment()
        defer { _ = try? Peer([Checkout.command.string, "remove", address]).finish() }
        #expect(try ipc("create", "sysv-shm:\(key)", "--size", "5000").text == address + "\n")
        try ipc("write", address, "--offset", "4995", "12345")
        try ipc("write", address, "--offset", "4996", "12345", expecting: 1)
        let script = """
            import sysv_ipc, sys
            m = sysv_ipc.SharedMemory(int(sys.argv[1]))
            print(m.size, m.read(5, 4995), oct(m.mode), m.number_attached, flush=True)
            m.write(b'from python', 0)
            sys.stdin.read()
            """
        let peer = try Peer.python(script, ["\(key)"])
        #expect(try peer.readLine() == "5000 b'12345' 0o600 1")
        try eventually("it has written") { try ipc("read", address, "--length", "11").text == "from python" }
        let shown = try ipc("show", address, "--json").text
        #expect(
            try parsed(
                shown,
                "(d[0]['size'], d[0]['attachments'], [h['pid'] for h in d[0]['holders'] if h['relation'] == 'attached'])"
            )
                == "(5000, 1, [\(peer.processID)])")
        _ = try peer.finish()
        #expect(try ipc("read", address).output.count == 5000)
    }

    @Test(.requires("ipcs", "ipcmk", "ipcrm")) func theClassicToolsAndItSeeTheSame() throws {
        let (key, address) = segment()
        try ipc("create", address, "--size", "8192", "--mode", "0640")
        let row = try Peer.shell("ipcs -m | grep -i 0x\(String(key, radix: 16))").finish().text
        #expect(row.contains("640") && row.contains("8192"))
        _ = try Peer.shell("ipcrm -M \(key)").finish()
        try ipc("show", address, expecting: 3)
        try ipc("read", address, expecting: 3)

        let made = try Peer.shell("ipcmk -M 4096 -p 0600").finish().text.trimmed
        let id = try #require(made.split(separator: " ").last)
        try ipc("write", "sysv-shm:id=\(id)", "x")
        #expect(try ipc("read", "sysv-shm:id=\(id)", "--length", "1").text == "x")
        #expect(try parsed(try ipc("show", "sysv-shm:id=\(id)", "--json").text, "d[0]['mode']") == "0600")
        try ipc("chmod", "0644", "sysv-shm:id=\(id)")
        #expect(try Peer.shell("ipcs -m -i \(id) | grep -o 'access_perms=[0-9]*'").finish().text.contains("644"))
        try ipc("remove", "sysv-shm:id=\(id)")
        #expect(try Peer.shell("ipcs -m -i \(id) 2>&1").finish().text.contains("not found"))
        try ipc("remove", "sysv-shm:id=\(id)", expecting: 3)
    }

    /// In a namespace of its own, so that nobody else's segments are touched.
    @Test(.requires("unshare", "ipcmk", "ipcs")) func whatNobodyUsesIsRemoved() throws {
        let command = Checkout.command.string
        let outcome = try Peer.shell(
            """
            unshare -i sh -c 'ipcmk -M 4096 >/dev/null; ipcmk -S 2 >/dev/null; ipcmk -Q >/dev/null
            "\(command)" remove --orphaned --dry-run sysv-shm:id=0 | cut -d" " -f1
            "\(command)" list -n -o address sysv-shm sysv-sem sysv-msg | wc -l
            for a in $("\(command)" list -n -o address sysv-shm sysv-sem sysv-msg); do
            "\(command)" remove --orphaned $a | cut -d" " -f1,3-; done
            ipcs -msq | grep -c 0x'
            """
        ).finish()
        let lines = outcome.text.split(separator: "\n").map(String.init)
        #expect(lines.count == 6, "\(outcome.text)\(outcome.errorText)")
        guard lines.count == 6 else { return }
        #expect(lines[1].trimmed == "3")
        #expect(lines[2...4].contains { $0.contains("its creator") })
        #expect(lines[2...4].contains { $0.contains("nobody ever used it") })
        #expect(lines[5].trimmed == "0")
    }

    @Test func aPrivateSegmentGoesById() throws {
        let id = try ipc("create", "sysv-shm:private", "--size", "1K").text.trimmed
        #expect(id.hasPrefix("sysv-shm:id="))
        #expect(try ipc("read", id, "--hex", "--length", "2").text == "0000\n")
        try ipc("read", "sysv-shm:private", expecting: 64)
        try ipc("remove", id)
    }
}
