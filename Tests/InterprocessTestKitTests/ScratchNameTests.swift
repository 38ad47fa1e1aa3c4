// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite struct ScratchNameTests {
    @Test func namesDiffer() {
        let (first, second) = (ScratchName(), ScratchName())
        let names = [first.queueName(), first.queueName(), second.queueName(), second.queueName()]
        #expect(Set(names).count == 4)
        #expect(names.allSatisfy { $0.hasPrefix("/swift-ipc-test-") })
        #expect(first.path() != first.path())
        #expect(first.key() != first.key())
    }

    @Test func theFolderGoesWithAllThatIsInIt() throws {
        var scratch: ScratchName? = ScratchName()
        let folder = try #require(scratch?.directory)
        try TestSyscalls.makeDirectory(folder.appending("deep"))
        try Checkout.write("x", to: folder.appending("deep/file"))
        #expect(try sysStatus(folder).permissions == 0o700)
        scratch = nil
        #expect(throws: Errno.noSuchFileOrDirectory) { try sysStatus(folder) }
    }

    @Test(.requires("perl")) func theMessageQueueGoes() throws {
        var scratch: ScratchName? = ScratchName()
        let key = try #require(scratch?.key())
        #expect(!TestSyscalls.messageQueueExists(key: key))
        let made = try Peer(["perl", "-e", "msgget(\(key), 01600) // die $!"]).wait()
        #expect(made == .exited(0))
        #expect(TestSyscalls.messageQueueExists(key: key))
        let name = "sysv-msg:0x" + String(key, radix: 16)
        #expect(LeakCheck.scratchObjects().contains(name))
        scratch = nil
        #expect(!TestSyscalls.messageQueueExists(key: key))
    }
}
