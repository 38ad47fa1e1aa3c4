// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct EvictionTests {
    @Test(arguments: [true, false]) func aStalledReaderIsPutOutAndLearnsIt(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let stalled = try #require(scene.join())
        let good = try #require(scene.join(stagger: 1))
        while scene.send("x") { _ = good.text() }
        let sample = stalled.take()
        #expect(sample != nil)
        let room = isFixed ? scene.makeRoom() : scene.makeRoom(byteCount: 1)
        #expect(room == .held(by: stalled.entry.index))
        let bell = stalled.pair.doorbell.read()
        scene.evict(stalled)
        #expect(stalled.pair.doorbell.read() == bell + 1)
        #expect(scene.nextEvicted() == stalled.entry.index)
        #expect(scene.nextEvicted() == nil)
        #expect(!scene.isEntered(stalled))
        #expect(scene.send("y"))
        #expect(!stalled.release(), "what it used was given up")
        #expect(stalled.look() == .evicted)
        while let text = good.text() { #expect(text == "x" || text == "y") }
        scene.remove(stalled)
        #expect(scene.log.roster.count == 1)
    }

    @Test func whoIsPutOutBeforeAnythingIsOverwrittenHasReadWell() throws {
        let scene = Scene.fixed()
        let reader = try #require(scene.join())
        #expect(scene.send("x"))
        let sample = try #require(reader.take())
        scene.evict(reader)
        #expect(sample.first == UInt8(ascii: "x"))
        #expect(reader.release())
        #expect(reader.look() == .evicted)
    }

    /// Claims that cannot be: behind what was reported before, or beyond what was written.
    @Test(arguments: [UInt64.max, 9_223_372_036_854_775_808, 1_048_576, 64, 0] as [UInt64]) func aLyingReaderIsPutOut(
        _ claim: UInt64
    ) throws {
        let scene = Scene.fixed()
        let liar = try #require(scene.join())
        let good = try #require(scene.join(stagger: 1))
        for index in 0..<8 {
            #expect(scene.send("\(index)"))
            #expect(liar.text() != nil)
        }
        #expect(good.text() == "0" && good.text() == "1" && good.text() == "2")
        #expect(scene.send("8"), "what it has reported so far was believed")
        liar.pair.released.storeRelaxed(claim)
        while scene.send("x") {}
        #expect(scene.nextEvicted() == liar.entry.index)
        #expect(liar.pair.evicted.loadRelaxed() == 1)
        #expect(scene.isEntered(good))
        for index in 3..<9 { #expect(good.text() == "\(index)") }
    }

    @Test func aPinHoldsAndIsBelievedLikeARelease() throws {
        let scene = Scene.fixed()
        let lossy = try #require(scene.join(lossless: false))
        for index in 0..<8 { #expect(scene.send("\(index)")) }
        #expect(lossy.take()?.first == UInt8(ascii: "0"))
        #expect(scene.makeRoom() == .held(by: lossy.entry.index))
        #expect(lossy.release())
        #expect(scene.send("8"))
        #expect(lossy.take()?.first == UInt8(ascii: "1"))
        // A pin that jumps beyond the head.
        lossy.pair.pin.storeRelaxed(1 << 40)
        while scene.send("x"), scene.isEntered(lossy) {}
        #expect(scene.nextEvicted() == lossy.entry.index)
        #expect(lossy.take() == nil)
        #expect(lossy.look() == .evicted)
    }

    /// A pin that comes too late waits below the floor until it is taken back; the limit stays.
    @Test func aLatePinIsTakenBack() throws {
        let scene = Scene.fixed()
        let lossy = try #require(scene.join(lossless: false))
        for index in 0..<8 { #expect(scene.send("\(index)")) }
        #expect(scene.raiseFloor() == nil)
        #expect(scene.log.floorPosition == 64)
        lossy.cursor.storePin()
        #expect(scene.raiseLimit() == lossy.entry.index)
        #expect(!scene.send("no"))
        #expect(!lossy.confirmPin())
        #expect(scene.raiseLimit() == nil)
        #expect(scene.send("8"))
        #expect(lossy.look() == .lapped(missed: 1))
        #expect(lossy.text() == "1")
    }

    @Test func aKeptPinNeedsNoSecondFence() throws {
        let scene = Scene.fixed()
        let lossy = try #require(scene.join(lossless: false))
        for index in 0..<8 { #expect(scene.send("\(index)")) }
        for index in 0..<8 {
            #expect(lossy.take()?.first == UInt8(ascii: "0") + UInt8(index))
            #expect(lossy.release(keepingPin: true))
            #expect(lossy.pair.pin.loadRelaxed() == UInt64(index + 1) * 64)
        }
        // Nothing there: it holds nobody back any more.
        #expect(lossy.take() == nil)
        #expect(lossy.pair.pin.loadRelaxed() == PairLayout.noPin)
        for _ in 0..<100 { #expect(scene.send("x")) }
    }
}
