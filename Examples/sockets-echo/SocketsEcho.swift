// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Sends back whatever arrives, to any number of clients at once: one task each, no thread waits.
@main
struct SocketsEcho {
    static func main() async throws {
        guard CommandLine.arguments.count == 2 else {
            say("usage: sockets-echo ADDRESS    (/tmp/echo.sock, @echo, 127.0.0.1:7000 or [::1]:7000)")
            return
        }
        let listener = try StreamListener.bind(to: try SocketAddress(CommandLine.arguments[1]))
        say("listening at \(listener.address)")
        while let connection = try await listener.next() {
            Task { [connection = consume connection] in
                // A client that goes away is no reason to stop.
                let count = (try? await echo(connection)) ?? 0
                say("a client went away after \(count) bytes")
            }
        }
    }

    /// Until the client has finished sending; how many bytes that were.
    static func echo(_ connection: borrowing StreamSocket) async throws(IPCError) -> Int {
        var count = 0
        while true {
            let bytes = try await connection.receive(upTo: 65536)
            if bytes.isEmpty { return count }
            try await connection.send(bytes)
            count += bytes.count
        }
    }

    static func say(_ line: String) { _ = try? FileDescriptor.standardOutput.writeAll("\(line)\n".utf8) }
}
