// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage
import Testing

@Suite struct AddressTests {
    /// What is written, and what is printed.
    @Test(arguments: [
        ("fifo:/tmp/x", "fifo:/tmp/x"), ("fifo:relative/path with space", "fifo:relative/path with space"),
        ("file:/a:b#c", "file:/a:b#c"), ("fifo:/tmp//x/", "fifo:/tmp/x"),
        ("unix:/run/a.sock", "unix:/run/a.sock"), ("unix:@bus", "unix:@bus"), ("unix:./@x", "unix:./@x"),
        ("unix:[77]", "unix:[77]"), ("unix-datagram:@log", "unix-datagram:@log"),
        ("unix-seqpacket:/s", "unix-seqpacket:/s"), ("unix:@a\\x00b\\xff", "unix:@a\\x00b\\xff"),
        ("unix:@a\\b", "unix:@a\\b"), ("unix:@a\\x5cx41", "unix:@a\\x5cx41"), ("unix:@grüß", "unix:@grüß"),
        ("tcp:127.0.0.1:80", "tcp:127.0.0.1:80"), ("tcp:[::1]:80", "tcp:[::1]:80"),
        ("udp:Example.ORG:0", "udp:example.org:0"), ("tcp:[fe80::1%eth0]:65535", "tcp:[fe80::1%eth0]:65535"),
        ("tcp:[123]", "tcp:[123]"), ("unix:@\u{301}x", "unix:@\u{301}x"), ("fifo:\u{301}", "fifo:\u{301}"),
        ("mq:/orders", "mq:/orders"), ("shm:/a b", "shm:/a b"), ("sem:/x:y", "sem:/x:y"),
        ("mq:/tab\\x09", "mq:/tab\\x09"),
        ("sysv-msg:42", "sysv-msg:0x2a"), ("sysv-msg:0x2A", "sysv-msg:0x2a"),
        ("sysv-shm:id=32769", "sysv-shm:id=32769"),
        ("sysv-sem:/etc/x#7", "sysv-sem:/etc/x#7"), ("sysv-sem:/etc/a#b#255", "sysv-sem:/etc/a#b#255"),
        ("sysv-msg:private", "sysv-msg:private"), ("sysv-msg:0xffffffff", "sysv-msg:0xffffffff"),
        ("topic:camera/front", "topic:camera/front"), ("service:a.b", "service:a.b"), ("event:tick", "event:tick"),
        ("queue:jobs", "queue:jobs"), ("dict:d", "dict:d"), ("pid:1", "pid:1"),
        ("signal:USR1", "signal:SIGUSR1"), ("signal:SIGRTMIN+3", "signal:SIGRTMIN+3"), ("signal:10", "signal:SIGUSR1"),
        ("signal:rtmax", "signal:SIGRTMIN+30"), ("signal:34", "signal:SIGRTMIN"), ("signal:33", "signal:33"),
        ("pipe:[9]", "pipe:[9]"), ("pipe:9", "pipe:[9]"), ("eventfd:[9]", "eventfd:9"), ("memfd:[3]", "memfd:[3]"),
    ])
    func printsCanonicallyAndRoundTrips(written: String, printed: String) throws {
        let address = try Address(written)
        #expect(address.description == printed)
        #expect(try Address(address.description) == address)
    }

    @Test(arguments: Address.Kind.allCases)
    func everyKindShowsARightExample(kind: Address.Kind) throws {
        let address = try Address(kind.example)
        #expect(address.kind == kind)
        #expect(address.description == kind.example)
    }

