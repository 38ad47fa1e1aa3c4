// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Testing

@Suite("What a forked child has", .bounded()) struct ForkTests {
    @Test("the word of the generation is wiped in a child, and only there")
    func theWordIsWiped() async {
        await #expect(processExitsWith: .success) {
            let word = try unsafe sysForkGenerationAddress()
            let made = try ForkWord.current()
            #expect(unsafe word.load(as: UInt64.self) != 0)
            #expect(made.isOurs)
            let child = try TestSyscalls.forkChild {
                unsafe word.load(as: UInt64.self) == 0 && !made.isOurs ? 7 : 8
            }
            #expect(try sysWait(child) == .exited(7))
            #expect(unsafe word.load(as: UInt64.self) != 0)
            #expect(try unsafe sysForkGenerationAddress() == word)
        }
    }

    @Test("a marked socket is nobody's in a child, one that is not marked is inherited")
    func marksCount() async {
        await #expect(processExitsWith: .success) {
            let marked = try SequencedPacketSocket.pair()
            let plain = try SequencedPacketSocket.pair()
            try sysMarkForFork(marked.first.rawValue)
            try sysMarkForFork(plain.first.rawValue)
            sysUnmarkForFork(plain.first.rawValue)
            let (a, b) = (marked.first.rawValue, plain.first.rawValue)
            let child = try TestSyscalls.forkChild {
                let lost = (try? sysSend(a, [UInt8(1)].span)) == nil
                let kept = (try? sysSend(b, [UInt8(1)].span)) != nil
                return lost && kept ? 7 : 8
            }
            #expect(try sysWait(child) == .exited(7))
            #expect(try marked.first.trySend([2]))
            #expect(try marked.second.receive(upTo: 8).bytes == [2])
            sysUnmarkForFork(marked.first.rawValue)
        }
    }
}
