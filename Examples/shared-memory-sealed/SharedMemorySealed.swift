// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Two processes that do not trust each other share memory: it comes as a descriptor, and its seals are what the
/// receiver relies on.
///
///     shared-memory-sealed give /tmp/meeting
///     shared-memory-sealed take /tmp/meeting
@main
struct SharedMemorySealed {
    static func main() throws {
        let words = CommandLine.arguments
        guard words.count == 3 else { return say("usage: shared-memory-sealed give | take SOCKET") }
        switch words[1] {
        case "give": try give(at: .path(FilePath(words[2])))
        case "take": try take(from: .path(FilePath(words[2])))
        default: say("give or take, not \(words[1])")
        }
    }

    /// First memory that the giver could still change, then memory that nobody can.
    static func give(at address: SocketAddress) throws {
        let text = Array("the price is 5".utf8)
        let listener = try SequencedPacketListener.bind(to: address)
        say("giving at \(address)")
        let connection = try listener.accept()
        let loose = try SealedMemory(name: "offer", byteCount: 4096, seals: []) {
            (region: borrowing MappedRegion) throws(IPCError) in region.write(text)
        }
        try connection.send([UInt8(text.count)], descriptors: [loose.fileDescriptor])
        let firm = try SealedMemory(name: "offer", byteCount: 4096, seals: .immutable) {
            (region: borrowing MappedRegion) throws(IPCError) in region.write(text)
        }
        try connection.send([UInt8(text.count)], descriptors: [firm.fileDescriptor])
        do throws(IPCError) {
            _ = try firm.map()
            say("to change it afterwards: possible")
        } catch { say("to change it afterwards: \(error.code)") }
    }

    static func take(from address: SocketAddress) throws {
        let connection = try SequencedPacketSocket.connect(to: address)
        for _ in 0..<2 {
            var message = try connection.receiveMessage(upTo: 1, maximumDescriptors: 1)
            guard let descriptor = message.descriptors.takeFirst(), let count = message.bytes.first else { return }
            do throws(IPCError) {
                let memory = try SealedMemory(adopting: descriptor, requiring: .immutable, atLeast: Int(count))
                let region = try memory.map(access: .readOnly)
                say("took: \(String(decoding: region.copyBytes(0..<Int(count)), as: UTF8.self))")
            } catch {
                say("refused: \(error.hint)")
            }
        }
    }

    static func say(_ line: String) { _ = try? FileDescriptor.standardOutput.writeAll("\(line)\n".utf8) }
}
