// SPDX-License-Identifier: Apache-2.0

/// The descriptors that came with one message, in the order in which they were sent.
///
/// ```swift
/// var message = try socket.receiveMessage(upTo: 4096)
/// if let file = message.descriptors.takeFirst() { … }
/// ```
///
/// Ownership: each is this process's own, close-on-exec from birth. What is not taken is closed with the container.
public struct ReceivedDescriptors: ~Copyable, Sendable {
    /// -1 where one was taken.
    private var numbers: [CInt]

    init(adopting numbers: [CInt] = []) {
        self.numbers = numbers
    }

    deinit {
        for number in numbers where number >= 0 { _ = OwnedDescriptor(adopting: number) }
    }

    /// How many came.
    public var count: Int { numbers.count }

    /// How many have not been taken.
    public var remaining: Int { numbers.count { $0 >= 0 } }

    /// Whether none came.
    public var isEmpty: Bool { numbers.isEmpty }

    /// Takes the descriptor at `index`, 0 being the first that was sent; nil if it was taken before or none is there.
    public mutating func take(at index: Int) -> OwnedDescriptor? {
        guard numbers.indices.contains(index), numbers[index] >= 0 else { return nil }
        let number = numbers[index]
        numbers[index] = -1
        return OwnedDescriptor(adopting: number)
    }

    /// Takes the first that is left; nil when none is.
    public mutating func takeFirst() -> OwnedDescriptor? {
        guard let index = numbers.firstIndex(where: { $0 >= 0 }) else { return nil }
        return take(at: index)
    }

    /// All that are left, for another owner.
    package mutating func takeAll() -> ReceivedDescriptors {
        defer { numbers = [] }
        return ReceivedDescriptors(adopting: numbers)
    }
}
