// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct PeerTests {
    @Test func talksInLines() throws {
        let peer = try Peer(["/bin/cat"])
        try peer.send("one")
        try peer.send("two")
        #expect(try peer.readLine() == "one")
        #expect(try peer.readLine() == "two")
        peer.closeInput()
        #expect(try peer.readLine() == nil)
        #expect(try peer.wait() == .exited(0))
    }

    @Test func aLastLineWithoutLineFeedIsALine() throws {
        let peer = try Peer.shell("printf 'a\\nb'")
        #expect(try peer.readLine() == "a")
        #expect(try peer.readLine() == "b")
        #expect(try peer.readLine() == nil)
    }

    @Test(.requires("perl")) func handsOverDescriptorsUnderTheNumbersAskedFor() throws {
        // 7 → 9 and 9 → 7 in the child: a naive row of dup2 calls would lose one.
        let (first, second) = try (TestSyscalls.pipe(), TestSyscalls.pipe())
        defer {
            for number in [first.reading, first.writing, second.reading, second.writing] { TestSyscalls.close(number) }
        }
        let peer = try Peer.perl(
            """
            open(my $a, ">&=", $ARGV[0]) or die; print $a "one"; close $a;
            open(my $b, ">&=", $ARGV[1]) or die; print $b "two"; close $b;
            """, ["\(second.writing)", "\(first.writing)"],
            descriptors: [second.writing: first.writing, first.writing: second.writing])
        try #require(try peer.wait() == .exited(0))
        #expect(try TestSyscalls.read(first.reading) == Array("one".utf8))
        #expect(try TestSyscalls.read(second.reading) == Array("two".utf8))
    }

    @Test func handsOverNoOtherDescriptor() throws {
        let pair = try TestSyscalls.pipe()
        defer { for number in [pair.reading, pair.writing] { TestSyscalls.close(number) } }
        let outcome = try Peer(["/bin/ls", "/proc/self/fd"]).finish()
        // 3 is the folder that ls reads.
        #expect(outcome.text == "0\n1\n2\n3\n")
    }

    @Test func aChildStartsWithDefaultSignals() throws {
        let outcome = try Peer(["/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]).finish()
        // posix_spawn(3) would leave the two signals of glibc, 32 and 33, ignored.
        #expect(outcome.text == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
    }

    @Test func keepsWhatItWritesToStandardError() throws {
        let peer = try Peer.shell("head -c 1000000 /dev/zero >&2; echo sorry >&2; exit 3")
        #expect(try peer.wait() == .exited(3))
        #expect(peer.errorText.hasSuffix("sorry\n"))
    }

    @Test func sendingToOneThatIsGoneIsAnErrorAndNoSignal() throws {
        let peer = try Peer(["/bin/true"])
        try peer.wait()
        #expect(throws: PeerFailure.self) { try peer.send("anybody?") }
    }

    @Test func aPeerThatSaysNothingIsAFailureWithItsName() throws {
        let peer = try Peer.shell("echo hint >&2; sleep 60")
        let failure = #expect(throws: PeerFailure.self) { try peer.readLine(.milliseconds(200)) }
        #expect(failure?.description.contains("sleep 60") == true)
        #expect(failure?.description.contains("hint") == true)
        #expect(peer.isRunning)
    }

    @Test func theEndOfTheValueIsTheEndOfTheChild() throws {
        var peer: Peer? = try Peer(["/bin/sleep", "60"])
        let id = try #require(peer?.processID)
        peer = nil
        #expect(throws: Errno.noSuchProcess) { try sysKill(id, 0) }
    }

    @Test func killingIsSeen() throws {
        let peer = try Peer(["/bin/sleep", "60"])
        peer.kill()
        #expect(try peer.wait() == .signaled(9))
        #expect(!peer.isRunning)
    }

    @Test func addsToTheEnvironment() throws {
        let peer = try Peer.shell("echo $GREETING; test -n \"$PATH\"", environment: ["GREETING": "hello"])
        #expect(try peer.readLine() == "hello")
        #expect(try peer.wait() == .exited(0))
    }

    @Test(.requires("python3")) func runsPython() throws {
        let peer = try Peer.python("import sys; print('hello', sys.argv[1])", ["world"])
        #expect(try peer.readLine() == "hello world")
    }

    @Test(.requires("perl")) func runsPerl() throws {
        let peer = try Peer.perl("print \"hello $ARGV[0]\\n\"; <STDIN>;", ["world"])
        #expect(try peer.readLine() == "hello world")
    }

    @Test func runsTheCommandOfThisPackage() throws {
        #expect(try Peer.runIPC("--help").status == .exited(0))
    }

    @Test func namesAProgramThatIsNotThere() {
        #expect(throws: PeerFailure.self) { try Peer(["no-such-program-here"]) }
        #expect(throws: Errno.noSuchFileOrDirectory) { try Peer(["/no/such/program"]) }
    }
}
