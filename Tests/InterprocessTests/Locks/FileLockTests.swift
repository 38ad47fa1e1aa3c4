// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private let kinds: [FileLock.Kind] = [.openFile, .flock]

/// A process that takes an flock or a lock of `fcntl` with Python's modules, says so, and lets go when told.
private let holder = """
    import fcntl, os, sys
    fd = os.open(sys.argv[1], os.O_RDWR)
    how = fcntl.LOCK_SH if 'shared' in sys.argv[2] else fcntl.LOCK_EX
    (fcntl.flock if 'flock' in sys.argv[2] else fcntl.lockf)(fd, how)
    print('held')
    for line in sys.stdin:
        if 'release' in line:
            (fcntl.flock if 'flock' in sys.argv[2] else fcntl.lockf)(fd, fcntl.LOCK_UN)
            print('released')
    """

@Suite(.bounded()) struct FileLockTests {
    private static func handles(_ kind: FileLock.Kind, _ scratch: ScratchName) throws -> (FilePath, Shared, Shared) {
        let path = scratch.path()
        let first = try FileLock(path, kind: kind)
        let second = try first.reopened()
        return (path, Shared(first), Shared(second))
    }

    final class Shared: Sendable {
        let lock: FileLock
        init(_ lock: consuming FileLock) { self.lock = lock }
    }

    @Test(arguments: kinds) func oneAtATime(_ kind: FileLock.Kind) throws {
        let scratch = ScratchName()
        let (_, first, second) = try Self.handles(kind, scratch)
        #expect(try first.lock.tryLock())
        #expect(try !second.lock.tryLock())
        #expect(try !second.lock.tryLock(.shared))
        try first.lock.unlock()
        #expect(try second.lock.tryLock(.shared))
        #expect(try first.lock.tryLock(.shared))
        #expect(try !first.lock.tryLock(.exclusive))
        try second.lock.unlock()
        #expect(try first.lock.tryLock(.exclusive))
        let value = try second.lock.withLockOrLate()
        #expect(value == nil)
        try first.lock.unlock()
        #expect(try second.lock.withLock { 7 } == 7)
        struct Failure: Error {}
        #expect(throws: Failure.self) { try second.lock.withLock { throw Failure() } }
        #expect(try first.lock.tryLock())
    }

    @Test func rangesAreIndependent() throws {
        let scratch = ScratchName()
        let (_, first, second) = try Self.handles(.openFile, scratch)
        #expect(try first.lock.tryLock(.exclusive, .init(startBytes: 0, countBytes: 10)))
        #expect(try second.lock.tryLock(.exclusive, .init(startBytes: 10, countBytes: 10)))
        #expect(try !second.lock.tryLock(.shared, .init(startBytes: 9, countBytes: 2)))
        // Letting go in the middle makes two locks of one.
        try first.lock.unlock(.init(startBytes: 4, countBytes: 2))
        #expect(try second.lock.tryLock(.exclusive, .init(startBytes: 4, countBytes: 2)))
        #expect(try !second.lock.tryLock(.exclusive, .init(startBytes: 3, countBytes: 1)))
        let flock = try FileLock(scratch.path(), kind: .flock)
        let error = #expect(throws: IPCError.self) { try flock.lock(.shared, .init(startBytes: 1, countBytes: 1)) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(arguments: kinds) func aTaskAwaitsItsTurn(_ kind: FileLock.Kind) async throws {
        let scratch = ScratchName()
        let (path, first, second) = try Self.handles(kind, scratch)
        try await first.lock.lock()
        let waiting = Task { try await second.lock.withLock { 5 } }
        try await Task.sleep(for: .milliseconds(20))
        try first.lock.unlock()
        #expect(try await waiting.value == 5)

        try await first.lock.lock()
        let cancelled = Task { try await second.lock.lock() }
        try await Task.sleep(for: .milliseconds(20))
        cancelled.cancel()
        let error = await #expect(throws: IPCError.self) { try await cancelled.value }
        #expect(error?.code == .cancelled)
        let late = await #expect(throws: IPCError.self) {
            try await second.lock.lock(until: .after(.milliseconds(10)))
        }
        #expect(late?.code == .timedOut)
        #expect(late?.hint.contains("process \(PeerCredentials.own.processID)") == true, "\(late as Any)")
        try first.lock.unlock()
        // Whoever gave up left nothing locked.
        let third = try FileLock(path, kind: kind)
        #expect(try third.tryLock())
    }

    @Test(arguments: kinds) func aDeadlineHoldsForThreads(_ kind: FileLock.Kind) throws {
        let scratch = ScratchName()
        let (_, first, second) = try Self.handles(kind, scratch)
        try first.lock.lock(until: .now)
        expectRefusal(.timedOut, .timedOut) { try second.lock.lock(until: .after(.milliseconds(10))) }
        expectRefusal(.timedOut, .timedOut) { try second.lock.withLock(until: .now) {} }
        try first.lock.unlock()
        try second.lock.lock(until: .after(.seconds(30)))
    }

    @Test func holdersAreFound() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let lock = try FileLock(path)
        #expect(try lock.holders() == [])
        #expect(try lock.obstacle() == nil)
        let other = try lock.reopened()
        try other.lock(.shared, .init(startBytes: 5, countBytes: 3))
        let found = try lock.holders()
        #expect(found.count == 1)
        #expect(found.first?.processID == PeerCredentials.own.processID)
        #expect(found.first?.descriptor == other.rawValue)
        #expect(found.first?.strength == .shared && found.first?.kind == .openFile)
        #expect(found.first?.range == .init(startBytes: 5, countBytes: 3))
        #expect(try lock.obstacle(to: .shared) == nil)
        #expect(try lock.obstacle(to: .exclusive)?.range == .init(startBytes: 5, countBytes: 3))
        try other.close()
        #expect(try lock.holders() == [])
    }

    @Test func whoHasNoWriteAccessGetsSharedLocksOnly() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        try FileLock(path).close()
        let lock = try FileLock(path, mode: .openExisting, access: .readOnly)
        #expect(try lock.tryLock(.shared))
        expectRefusal(.badFileDescriptor, .badDescriptor, hint: ".readWrite") { _ = try lock.tryLock(.exclusive) }
        let flock = try FileLock(path, mode: .openExisting, kind: .flock, access: .readOnly)
        #expect(try flock.tryLock(.exclusive))
        let folder = try FileLock(scratch.directory, mode: .openExisting, kind: .flock, access: .readOnly)
        #expect(try folder.tryLock())
        expectRefusal(.isDirectory, .wrongKind) { _ = try FileLock(scratch.directory) }
        expectRefusal(.noSuchFileOrDirectory, .notFound) { _ = try FileLock(scratch.path(), mode: .openExisting) }
        expectRefusal(.fileExists, .alreadyExists) { _ = try FileLock(path, mode: .createExclusive) }
    }

    @Test func theModeAskedForIsTheModeGiven() async {
        await #expect(processExitsWith: .success) {
            ProcessState.setFileModeMask(0o077)
            let scratch = ScratchName()
            let path = scratch.path()
            let lock = try FileLock(path, permissions: [.ownerReadWrite, .groupRead])
            #expect(try sysStatus(lock.rawValue).permissions == 0o640)
            try ProcessState.becomeNobody()
            expectRefusal(.permissionDenied, .permissionDenied) { _ = try FileLock(path) }
        }
    }

    // MARK: Foreign programs

    @Test(.requires("python3", "perl", "flock"), arguments: ["flock", "lockf"])
    func foreignProgramsAndOursExcludeEachOther(_ family: String) async throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let lock = try FileLock(path, kind: family == "flock" ? .flock : .openFile)
        let peer = try Peer.python(holder, [path.string, family])
        try peer.expect("held")
        #expect(try !lock.tryLock())
        #expect(try lock.holders().contains { $0.processID == peer.processID })
        #expect(try lock.obstacle()?.processID == peer.processID)
        try peer.send("release")
        try peer.expect("released")
        #expect(try lock.tryLock())
        let second = try Peer.python(holder, [path.string, family + " shared"])
        try lock.unlock()
        try second.expect("held")
        #expect(try lock.tryLock(.shared))
        second.kill()
        try second.wait()
        // The dead hold nothing.
        #expect(try lock.tryLock(.exclusive))
    }

    @Test(.requires("flock", "perl")) func shellsAndPerlTakeTurnsWithUs() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let lock = try FileLock(path, kind: .flock)
        #expect(try lock.tryLock())
        #expect(try Peer(["flock", "-n", path.string, "true"]).finish().status == .exited(1))
        let perl = try Peer.perl(
            "use Fcntl ':flock'; open(F, '+<', $ARGV[0]); print flock(F, LOCK_EX | LOCK_NB) ? 'yes' : 'no'",
            [path.string])
        #expect(try perl.finish().text == "no")
        try lock.unlock()
        let waiter = try Peer(["flock", path.string, "sh", "-c", "echo in; read x"])
        try waiter.expect("in")
        #expect(try !lock.tryLock())
        try waiter.send("")
        #expect(try waiter.finish().status == .exited(0))
        try lock.lock()
    }
}

extension FileLock {
    /// In a synchronous place, where the synchronous overload is meant.
    func withLockOrLate() throws -> Int? { try? withLock(until: .now) { 1 } }
}
