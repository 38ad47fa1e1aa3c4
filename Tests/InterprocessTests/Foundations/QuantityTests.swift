// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage
import Testing

@Suite struct QuantityTests {
    @Test(arguments: [
        ("500ms", Duration.milliseconds(500)), ("2s", .seconds(2)), ("1m", .seconds(60)), ("1h", .seconds(3600)),
        ("1.5s", .milliseconds(1500)), ("1m30s", .seconds(90)), ("10us", .microseconds(10)), ("0", .zero),
        ("0s", .zero), ("7ns", .nanoseconds(7)), ("1d", .seconds(86_400)), ("0.000000001s", .nanoseconds(1)),
        ("2min", .seconds(120)),
    ])
    func durations(text: String, value: Duration) throws {
        #expect(try Quantity.duration(text) == value)
    }

    @Test(arguments: [
        "", "5", "-1s", "s", "1x", "1.s", ".5s", "1s2", "99999999999h", "18446744073709551616s", "1 s", "é",
    ])
    func durationsRefused(text: String) {
        #expect { try Quantity.duration(text) } throws: {
            ($0 as? IPCError)?.hint.contains("a right duration is") == true
        }
    }

    @Test(arguments: [
        ("10", 10), ("0", 0), ("64K", 65_536), ("1MiB", 1_048_576), ("1M", 1_048_576), ("5MB", 5_000_000),
        ("1.5K", 1_536),
        ("2G", 2_147_483_648), ("1kB", 1_000), ("8B", 8), ("9223372036854775807", Int.max),
    ])
    func sizes(text: String, value: Int) throws {
        #expect(try Quantity.size(text) == value)
    }

    @Test(arguments: ["", "-1", "K", "1Q", "1 K", "9223372036854775808", "8388608T", "1.2.3K", "0x10", "+1"])
    func sizesRefused(text: String) {
        #expect { try Quantity.size(text) } throws: { ($0 as? IPCError)?.hint.contains("a right size is") == true }
    }

    @Test(arguments: [
        (UInt64(0), "0"), (1023, "1023"), (1024, "1K"), (1536, "1.5K"), (65_536, "64K"), (1_048_576, "1M"),
        (UInt64.max, "16777215T"),
    ])
    func sizesForPeople(bytes: UInt64, text: String) {
        #expect(Quantity.text(size: bytes) == text)
    }

    @Test(arguments: [
        ("0600", 0o600), ("640", 0o640), ("0", 0), ("7777", 0o7777), ("u=rw,g=r", 0o640), ("a=r", 0o444), ("=x", 0o111),
        ("ug=rw,o=", 0o660), ("0o644", 0o644), ("u=rws", 0o4600), ("+t", 0o1000),
    ])
    func modes(text: String, value: Int) throws {
        #expect(try Quantity.permissions(text).rawValue == UInt32(value))
    }

    @Test func modesThatChangeAMode() throws {
        #expect(try Quantity.permissions("g+w,o-r", current: FilePermissions(rawValue: 0o644)).rawValue == 0o660)
        #expect(try Quantity.permissions("a-rwx", current: FilePermissions(rawValue: 0o777)).rawValue == 0)
        #expect(Quantity.text(permissions: FilePermissions(rawValue: 0o60)) == "0060")
    }

    @Test(arguments: ["", "0800", "10000", "u", "u=q", "u=r,", "x=r", "-", "-1", "77777777777", "0o+7"])
    func modesRefused(text: String) {
        #expect { try Quantity.permissions(text) } throws: {
            ($0 as? IPCError)?.hint.contains("a right mode is") == true
        }
    }

    /// Any text: a value or a refusal, never a trap.
    @Test func randomTextNeverTraps() {
        var random = Xorshift(seed: 11)
        let alphabet = Array("0123456789.kKMGTiBsmhdnu=+-rwxst, ago".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<(random.next() % 24)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            let text = String(decoding: bytes, as: UTF8.self)
            _ = try? Quantity.duration(text)
            _ = try? Quantity.size(text)
            _ = try? Quantity.permissions(text)
        }
    }
}
