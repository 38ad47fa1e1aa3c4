// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Named pipes, with mkfifo, cat and Python at the other side.
@Suite struct FIFOCommandTests {
    let scratch = ScratchName()

    @Test func catReadsWhatItSends() throws {
        let path = scratch.path()
        #expect(
            try Peer.shell("umask 777; '\(Checkout.command)' create fifo:\(path) --mode 0640").finish().text
                == "fifo:\(path)\n")
        #expect(try sysStatus(path).permissions == 0o640)
        let cat = try Peer(["cat", "\(path)"])
        try ipc("send", "fifo:\(path)", input: "one\0two")
        #expect(try cat.finish().output == Array("one\0two".utf8))
    }

    @Test(.requires("mkfifo")) func itReadsWhatOthersWriteIntoAnothersPipe() throws {
        let path = scratch.path()
        _ = try Peer(["mkfifo", "\(path)"]).finish()
        let receiver = try start("receive", "fifo:\(path)")
        _ = try Peer.shell("printf 'from printf' > '\(path)'").finish()
        #expect(try receiver.finish().text == "from printf")
    }

    @Test func nobodyThere() throws {
        let path = scratch.path()
        #expect(try ipc("send", "fifo:\(path)", "x", expecting: 3).errorText.contains("ENOENT"))
        try ipc("create", "fifo:\(path)")
        #expect(try ipc("send", "fifo:\(path)", "--no-wait", "x", expecting: 4).errorText.contains("ENXIO"))
        try ipc("send", "fifo:\(path)", "--timeout", "50ms", "x", expecting: 4)
        try ipc("receive", "fifo:\(path)", "--no-wait", expecting: 4)
        try ipc("receive", "fifo:\(path)", "--timeout", "50ms", expecting: 4)
    }

    @Test func whatExistsIsOpenedOrRefused() throws {
        let path = scratch.path()
        try ipc("create", "fifo:\(path)")
        try ipc("create", "fifo:\(path)")
        #expect(try ipc("create", "fifo:\(path)", "--exclusive", expecting: 6).errorText.contains("EEXIST"))
        let file = scratch.path()
        try ipc("create", "file:\(file)")
        try ipc("create", "fifo:\(file)", expecting: 1)
        try ipc("send", "fifo:\(file)", "x", expecting: 1)
        try ipc("remove", "fifo:\(file)", expecting: 1)
        #expect(exists(file), "what is no fifo is left alone")
        try ipc("remove", "fifo:\(path)", "file:\(file)")
        try ipc("remove", "fifo:\(path)", expecting: 3)
    }

    @Test func followGoesOnFromWriterToWriter() throws {
        let path = scratch.path()
        try ipc("create", "fifo:\(path)")
        let receiver = try start("receive", "fifo:\(path)", "--follow", "--lines")
        for text in ["one", "two", "three"] {
            try ipc("send", "fifo:\(path)", input: text + "\n")
            #expect(try receiver.readLine() == text)
        }
        receiver.kill(2)
        #expect(try receiver.wait() == .signaled(2))
    }

    @Test func aReaderThatIsKilledIsABrokenPipe() throws {
        let path = scratch.path()
        try ipc("create", "fifo:\(path)")
        let reader = try Peer.python(
            "import sys, time; f = open(sys.argv[1], 'rb'); print('up'); time.sleep(100)", ["\(path)"])
        let sender = try Peer.shell("exec '\(Checkout.command)' send fifo:\(path) < /dev/zero")
        try reader.expect("up")
        reader.kill()
        let outcome = try sender.finish()
        #expect(outcome.status == .exited(7))
        #expect(outcome.errorText.contains("EPIPE"))
    }

    @Test func holdersAreShown() throws {
        let path = scratch.path()
        try ipc("create", "fifo:\(path)")
        let receiver = try start("receive", "fifo:\(path)", "--follow")
        try eventually("it has the fifo open") {
            let shown = try Peer.runIPC("show", "fifo:\(path)", "--json").text
            return try parsed(shown, "[h['pid'] for h in d[0]['holders']]") == "[\(receiver.processID)]"
        }
        #expect(
            try ipc("list", "fifo", "-n", "-o", "address,pids").text.contains("fifo:\(path)  \(receiver.processID)"))
    }
}
