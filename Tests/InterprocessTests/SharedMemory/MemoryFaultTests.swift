// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct MemoryFaultTests {
    @Test func everyCallOfAnObjectMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let report = try FaultPlan.sweep {
                defer { try? SharedMemoryObject.unlink(scratch.name) }
                let object = try SharedMemoryObject(scratch.name, mode: .openOrCreate, byteCount: 8192) {
                    (region: borrowing MappedRegion) throws(IPCError) in region.fill(with: 1)
                }
                var region = try object.map(options: [.notInherited, .locked])
                try object.grow(to: 16384)
                try object.remap(&region)
                try region.synchronize()
                try region.protect(.readOnly)
                _ = try object.status()
                let again = try SharedMemoryObject(scratch.name, access: .readOnly, removeOnClose: true)
                try again.close()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 12, "\(report)")
            #expect(try SharedMemoryObject.names().allSatisfy { $0 != scratch.name })
            #expect(try !mapsContain(scratch.name.description))
        }
    }

    @Test func everyCallOfSealedMemoryAndFilesMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let path = scratch.path("file")
            let report = try FaultPlan.sweep {
                let memory = try SealedMemory(byteCount: 4096, seals: .immutable) {
                    (region: borrowing MappedRegion) throws(IPCError) in region.fill(with: 1)
                }
                let received = try SealedMemory(adopting: try memory.readOnlyDescriptor(), requiring: .immutable)
                _ = try received.map()
                let file = try MappedFile(path, mode: .openOrCreate, byteCount: 4096, removeOnClose: true)
                let region = try file.map()
                try file.write([UInt8(1)].span, at: 1)
                _ = try file.read(upTo: 4, at: 0)
                try region.writeChecked([UInt8(1)].span)
                _ = try [UInt8](capacity: 4) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
                    _ = try region.copyBytesChecked(into: &free)
                }
                try region.lockInMemory()
                try region.unlockFromMemory()
                try file.shrink(to: 100)
                try file.close()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 20, "\(report)")
        }
    }

    @Test func everyCallOfASegmentMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let report = try FaultPlan.sweep {
                let segment = try SystemVSharedMemory(
                    key: scratch.key, mode: .openOrCreate, byteCount: 4096, lifetime: .removeOnClose)
                let region = try segment.attach()
                region.store(UInt8(1), at: 0)
                _ = try segment.status()
                try segment.setPermissions(.ownerOnly)
                try region.close()
                try segment.close()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 6, "\(report)")
        }
    }

    /// Wherever the creator is killed: there is a whole object or none, and nothing else is left.
    @Test func theCreatorIsKilledAtEachStep() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let name = scratch.name
            let path = scratch.directory.appending("file")
            struct Half: Error {}
            let report = try KillPlan.sweep(
                prepare: {
                    try? SharedMemoryObject.unlink(name)
                    try? MappedFile.unlink(path)
                },
                {
                    let array = try SharedArray<Pose>(name, mode: .openOrCreate, count: 1000, repeating: Pose(stamp: 7))
                    let file = try MappedFile(path, mode: .openOrCreate, byteCount: 10_000) {
                        (region: borrowing MappedRegion) throws(IPCError) in region.fill(with: 7)
                    }
                    withExtendedLifetime(array.count + Int(file.rawValue)) {}
                },
                verify: { step in
                    if try SharedMemoryObject.exists(name) {
                        let array = try SharedArray<Pose>(name, count: 1000, repeating: Pose())
                        guard (0..<1000).allSatisfy({ array[$0].stamp == 7 }) else { throw Half() }
                        guard try SharedMemoryObject(name).status().permissions == .ownerOnly else { throw Half() }
                    }
                    if try MappedFile.exists(path) {
                        guard try MappedFile(path).read(upTo: 20_000, at: 0).count == 10_000 else { throw Half() }
                    }
                    let left = try TestSyscalls.entries(of: scratch.directory)
                    guard left.isEmpty || left == ["file"] else { throw Half() }
                    // Whoever comes next makes or opens it, wherever the first one got to.
                    _ = try SharedArray<Pose>(name, mode: .openOrCreate, count: 1000, repeating: Pose(stamp: 7))
                    _ = try MappedFile(path, mode: .openOrCreate, byteCount: 10_000)
                })
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.killed > 12, "\(report)")
        }
    }

    @Test func theMakerOfASegmentIsKilledAtEachStep() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            struct Half: Error {}
            let report = try KillPlan.sweep(
                prepare: { try? SystemVSharedMemory.remove(key: scratch.key) },
                {
                    let segment = try SystemVSharedMemory(
                        key: scratch.key, mode: .openOrCreate, byteCount: 4096, lifetime: .whileAttached)
                    let region = try segment.attach()
                    SharedArray<UInt64>.format(region, count: 10, repeating: 3)
                },
                verify: { _ in
                    guard try SystemVSharedMemory.exists(key: scratch.key) else { return }
                    // It was killed before it attached: the segment is whole, and says that nothing is in it yet.
                    let segment = try SystemVSharedMemory(key: scratch.key, byteCount: 4096)
                    guard try segment.status().attachmentCount == 0 else { throw Half() }
                    do throws(IPCError) { _ = try SharedArray<UInt64>(opening: try segment.attach()) } catch {
                        guard error.code == .wouldBlock else { throw error }
                    }
                })
            #expect(report.problems.isEmpty, "\(report)")
        }
    }
}