    /// What is written, and what the refusal must mention.
    @Test(arguments: [
        ("", "kind:name"), ("/tmp/x", "fifo:/tmp/x"), ("/orders", "mq:/orders"), ("mq", "mq:/orders"),
        (":/x", "the kind is missing"),
        ("fifi:/x", "fifo:/x"), ("FIFO:/x", "fifo:/x"), ("posix-mq:/x", "mq:/x"), ("unxi:/x", "unix:/x"),
        ("sysv-mgs:1", "sysv-msg:1"), ("zebra:1", "the kinds are"), ("socket:/x", "unix:/x"),
        ("fifo:", "the name is missing"), ("fifo:/a\\x00b", "NUL"), ("unix:@", "1 to 107 bytes"),
        ("mq:orders", "mq:/orders"), ("mq:/", "after the slash"), ("mq:/a/b", "one slash"), ("sem:/..", "directory"),
        ("tcp:localhost", "localhost:8080"), ("tcp::80", "host is missing"), ("tcp:::1:80", "brackets"),
        ("tcp:[::1]", "port is missing"), ("tcp:[::1", "not closed"), ("tcp:[x]:1", "brackets are for"),
        ("tcp:a:http", "port is a number"), ("udp:a:65536", "0 to 65535"), ("tcp:[::g]:1", "no IPv6 address"),
        ("tcp:a b:1", "no host"), ("tcp:ü:1", "ASCII"),
        ("sysv-msg:0", "private"), ("sysv-msg:0x", "is no key"), ("sysv-msg:12ab", "is no key"),
        ("sysv-msg:-1", "is no key"),
        ("sysv-msg:4294967296", "32 bits"), ("sysv-msg:0x100000000", "32 bits"),
        ("sysv-msg:id=x", "the id is a number"),
        ("sysv-msg:id=-1", "an id is 0"), ("sysv-msg:id=99999999999", "an id is 0"), ("sysv-msg:/x#0", "1 to 255"),
        ("sysv-msg:/x#256", "1 to 255"), ("sysv-msg:/x#a", "97"), ("sysv-msg:#1", "path is missing"),
        ("topic:", "the name is missing"), ("topic:a b", "letters"), ("topic:/a", "between slashes"),
        ("topic:ä", "letters"),
        ("topic:a/../b", "between slashes"),
        ("pid:0", "1 to"), ("pid:x", "is a number"), ("pid:99999999999", "1 to"), ("signal:FOO", "no signal"),
        ("signal:0", "no signal"), ("signal:65", "no signal"), ("signal:RTMIN+31", "no signal"),
        ("signal:SIG", "no signal"),
        ("signal:RTMIN+999999", "no signal"), ("pipe:x", "inode"), ("pipe:[-1]", "inode"),
        ("pipe:[99999999999999999999]", "inode"),
    ])
    func namesThePartThatIsWrong(written: String, mentions: String) {
        #expect {
            try Address(written)
        } throws: { error in
            guard let error = error as? IPCError else { return false }
            return error.hint.contains(mentions) && (error.code == .invalidName || error.code == .invalidArgument)
                && error.subject == "\"\(written)\""
        }
    }

    @Test func partsThatDoNotFitAreRefused() throws {
        #expect(throws: IPCError.self) { try Address(kind: .mq, name: .path("/x")) }
        #expect(throws: IPCError.self) { try Address(kind: .unix, name: .abstract([])) }
        #expect(throws: IPCError.self) { try Address(kind: .sysvMsg, name: .key(.number(0))) }
        #expect(throws: IPCError.self) { try Address(kind: .tcp, name: .endpoint(host: "a]b", port: 1)) }
        #expect(try Address(kind: .unix, name: .path("@x")).description == "unix:./@x")
        #expect(try Address(kind: .unix, name: .path("[12]")).description == "unix:./[12]")
        #expect(Address.unix(abstract: [0, 255, 65]).description == "unix:@\\x00\\xffA")
    }

    /// Any bytes as the name of any kind: parses or refuses, never traps, and what parses round-trips.
    @Test func randomTextNeverTraps() throws {
        var random = Xorshift(seed: 0x5eed)
        let alphabet = Array(":[]@#/\\x0123456789abcdefgSIGRTMIN+-id=. \u{0}\u{7f}ä%".unicodeScalars)
        for _ in 0..<20_000 {
            let kind = Address.Kind.allCases[Int(random.next() % UInt64(Address.Kind.allCases.count))]
            var text = random.next() % 8 == 0 ? "" : kind.rawValue + ":"
            for _ in 0..<(random.next() % 12) {
                text.unicodeScalars.append(alphabet[Int(random.next() % UInt64(alphabet.count))])
            }
            guard let address = try? Address(text) else { continue }
            #expect(try Address(address.description) == address, "\(text)")
        }
    }

    @Test func abstractNamesOfAnyBytesRoundTrip() throws {
        var random = Xorshift(seed: 7)
        for _ in 0..<5_000 {
            let name = (0..<(1 + random.next() % 20)).map { _ in UInt8(truncatingIfNeeded: random.next() >> 9) }
            let address = Address.unix(abstract: name)
            #expect(try Address(address.description) == address)
        }
    }
}

struct Xorshift: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
