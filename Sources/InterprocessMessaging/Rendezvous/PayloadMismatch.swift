// SPDX-License-Identifier: Apache-2.0

extension PayloadDescription {
    /// Why one who wants to read this cannot read `other`; nil if they are the same. The text names both, and what differs.
    package func mismatch(with other: PayloadDescription) -> String? {
        let (wanted, carried) = (normalized, other.normalized)
        if wanted == carried { return nil }
        return
            "the topic carries \(carried.text), the subscriber wants \(wanted.text)\(wanted.difference(from: carried))"
    }

    /// With the name as short as it goes over the socket.
    private var normalized: PayloadDescription {
        var copy = self
        if let name = fixed?.typeName {
            copy.fixed?.typeName = HandshakeWriter.cut(name, limit: HandshakeMessage.longestTypeName)
        }
        return copy
    }

    /// For people.
    package var text: String {
        guard let fixed else { return "bytes" }
        return
            "\(fixed.typeName.printable) (\(fixed.sizeBytes) bytes, stride \(fixed.strideBytes), alignment \(fixed.alignmentBytes), "
            + "version \(fixed.version))"
    }

    private func difference(from other: PayloadDescription) -> String {
        guard let mine = fixed, let theirs = other.fixed, mine.typeName == theirs.typeName else { return "" }
        return mine.version != theirs.version
            ? ": both are called the same, but their versions differ"
            : ": both are called the same, but their layout differs, so one side was built from other sources"
    }
}
