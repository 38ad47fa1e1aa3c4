// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct ControlledChildTests {
    /// To wait for a child takes its stops from the thread that has it under control, so a handle waits for what has ended only.
    @Test func aHandleTakesNoStopFromTheController() throws {
        let child = try ProcessHandle.spawn(ProcessCommand("/bin/sleep", ["300"]))
        let control = try ProcessControl.attach(to: child.processID)
        for round in 0..<300 {
            if round > 0 { try control.stop() }
            #expect(try child.tryExit() == nil)
            let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(event.kind == .stopped)
            try control.resume(event)
        }
        try control.detach()
        try child.kill()
        #expect(try child.exit(until: .after(.seconds(20))).signal == .kill)
    }
}
