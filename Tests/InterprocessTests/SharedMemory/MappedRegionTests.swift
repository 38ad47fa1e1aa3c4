// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct MappedRegionTests {
    @Test func bytesInAndOut() throws {
        var region = try MappedRegion.anonymous(byteCount: 4096)
        #expect(region.bytes.count == 4096)
        do {
            var bytes = region.mutableBytes
            bytes[17] = 4
        }
        #expect(region.bytes[17] == 4)
        region.write([1, 2, 3], at: 4093)
        let tail = [UInt8](capacity: 10) { free in
            #expect(region.copyBytes(into: &free, at: 4090) == 6)
            #expect(region.copyBytes(into: &free, at: 4096) == 0)
        }
        #expect(tail == [0, 0, 0, 1, 2, 3])
        region.fill(with: 0xff, range: 1..<9)
        #expect(region.load(UInt64.self, at: 1) == .max)
        #expect(region.load(UInt64.self, at: 0) == .max << 8)
        region.store(Pose(x: 1, y: 2, stamp: 3, hits: 4, kind: 5), at: 100)
        #expect(region.load(Pose.self, at: 100) == Pose(x: 1, y: 2, stamp: 3, hits: 4, kind: 5))
        #expect(region.contains(byteCount: 1, at: 4095) && !region.contains(byteCount: 1, at: 4096))
        #expect(!region.contains(byteCount: .max, at: 1) && !region.contains(byteCount: -1, at: 0))
        #expect(!region.contains(byteCount: 1, at: .max) && region.contains(byteCount: 0, at: 4096))
    }

    @Test func atomicsInPlace() throws {
        let region = try MappedRegion.anonymous(byteCount: 4096)
        #expect(region.atomicAdd(UInt8(250), at: 1) == 0)
        #expect(region.atomicAdd(UInt8(10), at: 1) == 250)
        #expect(region.atomicLoad(UInt8.self, at: 1) == 4)
        #expect(region.load(UInt8.self, at: 0) == 0 && region.load(UInt8.self, at: 2) == 0)
        region.atomicStore(Int16(-3), at: 2)
        #expect(region.atomicExchange(Int16(9), at: 2) == -3)
        #expect(region.atomicCompareExchange(expected: UInt32(1), desired: 2, at: 8) == (false, 0))
        #expect(region.atomicCompareExchange(expected: UInt32(0), desired: 2, at: 8) == (true, 0))
        #expect(region.atomicAdd(UInt64.max, at: 4088) == 0)
        #expect(region.atomicAdd(Int64(2), at: 4088) == -1)
        #expect(region.atomicAdd(Int(2), at: 4088) == 1)
        #expect(region.atomicAdd(UInt(2), at: 4088) == 3)
        #expect(region.atomicAdd(Int8(-1), at: 64) == 0 && region.atomicAdd(Int32(5), at: 68) == 0)
        #expect(region.atomicAdd(UInt16(1), at: 70) == 0)
    }

    @Test func boundsArePreconditions() async {
        await #expect(processExitsWith: .failure) {
            try MappedRegion.anonymous(byteCount: 4096).store(UInt64(1), at: 4089)
        }
        await #expect(processExitsWith: .failure) {
            try MappedRegion.anonymous(byteCount: 4096).atomicStore(UInt32(1), at: 2)
        }
        await #expect(processExitsWith: .failure) {
            var region = try MappedRegion.anonymous(byteCount: 4096)
            try region.protect(.readOnly)
            region.store(UInt8(1), at: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = try MappedRegion.anonymous(byteCount: 4096).load(UInt8.self, at: -1)
        }
    }

    @Test func twoProcessesAddToOneNumber() async throws {
        let scratch = ScratchMemory()
        let total = try SharedValue<Pose>(scratch.name, mode: .createExclusive, initial: Pose())
        async let first: Void = Self.count(scratch.name, 100_000)
        async let second: Void = Self.count(scratch.name, 100_000)
        _ = await (first, second)
        #expect(total.load().stamp == 200_000)
        #expect(total.load().hits == 200_000)
    }

    private static func count(_ name: ObjectName, _ times: Int) async {
        await #expect(processExitsWith: .success) { [name = name.description as String, times = times as Int] in
            let total = try SharedValue<Pose>(ObjectName(name), initial: Pose())
            let (stamp, hits) = (total.offset(of: \.stamp), total.offset(of: \.hits))
            for _ in 0..<times {
                total.region.atomicAdd(UInt64(1), at: stamp)
                while true {
                    let before = total.region.atomicLoad(UInt32.self, at: hits)
                    if total.region.atomicCompareExchange(expected: before, desired: before + 1, at: hits).exchanged {
                        break
                    }
                }
            }
        }
    }

    @Test func memoryChangesItsSizeAndRights() throws {
        var region = try MappedRegion.anonymous(byteCount: 4096, sharing: .privateCopy)
        region.store(UInt32(8), at: 4)
        try region.resize(to: 1 << 20)
        #expect(region.byteCount == 1 << 20 && region.load(UInt32.self, at: 4) == 8)
        region.store(UInt8(1), at: (1 << 20) - 1)
        try region.resize(to: 4096)
        try region.protect(.readOnly)
        #expect(region.access == .readOnly && region.load(UInt32.self, at: 4) == 8)
        try region.protect(.readWrite)
        region.store(UInt8(1), at: 0)
        refused(.invalidArgument, .invalidArgument) { try region.resize(to: 0) }
        #expect(region.byteCount == 4096)
    }

    @Test func everyAdviceIsTakenSomewhere() throws {
        let scratch = ScratchMemory()
        let shared = try scratch.object(1 << 16).map()
        let own = try MappedRegion.anonymous(byteCount: 1 << 16, sharing: .privateCopy)
        for advice in MappedRegion.Advice.allCases where advice != .remove && advice != .notNeeded {
            if (try? own.advise(advice)) == nil { try shared.advise(advice) }
        }
        shared.fill(with: 1)
        try shared.advise(.notNeeded)
        #expect(shared.load(UInt8.self, at: 5000) == 1)
        try shared.advise(.remove, range: 4096..<8192)
        #expect(shared.load(UInt8.self, at: 4095) == 1 && shared.load(UInt8.self, at: 5000) == 0)
        own.fill(with: 1)
        try own.advise(.notNeeded, range: 0..<4096)
        #expect(own.load(UInt8.self, at: 0) == 0 && own.load(UInt8.self, at: 4096) == 1)
        refused(.invalidArgument, .invalidArgument) { try shared.advise(.willNeed, range: 1..<4096) }
        let error = #expect(throws: IPCError.self) { try shared.synchronize(range: 1..<2) }
        #expect(error?.subject == "shm:\(scratch.name)")
        refused(.invalidArgument, .invalidArgument, hint: "wipedInChildren") { try shared.advise(.wipedInChildren) }
        try own.lockInMemory(range: 0..<4096)
        refused(.busy, .resourceBusy, hint: "locked") { try own.synchronize(.invalidate) }
        try own.unlockFromMemory()
    }

    @Test func optionsAtTheStart() throws {
        let scratch = ScratchMemory()
        let object = try scratch.object(1 << 16)
        let region = try object.map(options: [.populated, .locked, .notInherited, .notDumped, .unreserved])
        region.store(UInt8(1), at: 0)
        let fields = try Checkout.text(of: "/proc/self/smaps").split(separator: "\n")
        let start = try #require(fields.firstIndex { $0.hasSuffix(scratch.name.description) })
        let flags = try #require(fields[start...].first { $0.hasPrefix("VmFlags:") })
        // dc: not copied on fork; lo: locked; dd: not dumped.
        for flag in [" dc", " lo", " dd"] { #expect(flags.contains(flag), "\(flags)") }
    }

    /// What a child that is forked finds: everything shared, a wiped page, and nothing of what is not inherited.
    @Test func childrenThatAreForked() async {
        await #expect(processExitsWith: .success) {
            let shared = try MappedRegion.anonymous(byteCount: 4096)
            let wiped = try MappedRegion.anonymous(byteCount: 4096, sharing: .privateCopy)
            try wiped.advise(.wipedInChildren)
            let hidden = try MappedRegion.anonymous(byteCount: 4096, options: .notInherited)
            wiped.store(UInt8(9), at: 0)
            let child = try TestSyscalls.fork()
            if child == 0 {
                shared.store(UInt8(wiped.load(UInt8.self, at: 0) == 0 ? 1 : 2), at: 0)
                TestSyscalls.touch(hidden.base)
                TestSyscalls.killSelf()
            }
            #expect(try sysWait(child) == .signaled(11))
            #expect(shared.load(UInt8.self, at: 0) == 1)
            #expect(wiped.load(UInt8.self, at: 0) == 9)
        }
    }

    @Test func mappingsGoWithTheirOwners() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let name = scratch.name.description
            let object = try scratch.object()
            #expect(try !mapsContain(name))
            do {
                _ = try object.map()
                let second = try object.map()
                #expect(try mapsContain(name))
                try second.close()
                // One that fails after it was mapped goes too.
                Faults.fail("madvise", with: .invalidArgument)
                refused(.invalidArgument) { _ = try object.map(options: .notInherited) }
            }
            #expect(try !mapsContain(name))
        }
    }
}
