// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import SystemPackage

/// A picture of 160 times 120 points. Every pattern of bits is one, so it can lie in memory that others write.
struct Frame: SharedPayload {
    static let width = 160
    static let height = 120

    var number: UInt64 = 0
    var points = InlineArray<19200, UInt8>(repeating: 0)

    /// A bright column that moves with the number, on a ground as dark as the number says.
    mutating func draw(_ number: UInt64) {
        self.number = number
        let ground = UInt8(truncatingIfNeeded: number & 0x7f)
        let column = Int(number) % Self.width
        var points = points.mutableSpan
        for place in points.indices { points[place] = place % Self.width == column ? 255 : ground }
    }

    /// Whether all of it belongs to the same picture.
    var isWhole: Bool {
        let ground = UInt8(truncatingIfNeeded: number & 0x7f)
        let column = Int(number) % Self.width
        let points = points.span
        for place in points.indices where points[place] != (place % Self.width == column ? 255 : ground) {
            return false
        }
        return true
    }
}

/// A camera, and two viewers that are other processes: one sees every frame, the other what it has time for.
///
///     messaging-camera-and-viewer                          all three, in a directory of their own
///     messaging-camera-and-viewer camera DIRECTORY         one of them, each from a terminal of its own
///     messaging-camera-and-viewer viewer DIRECTORY
///     messaging-camera-and-viewer slow-viewer DIRECTORY
@main
struct MessagingCameraAndViewer {
    static func main() async throws {
        let words = CommandLine.arguments
        if words.count == 1 { return try await all() }
        guard words.count == 3 else {
            fatalError("usage: messaging-camera-and-viewer [camera|viewer|slow-viewer DIRECTORY]")
        }
        switch words[1] {
        case "camera":
            let camera = try topic(words[2]).publisher(PublisherOptions(capacity: 16))
            try await film(camera)
        case "viewer": try await view(topic(words[2]))
        default: try await viewSlowly(topic(words[2]))
        }
    }

    static func topic(_ directory: String) throws -> Topic<Frame> {
        try Topic("camera/front", of: Frame.self, in: Rendezvous(directory: FilePath(directory)))
    }

    /// Here the camera is the program that starts the viewers; they might as well have come before it.
    static func all() async throws {
        let directory = "/tmp/interprocess-camera-\(try ProcessHandle.current().processID)"
        let camera = try topic(directory).publisher(PublisherOptions(capacity: 16))
        for number in 0..<5 as Range<UInt64> { try shoot(number, camera) }
        let viewer = try ProcessHandle.spawn(.thisProgram(["viewer", directory]))
        let slowViewer = try ProcessHandle.spawn(.thisProgram(["slow-viewer", directory]))
        try await film(camera)
        camera.close()
        for end in [try await viewer.exit(), try await slowViewer.exit()] where !end.isSuccess { print("viewer", end) }
        _ = try await ProcessHandle.spawn(ProcessCommand("rm", ["-r", directory])).exit()
    }

    /// Sixty frames, from when both viewers are there.
    static func film(_ camera: borrowing Publisher<Frame>) async throws {
        guard try await camera.waitForSubscribers(2, until: .after(.seconds(20))) else { return }
        for number in 5..<65 as Range<UInt64> {
            try shoot(number, camera)
            try await Task.sleep(for: .milliseconds(4))
        }
    }

    /// Drawn in the log itself: what the viewers read is this memory and no copy of it.
    static func shoot(_ number: UInt64, _ camera: borrowing Publisher<Frame>) throws {
        var loan = try camera.loan()
        loan.payload.draw(number)
        loan.send()
    }

    /// Lossless: the camera would wait for it. It begins with the latest three frames that were there before it.
    static func view(_ topic: Topic<Frame>) async throws {
        let options = SubscriberOptions(history: .latest(3), endsWithLastPublisher: true)
        let viewer = try await topic.subscriber(options)
        var numbers: [UInt64] = []
        var areWhole = true
        while let sample = try await viewer.next(until: .after(.seconds(20))) {
            numbers.append(sample.payload.number)
            areWhole = areWhole && sample.payload.isWhole
        }
        print(
            "viewer: frames \(numbers.first ?? 0) to \(numbers.last ?? 0), \(numbers.count) in all,",
            areWhole ? "each whole" : "torn")
    }

    /// Lossy: the camera goes on, whatever this one does. It works on copies, since a frame in use would hold the camera up.
    static func viewSlowly(_ topic: Topic<Frame>) async throws {
        let options = SubscriberOptions(history: .all, delivery: .lossy, endsWithLastPublisher: true)
        let viewer = try await topic.subscriber(options)
        var seen: UInt64 = 0
        while let frame = try await viewer.nextValue(until: .after(.seconds(20))) {
            seen += frame.isWhole ? 1 : 0
            try await Task.sleep(for: .milliseconds(12))
        }
        print("slow viewer: \(seen) frames, each whole, and \(viewer.missed) missed; \(seen + viewer.missed) in all")
    }
}
