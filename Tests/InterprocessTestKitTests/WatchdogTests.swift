// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import Testing

@Suite struct WatchdogTests {
    @Test func endsAProcessThatHangs() async {
        let result = await #expect(processExitsWith: .signal(6), observing: [\.standardErrorContent]) {
            Watchdog.bound(.milliseconds(100), "the hanging one") {
                while true { TestSyscalls.sleep(nanoseconds: 1_000_000_000) }
            }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("the hanging one"))
        #expect(text.contains("thread "))
    }

    @Test func endsAProcessWhoseWholePoolIsBlocked() async {
        await #expect(processExitsWith: .signal(6)) {
            await Watchdog.bound(.milliseconds(200), "the blocked pool") {
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<64 { group.addTask { TestSyscalls.sleep(nanoseconds: 60_000_000_000) } }
                }
            }
        }
    }

    @Test func letsThePunctualPass() async throws {
        #expect(Watchdog.bound { 1 } == 1)
        let two = await Watchdog.bound {
            await Task.yield()
            return 2
        }
        #expect(two == 2)
    }
}
