// SPDX-License-Identifier: Apache-2.0

/// The reactor's deadlines: a binary heap whose entries can be called off.
///
/// Most deadlines are called off, because what they bound happens in time. Such an entry stays in the
/// heap until half of the heap is dead; then all the dead go at once, so the cost per deadline is constant.
struct TimerQueue: ~Copyable {
    typealias Action = @Sendable () -> Void

    private struct Entry {
        var deadline: UInt64
        var id: UInt64
    }

    private var heap: [Entry] = []
    private var actions: [UInt64: Action] = [:]
    private var nextID: UInt64 = 0

    /// When the next action is due, in nanoseconds of the monotonic clock. May be that of a dead entry.
    var earliest: UInt64? { heap.first?.deadline }

    var count: Int { actions.count }

    mutating func add(_ deadline: UInt64, _ action: @escaping Action) -> UInt64 {
        nextID &+= 1
        actions[nextID] = action
        heap.append(Entry(deadline: deadline, id: nextID))
        siftUp(heap.count - 1)
        return nextID
    }

    mutating func remove(_ id: UInt64) {
        guard actions.removeValue(forKey: id) != nil else { return }
        if heap.count > 64 && heap.count > actions.count * 2 {
            heap.removeAll { actions[$0.id] == nil }
            // A sorted array is a heap.
            heap.sort { $0.deadline < $1.deadline }
        }
    }

    /// The actions whose time has come, in the order of their deadlines.
    mutating func takeDue(at now: UInt64) -> [Action] {
        var due: [Action] = []
        while let first = heap.first, first.deadline <= now || actions[first.id] == nil {
            popFirst()
            if let action = actions.removeValue(forKey: first.id) { due.append(action) }
        }
        return due
    }

    private mutating func popFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].deadline < heap[least].deadline { least = child }
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private mutating func siftUp(_ index: Int) {
        var child = index
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].deadline <= heap[child].deadline { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }
}
