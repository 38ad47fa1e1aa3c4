// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// Makes lines of what a stream delivers; the newlines themselves are taken off.
final class LineSource: Source {
    private struct State {
        var kept: [UInt8] = []
        var ended = false
    }

    private let inner: any Source
    private let state = Shared(State())

    init(_ inner: any Source) { self.inner = inner }

    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        while true {
            let line = state.withLock { state -> [UInt8]? in
                if let end = state.kept.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = Array(state.kept[..<end])
                    state.kept.removeFirst(end + 1)
                    return line
                }
                guard state.ended, !state.kept.isEmpty else { return nil }
                defer { state.kept = [] }
                return state.kept
            }
            if let line { return Parcel(bytes: line) }
            if state.withLock({ $0.ended }) { return nil }
            let more = try inner.receive(selection, limit: limit, until: deadline)?.bytes
            state.withLock { state in
                if let more { state.kept += more } else { state.ended = true }
            }
        }
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        try inner.peek(selection, index: index, until: deadline)
    }
}
