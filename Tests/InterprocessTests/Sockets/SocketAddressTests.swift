// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SocketAddressTests {
    @Test(arguments: [
        "/run/log.sock", "./log.sock", "@name", "@a\\x00b", "127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535",
        "[::1]:80",
        "[::]:1", "[2001:db8::1]:443", "[fe80::1%2]:80", "[1:2:3:4:5:6:7:8]:9", "[::ffff:10.0.0.1]:80", "[1::8]:1",
        "[1:0:0:2::3]:1",
    ])
    func printsWhatItReads(_ text: String) throws {
        #expect(try SocketAddress(text).description == text)
    }

    @Test func readsOtherForms() throws {
        #expect(try SocketAddress("[0:0:0:0:0:0:0:1]:80").description == "[::1]:80")
        #expect(try SocketAddress("[ABCD::]:80").description == "[abcd::]:80")
        #expect(try SocketAddress("[64:ff9b::1.2.3.4]:1").description == "[64:ff9b::102:304]:1")
    }

    @Test(arguments: [
        "", "log.sock", "@", "1.2.3:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.04:1", "1.2.3.256:1", "::1:80",
        "[::1]",
        "[1::2::3]:1", "[1:2:3:4:5:6:7]:1", "[1:2:3:4:5:6:7:8:9]:1", "[12345::]:1", "localhost:80", "[]:1", "[::1]x:1",
        "[+1::]:1",
    ])
    func refuses(_ text: String) {
        let error = #expect(throws: IPCError.self) { try SocketAddress(text) }
        #expect(error?.code == .invalidName)
        #expect(error?.hint.isEmpty == false)
    }

    @Test func abstractNamesHoldAnyBytes() throws {
        let address = SocketAddress.abstract([0, 10, 255, 92])
        #expect(try SocketAddress(address.description) == address)
    }

    @Test func resolvesNumbersWithoutLookUp() throws {
        #expect(try SocketAddress.resolve("127.0.0.1:80") == [.ipv4(.loopback, port: 80)])
        #expect(try SocketAddress.resolve("[::1]:80") == [.ipv6(.loopback, port: 80)])
    }

    @Test func resolvesNames() async throws {
        let blocking = try { try SocketAddress.resolve("localhost:80") }()
        #expect(blocking.contains(.ipv4(.loopback, port: 80)) || blocking.contains(.ipv6(.loopback, port: 80)))
        #expect(try await SocketAddress.resolve("localhost:80") == blocking)
        #expect(try await SocketAddress.resolve("localhost:80", until: .after(.seconds(20))) == blocking)
    }

    @Test func tellsUnknownNames() async throws {
        let error = await #expect(throws: IPCError.self) {
            try await SocketAddress.resolve("127.0.0.1:no-such-service")
        }
        #expect(error?.code == .notFound)
        let refused = await #expect(throws: IPCError.self) { try await SocketAddress.resolve("nothing") }
        #expect(refused?.code == .invalidName)
    }

    @Test func aCancelledLookUpReturnsAtOnce() async throws {
        let task = Task { () async throws -> Int in
            withUnsafeCurrentTask { unsafe $0?.cancel() }
            return try await SocketAddress.resolve("localhost:80").count
        }
        await #expect(throws: IPCError.self) { try await task.value }
    }
}
