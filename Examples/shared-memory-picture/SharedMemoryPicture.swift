// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// One process draws a picture in shared memory, others look at it, and change it in place.
///
///     shared-memory-picture draw /picture
///     shared-memory-picture show /picture
///     shared-memory-picture invert /picture
///     shared-memory-picture remove /picture
@main
struct SharedMemoryPicture {
    /// A fixed layout, no pointers, and every pattern of bits is a picture.
    struct Picture: SharedPayload {
        static let (width, height) = (31, 11)
        var edition: UInt32 = 0
        var pixels: InlineArray<341, UInt8> = InlineArray(repeating: 0)
    }

    static func main() throws {
        let words = CommandLine.arguments
        guard words.count == 3 else {
            return say("usage: shared-memory-picture draw | show | invert | remove NAME")
        }
        let name = try ObjectName(words[2])
        switch words[1] {
        case "draw":
            // The object appears under its name with the whole picture in it: nobody sees half of one.
            _ = try SharedValue<Picture>(name, mode: .createExclusive, initial: circle())
            say("drew a circle into shm:\(name)")
        case "show":
            let picture = try SharedValue<Picture>(name, initial: Picture(), access: .readOnly)
            show(picture.load())
        case "invert":
            let picture = try SharedValue<Picture>(name, initial: Picture())
            var copy = picture.load()
            for index in copy.pixels.indices { copy.pixels[index] ^= 1 }
            picture.store(copy)
            let edition = picture.region.atomicAdd(UInt32(1), at: picture.offset(of: \.edition)) + 1
            say("inverted; edition \(edition)")
        case "remove":
            try SharedMemoryObject.unlink(name)
            say("removed shm:\(name)")
        default: say("draw, show, invert or remove, not \(words[1])")
        }
    }

    static func circle() -> Picture {
        var picture = Picture()
        for row in 0..<Picture.height {
            for column in 0..<Picture.width {
                let (x, y) = (column - Picture.width / 2, 3 * (row - Picture.height / 2))
                let distance = x * x + y * y
                if distance > 120 && distance < 225 { picture.pixels[row * Picture.width + column] = 1 }
            }
        }
        return picture
    }

    static func show(_ picture: Picture) {
        for row in 0..<Picture.height {
            var line = ""
            for column in 0..<Picture.width {
                line += picture.pixels[row * Picture.width + column] == 0 ? "." : "#"
            }
            say(line)
        }
    }

    static func say(_ line: String) { _ = try? FileDescriptor.standardOutput.writeAll("\(line)\n".utf8) }
}
