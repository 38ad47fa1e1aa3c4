// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct NamedPipeTests {
    @Test func theModeAskedForIsTheModeGiven() async {
        await #expect(processExitsWith: .success) {
            ProcessState.setFileModeMask(0o777)
            let scratch = ScratchName()
            for form in [NamedPipe.Form.mkfifo, .mknod] {
                let pipe = NamedPipe(scratch.path())
                try pipe.create(permissions: [.ownerReadWrite, .groupRead, .otherWrite], form: form)
                #expect(try pipe.status().permissions == [.ownerReadWrite, .groupRead, .otherWrite])
                #expect(try pipe.exists())
                #expect(try pipe.remove())
                #expect(try pipe.exists() == false)
                #expect(try pipe.remove() == false)
            }
        }
    }

    @Test func relativeToADirectory() throws {
        let scratch = ScratchName()
        let folder = OwnedDescriptor(adopting: try sysOpen(scratch.directory, flags: PipeFlags.pathOnly))
        try NamedPipe("inside", in: folder).create()
        #expect(try NamedPipe(scratch.directory.appending("inside")).exists())
    }

    @Test func waitsForAReaderAsATask() async throws {
        let scratch = ScratchName()
        let pipe = try made(scratch)
        let nobody = try pipe.tryOpenWriter() == nil
        #expect(nobody)
        async let opened: Void = {
            let writer = try await pipe.openWriter(until: .after(.seconds(20)))
            try await writer.write(Array("hello\n".utf8))
        }()
        // Who waits for a peer here would hold a thread of the pool that the task may need.
        let cat = try Peer(["cat", pipe.path.string])
        try await opened
        #expect(try cat.readLine() == "hello")
    }

    @Test func waitsForAWriterAsATask() async throws {
        let scratch = ScratchName()
        let pipe = try made(scratch)
        let reading = Task {
            let reader = try await pipe.openReader()
            return try await reader.readAll()
        }
        // A writer that comes and goes at once.
        let writer = try Peer.shell("printf abc > \(pipe.path)")
        #expect(try await reading.value == Array("abc".utf8))
        try writer.wait()
    }

    @Test func openingIsCancellableAndBounded() async throws {
        let scratch = ScratchName()
        let pipe = try made(scratch)
        for writing in [true, false] {
            let task = Task {
                if writing { _ = try await pipe.openWriter() } else { _ = try await pipe.openReader() }
            }
            try await Task.sleep(for: .milliseconds(20))
            task.cancel()
            let error = await #expect(throws: IPCError.self) { try await task.value }
            #expect(error?.code == .cancelled)
        }
        let late = await #expect(throws: IPCError.self) {
            try await pipe.openReader(until: .after(.milliseconds(10))).close()
        }
        #expect(late?.code == .timedOut)
        let blocked = #expect(throws: IPCError.self) {
            try Self.openBlocking(pipe)
        }
        #expect(blocked?.code == .timedOut)
    }

    private static func openBlocking(_ pipe: NamedPipe) throws {
        try pipe.openWriter(until: .after(.milliseconds(10))).close()
    }

    @Test func aServerSurvivesItsClients() throws {
        let scratch = ScratchName()
        let pipe = try made(scratch)
        let server = try pipe.openServer()
        for word in ["one", "two"] {
            _ = try Peer.shell("printf \(word) > \(pipe.path)").finish()
            #expect(try server.reader.read(until: .after(.seconds(10))) == Array(word.utf8))
        }
        #expect(try server.reader.tryRead() == .nothingYet)
        try server.close()
    }

    @Test func linksAreFollowedOnlyIfAsked() throws {
        let scratch = ScratchName()
        let pipe = try made(scratch)
        let link = scratch.path("link")
        _ = try Peer.shell("ln -s \(pipe.path) \(link)").finish()
        expectFailure(.tooManySymbolicLinkLevels, .invalidName) { try NamedPipe(link).tryOpenReader().close() }
        try NamedPipe(link, followsLinks: true).tryOpenReader().close()
        let error = #expect(throws: IPCError.self) { try NamedPipe(link).remove() }
        #expect(error?.code == .wrongKind)
        var mine = pipe
        mine.requiredOwner = sysEffectiveUserID() + 1
        let stranger = #expect(throws: IPCError.self) { try mine.tryOpenReader().close() }
        #expect(stranger?.code == .permissionDenied)
    }

    @Test(.requires("mknod", "perl")) func foreignProgramsMakeAndFillThem() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        _ = try Peer(["mknod", path.string, "p"]).finish()
        let pair = try NamedPipe(path).openReadWrite()
        _ = try Peer.perl("open(F, '>', $ARGV[0]); print F 'from perl'; close F", [path.string]).finish()
        #expect(try pair.reader.read(until: .after(.seconds(10))) == Array("from perl".utf8))
    }

    @Test func theOwnerRemovesWhatItMade() throws {
        let scratch = ScratchName()
        let name = NamedPipe(scratch.path())
        do {
            let owned = try OwnedNamedPipe(name)
            #expect(try owned.name.exists())
        }
        #expect(try name.exists() == false)
    }
}
