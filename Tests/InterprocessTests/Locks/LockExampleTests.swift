// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct LockExampleTests {
    @Test func aLockSurvivesAKill() throws {
        let scratch = ScratchName()
        let name = scratch.objectName("accounts")
        defer { try? LockMemory.unlink(name) }
        let example = Checkout.products.appending("locks-survive-a-kill").string
        let outcome = try Peer([example, name.description]).finish()
        #expect(outcome.status == .exited(0))
        #expect(
            outcome.text == """
                the clerk was ended by SIGKILL
                repaired: 100 and 0
                left has 100, right has 0

                """)
    }

    @Test func aLeaseIsLost() throws {
        let scratch = ScratchName()
        let example = Checkout.products.appending("locks-lease").string
        let outcome = try Peer([example, scratch.path().string]).finish()
        #expect(outcome.status == .exited(0))
        #expect(
            outcome.text == """
                first holder: token 1, written: true
                taken by another meanwhile: false
                second holder: token 2, written: true
                first again: written: false
                first asks: renewed: false
                the store has 2

                """)
    }
}
