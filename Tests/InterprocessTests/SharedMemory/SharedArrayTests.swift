// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// The same name as in another program, and another layout.
private enum Elsewhere {
    struct Pose: SharedPayload {
        var x: Float = 0
        var y: Float = 0
    }
    struct Wide: SharedPayload { var lanes: InlineArray<8, UInt64> = InlineArray(repeating: 1) }
    struct Newer: SharedPayload {
        static var sharedVersion: UInt32 { 2 }
        var value: UInt64 = 0
    }
}

@Suite(.bounded()) struct SharedArrayTests {
    @Test func elementsAreCopiedInAndOut() throws {
        let scratch = ScratchMemory()
        let poses = try SharedArray<Pose>(
            scratch.name, mode: .createExclusive, count: 100, repeating: Pose(x: -1, stamp: 5))
        #expect(poses.count == 100)
        poses[99] = Pose(x: 1, y: 2, stamp: 3)
        let others = try SharedArray<Pose>(scratch.name, count: 100, repeating: Pose(), access: .readOnly)
        #expect(others[99] == Pose(x: 1, y: 2, stamp: 3) && others[0] == Pose(x: -1, stamp: 5))
        poses.region.atomicAdd(UInt64(4), at: poses.offset(of: \.stamp, at: 99))
        #expect(others[99].stamp == 7)
        try poses.region.synchronize()
        try poses.close()
    }

    @Test func twoProgramsThatDifferDoNotMisreadEachOther() throws {
        let scratch = ScratchMemory()
        _ = try SharedValue<Pose>(scratch.name, mode: .createExclusive, initial: Pose())
        refused(.malformed, hint: "it holds Pose: 29 bytes, stride 32") {
            _ = try SharedValue<Elsewhere.Pose>(scratch.name, initial: .init())
        }
        refused(.malformed, hint: "this program expects Pose: 8 bytes, stride 8, alignment 4, version 1") {
            _ = try SharedValue<Elsewhere.Pose>(scratch.name, initial: .init())
        }
        refused(.malformed, hint: "expects Newer: 8 bytes, stride 8, alignment 8, version 2") {
            _ = try SharedValue<Elsewhere.Newer>(scratch.name, initial: .init())
        }
        refused(.malformed, hint: "1 elements, and this program expects 2") {
            _ = try SharedArray<Pose>(scratch.name, count: 2, repeating: Pose())
        }
        #expect(SharedLayout(of: UInt64.self).fingerprint != SharedLayout(of: Int64.self).fingerprint)
    }

    @Test func inASealedMemory() throws {
        typealias Waves = SharedArray<Elsewhere.Wide>
        let memory = try SealedMemory(byteCount: Waves.byteCount(for: 3), seals: .immutable) {
            (region: borrowing MappedRegion) throws(IPCError) in
            Waves.format(region, count: 3, repeating: .init())
        }
        let waves = try Waves(opening: try memory.map(access: .readOnly))
        #expect(waves.count == 3 && waves[2].lanes[7] == 1)
    }

    @Test func whatIsNotReadyOrNotOurs() throws {
        func open(_ fill: (borrowing MappedRegion) -> Void, count: Int? = nil, byteCount: Int = 4096) throws {
            let region = try MappedRegion.anonymous(byteCount: byteCount)
            fill(region)
            _ = try SharedArray<UInt64>(opening: region, count: count, subject: "shm:/mine")
        }
        refused(.wouldBlock, hint: "not ready") { try open { _ in } }
        refused(.wouldBlock, hint: "not ready") {
            try open { region in
                SharedArray<UInt64>.format(region, count: 4, repeating: 1)
                region.store(UInt32(1), at: 8)
            }
        }
        refused(.malformed, hint: "does not begin") { try open { $0.fill(with: 0x41) } }
        refused(.malformed, hint: "too few") { try open({ _ in }, byteCount: 64) }
        // Whoever wrote the header says that there is more than there is.
        for lie: UInt64 in [.max, 497, 1 << 62, 1 << 63] {
            refused(.malformed, hint: "\(lie) elements") {
                try open { region in
                    SharedArray<UInt64>.format(region, count: 4, repeating: 1)
                    region.store(lie, at: 56)
                }
            }
        }
        try open {
            SharedArray<UInt64>.format($0, count: 496, repeating: 1)
        }
        // A name that would do something to a terminal.
        refused(.malformed, hint: "it holds ??31mUInt64") {
            try open { region in
                SharedArray<UInt64>.format(region, count: 4, repeating: 1)
                region.write([0x1b, 0xff] + Array("31mUInt64".utf8), at: 64)
                region.store(UInt64(1), at: 16)
            }
        }
    }

    @Test func anyHeaderIsAnAnswerAndNeverACrash() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let region = try MappedRegion.anonymous(byteCount: 4096)
            SharedArray<Pose>.format(region, count: 7, repeating: Pose())
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                region.store(UInt8.random(in: 0...255, using: &random), at: .random(in: 0..<128, using: &random))
            }
            do throws(IPCError) {
                let array = try SharedArray<Pose>(opening: region)
                for index in 0..<array.count { _ = array[index] }
            } catch {
                #expect(error.code == .malformed || error.code == .wouldBlock)
            }
        }
    }

    @Test func aHostileWriterGetsNoFurtherThanItsBytes() async throws {
        let scratch = ScratchMemory()
        let array = try SharedArray<Pose>(scratch.name, mode: .createExclusive, count: 7, repeating: Pose())
        let peer = try Peer.python(
            """
            import mmap, os, sys
            m = mmap.mmap(os.open('/dev/shm' + sys.argv[1], os.O_RDWR), 0)
            print('ready')
            while True:
                for i in range(0, len(m), 64): m[i:i+64] = os.urandom(64)[:len(m)-i]
            """, [scratch.name.description])
        try peer.expect("ready")
        for _ in 0..<20_000 {
            for index in 0..<array.count { _ = array[index] }
            array.region.atomicAdd(UInt32(1), at: array.offset(of: \.hits, at: 3))
        }
        for _ in 0..<200 { _ = try? SharedArray<Pose>(scratch.name, count: 7, repeating: Pose()) }
        peer.kill()
        #expect(array.count == 7)
    }
}
