// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// A buffer of four places between any number of processes that fill it and any number that empty it.
///
///     semaphores-producer-consumer FILE create
///     semaphores-producer-consumer FILE produce FROM TO
///     semaphores-producer-consumer FILE consume COUNT
@main
struct SemaphoresProducerConsumer {
    static func main() throws {
        let words = CommandLine.arguments
        switch words.dropFirst(2).first {
        case "create" where words.count == 3:
            let file = try Self.file(words[1], [.create, .exclusiveCreate])
            _ = try Buffer(creatingIn: file)
        case "produce" where words.count == 5:
            let file = try Self.file(words[1], [])
            let buffer = try Buffer(in: file)
            for number in (Int(words[3]) ?? 1)...(Int(words[4]) ?? 1) { try buffer.put(number, file) }
        case "consume" where words.count == 4:
            let file = try Self.file(words[1], [])
            let buffer = try Buffer(in: file)
            for _ in 0..<(Int(words[3]) ?? 1) { print(try buffer.take(file)) }
        default: fatalError("usage: semaphores-producer-consumer FILE create | produce FROM TO | consume COUNT")
        }
    }

    static func file(_ path: String, _ options: FileDescriptor.OpenOptions) throws -> OwnedDescriptor {
        let descriptor = try FileDescriptor.open(
            FilePath(path), .readWrite, options: options.union(.closeOnExec), permissions: .ownerReadWrite)
        return OwnedDescriptor(adopting: descriptor.rawValue)
    }
}

/// Three semaphores at the start of the file, then where to write and where to read next, then the places.
struct Buffer: ~Copyable {
    static let places = 4
    /// How many places are free, how many are filled, and whose turn it is to touch the positions.
    let free: SharedSemaphore
    let filled: SharedSemaphore
    let turn: SharedSemaphore

    init(creatingIn file: borrowing OwnedDescriptor) throws {
        try file.fileDescriptor.writeAll(toAbsoluteOffset: 0, [UInt8](repeating: 0, count: 4096))
        let free = try SharedSemaphore(initializing: file, at: 0, initialValue: Self.places)
        let filled = try SharedSemaphore(initializing: file, at: 64, initialValue: 0)
        // This one has a mapping of the whole page, through which the numbers are read.
        let page = try MappedRegion(file, byteCount: 4096, subject: "the buffer")
        let turn = try SharedSemaphore(initializing: page, at: 128, initialValue: 1)
        self.free = free
        self.filled = filled
        self.turn = turn
    }

    init(in file: borrowing OwnedDescriptor) throws {
        let free = try SharedSemaphore(attachingTo: file, at: 0)
        let filled = try SharedSemaphore(attachingTo: file, at: 64)
        let page = try MappedRegion(file, byteCount: 4096, subject: "the buffer")
        let turn = try SharedSemaphore(attachingTo: page, at: 128)
        self.free = free
        self.filled = filled
        self.turn = turn
    }

    func put(_ number: Int, _ file: borrowing OwnedDescriptor) throws {
        try free.wait()
        let descriptor = file.fileDescriptor
        try turn.withPermit {
            let position = self.number(at: 192)
            try descriptor.write(number, at: 256 + position % Self.places * 8)
            try descriptor.write(position + 1, at: 192)
        }
        try filled.post()
    }

    func take(_ file: borrowing OwnedDescriptor) throws -> Int {
        try filled.wait()
        let descriptor = file.fileDescriptor
        let number = try turn.withPermit {
            let position = self.number(at: 200)
            try descriptor.write(position + 1, at: 200)
            return self.number(at: 256 + position % Self.places * 8)
        }
        try free.post()
        return number
    }

    func number(at offset: Int) -> Int {
        (0..<8).reduce(0) { $0 | Int(turn.region.bytes[offset + $1]) << ($1 * 8) }
    }
}

extension FileDescriptor {
    func write(_ number: Int, at offset: Int) throws {
        try writeAll(toAbsoluteOffset: Int64(offset), (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) })
    }
}
