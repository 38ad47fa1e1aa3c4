// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct LockFileTests {
    @Test func theHolderIsShown() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        #expect(try LockFile.holder(of: path) == nil)
        let lock = try LockFile.tryAcquire(path, label: "nightly backup\nwith more")
        let isHeld = lock != nil
        #expect(isHeld)
        let again = try LockFile.tryAcquire(path) == nil
        #expect(again)
        let holder = try LockFile.holder(of: path)
        #expect(holder?.processID == PeerCredentials.own.processID)
        #expect(holder?.label == "nightly backup")
        #expect((holder?.sinceSeconds ?? 0) > 1.7e9)
        expectRefusal(.timedOut, .timedOut, hint: "process \(PeerCredentials.own.processID)") {
            _ = try LockFile.acquire(path, until: .after(.milliseconds(5)))
        }
        try lock?.close()
        #expect(try LockFile.holder(of: path) == nil)
        let next = try LockFile.tryAcquire(path) != nil
        #expect(next)
    }

    @Test func whatTheDeadLeaveIsFree() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        for text in ["812\n", "lock file, held while locked\npid 1\nsince 5\nlabel x\n", "\u{0}\u{1}garbage", ""] {
            try Checkout.write(text, to: path)
            #expect(try LockFile.holder(of: path) == nil)
            let lock = try LockFile.tryAcquire(path)
            let isHeld = lock != nil
            #expect(isHeld)
            #expect(try LockFile.holder(of: path)?.processID == PeerCredentials.own.processID)
        }
    }

    @Test func whoRemovesTheFileDoesNotSplitTheLock() async throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let first = try LockFile.tryAcquire(path, removeOnClose: true)
        let waiting = Task { try await LockFile.acquire(path, removeOnClose: true).close() }
        try await Task.sleep(for: .milliseconds(20))
        try first?.close()
        try await waiting.value
        #expect(throws: Errno.self) { try sysStatus(path) }
    }

    @Test func aLinkIsNotFollowed() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        _ = try Peer(["ln", "-s", "/etc/passwd", path.string]).finish()
        let error = #expect(throws: IPCError.self) { _ = try LockFile.tryAcquire(path) }
        #expect(error?.code == .invalidName)
    }

    @Test(.requires("python3")) func aForeignHolderIsFoundByItsLock() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        try Checkout.write("lock file, held while locked\npid 1\nsince 5\nlabel nobody\n", to: path)
        let peer = try Peer.python(
            "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held'); sys.stdin.read()",
            [path.string])
        try peer.expect("held")
        #expect(try LockFile.holder(of: path)?.processID == peer.processID)
        #expect(try LockFile.holder(of: path)?.label == "")
        peer.kill()
        try peer.wait()
        #expect(try LockFile.holder(of: path) == nil)
    }
}
