// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// One process opens a log file and hands the open file, not its name, to another that it never met before.
@main
struct SocketsPassDescriptor {
    static func main() throws {
        let arguments = CommandLine.arguments
        switch (arguments.dropFirst().first, arguments.count) {
        case ("give", 4): try give(FilePath(arguments[3]), at: .path(FilePath(arguments[2])))
        case ("take", 3): try take(from: .path(FilePath(arguments[2])))
        default: say("usage: sockets-pass-descriptor give SOCKET LOGFILE | take SOCKET")
        }
    }

    /// Waits for one process to come, and gives it the log if it belongs to the same user.
    static func give(_ path: FilePath, at address: SocketAddress) throws {
        let log = try FileDescriptor.open(
            path, .writeOnly, options: [.append, .create, .closeOnExec], permissions: .ownerOnly)
        defer { try? log.close() }
        let listener = try SequencedPacketListener.bind(to: address)
        say("giving \(path) at \(address)")
        let connection = try listener.accept()
        let peer = try connection.peerCredentials()
        guard peer.userID == PeerCredentials.own.userID else {
            say("not to user \(peer.userID)")
            return
        }
        try connection.send(Array(path.string.utf8), descriptors: [log])
        say("gave it to the process that came")
    }

    /// Writes to a file that this process has never opened, and may not even be allowed to.
    static func take(from address: SocketAddress) throws {
        let connection = try SequencedPacketSocket.connect(to: address)
        var message = try connection.receiveMessage(upTo: 4096, maximumDescriptors: 1)
        guard let log = message.descriptors.takeFirst() else {
            say("nothing came")
            return
        }
        try log.fileDescriptor.writeAll("a line through a descriptor that was passed\n".utf8)
        say("wrote to \(String(decoding: message.bytes, as: UTF8.self))")
    }

    static func say(_ line: String) { _ = try? FileDescriptor.standardOutput.writeAll("\(line)\n".utf8) }
}
