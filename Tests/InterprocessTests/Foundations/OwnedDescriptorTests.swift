// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

// Numbers of descriptors are the whole process's: what asks whether one is closed runs in a process of its own.
@Suite struct OwnedDescriptorTests {
    /// A descriptor with a number so high that Dispatch, which opens some of its own at any time, does not take it next.
    private static func open() throws -> CInt {
        let low = try sysOpen("/dev/null", flags: 0)
        defer { try? sysClose(low) }
        return try sysDuplicate(low, minimum: 500)
    }

    @Test func droppingCloses() async {
        await #expect(processExitsWith: .success) {
            let number = try Self.open()
            do { _ = OwnedDescriptor(adopting: number) }
            #expect(throws: Errno.badFileDescriptor) { try sysStatus(number) }
        }
    }

    @Test func closingClosesOnce() async {
        await #expect(processExitsWith: .success) {
            let check = LeakCheck()
            let descriptor = OwnedDescriptor(adopting: try Self.open())
            let number = descriptor.rawValue
            try descriptor.close()
            #expect(throws: Errno.badFileDescriptor) { try sysStatus(number) }
            try check.verify()
        }
    }

    @Test func closingWhatSomebodyElseClosedIsToldWithItsNumber() async {
        await #expect(processExitsWith: .success) {
            let descriptor = OwnedDescriptor(adopting: try Self.open())
            let number = descriptor.rawValue
            try sysClose(number)
            do throws(IPCError) {
                try descriptor.close()
                Issue.record("closed twice")
            } catch {
                #expect(error.code == .badDescriptor)
                #expect(error.call == "close")
                #expect(error.subject == "descriptor \(number)")
            }
        }
    }

    @Test func releasingGivesItAway() throws {
        let number = OwnedDescriptor(adopting: try sysOpen("/dev/null", flags: 0)).release()
        #expect(try sysStatus(number).kind == .character)
        try sysClose(number)
    }

    @Test func aDuplicateIsTheSameFileAndClosesOnExec() throws {
        let pair = try TestSyscalls.pipe()
        TestSyscalls.close(pair.writing)
        let first = OwnedDescriptor(adopting: pair.reading)
        try sysSetCloseOnExec(first.rawValue, false)
        let second = try first.duplicate()
        #expect(second.rawValue != first.rawValue)
        #expect(try sysStatus(second.rawValue).inode == sysStatus(first.rawValue).inode)
        let outcome = try Peer(["/bin/ls", "/proc/self/fd"]).finish()
        #expect(!outcome.text.split(separator: "\n").contains("\(second.rawValue)"))
    }

    @Test func noDescriptorLeftIsALimit() async {
        await #expect(processExitsWith: .success) {
            let descriptor = OwnedDescriptor(adopting: try sysOpen("/dev/null", flags: 0))
            try ProcessState.limitDescriptors(64)
            try ProcessState.exhaustDescriptors()
            do throws(IPCError) {
                _ = try descriptor.duplicate()
                Issue.record("a descriptor too many")
            } catch {
                #expect(error.code == .limitReached)
                #expect(error.errno == .tooManyOpenFiles)
            }
        }
    }
}
