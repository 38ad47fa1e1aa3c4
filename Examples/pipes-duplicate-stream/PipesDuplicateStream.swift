// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Copies standard input to standard output and, without a file in between, into a named pipe that another program reads.
///
///     mkfifo /tmp/copy; wc -c < /tmp/copy &
///     printf 'a line\n' | pipes-duplicate-stream /tmp/copy | tr a-z A-Z
@main
struct PipesDuplicateStream {
    static func main() async throws {
        guard CommandLine.arguments.count == 2 else { fatalError("usage: pipes-duplicate-stream FIFO") }
        let input = try PipeReader(adopting: OwnedDescriptor(adopting: 0), sharing: .shared)
        let output = try PipeWriter(adopting: OwnedDescriptor(adopting: 1), sharing: .shared)
        let copy = try await NamedPipe(FilePath(CommandLine.arguments[1])).openWriter(until: .after(.seconds(10)))
        // tee(2) copies what is in the pipe and leaves it there; splice(2) then moves exactly as much on.
        while true {
            var left = try await input.duplicate(to: copy)
            if left == 0 { return }
            while left > 0 { left -= try await input.move(to: output, upTo: left) }
        }
    }
}
