// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// A server reads requests from one named pipe that all clients share; each client has a named pipe of its own for the answer.
///
///     pipes-reply-fifo serve /tmp/service
///     pipes-reply-fifo ask /tmp/service hello
@main
struct PipesReplyFIFO {
    static func main() async throws {
        let words = CommandLine.arguments
        switch words.dropFirst().first {
        case "serve" where words.count == 3: try await serve(NamedPipe(FilePath(words[2])))
        case "ask" where words.count == 4: try await ask(NamedPipe(FilePath(words[2])), words[3])
        default: fatalError("usage: pipes-reply-fifo serve FIFO | ask FIFO WORD")
        }
    }

    /// A request is the path of the client's pipe, a line feed, and the word.
    static func serve(_ name: NamedPipe) async throws {
        let service = try OwnedNamedPipe(name)
        let pipe = try service.name.openReadWrite()  // both ends: it never meets the end of the stream
        let keeper = pipe.writer
        let requests = FragmentReader(pipe.reader)
        defer { _ = keeper.rawValue }
        // print(_:) would keep the line back until a buffer is full.
        _ = try FileDescriptor.standardOutput.writeAll("serving at \(name.path)\n".utf8)
        while let request = try await requests.receive() {
            let parts = String(decoding: request.bytes, as: UTF8.self).split(separator: "\n", maxSplits: 1)
            guard parts.count == 2 else { continue }
            // A client that died has no reader any more: that is a value, and no reason to wait.
            guard let reply = try? NamedPipe(FilePath(String(parts[0]))).tryOpenWriter() else { continue }
            try? await reply.write(Array(parts[1].uppercased().utf8), until: .after(.seconds(1)))
        }
    }

    static func ask(_ name: NamedPipe, _ word: String) async throws {
        let reply = try OwnedNamedPipe(NamedPipe(FilePath("\(name.path).reply.\(UInt32.random(in: .min ... .max))")))
        // Open before asking, so that the server finds a reader; and keep a writing end, so that there is no end before the answer.
        let answers = try reply.name.openServer()
        let requests = FragmentWriter(try await name.openWriter(until: .after(.seconds(10))))
        try await requests.send(Array("\(reply.name.path)\n\(word)".utf8))
        let answer: [UInt8]? = try await answers.reader.read(until: .after(.seconds(10)))
        print(String(decoding: answer ?? [], as: UTF8.self))
    }
}
