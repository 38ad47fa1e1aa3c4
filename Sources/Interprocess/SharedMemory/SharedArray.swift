// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// A fixed number of values of one type in memory that processes share, behind a header that says which type it is.
///
/// ```swift
/// let poses = try SharedArray<Pose>(ObjectName("/poses"), mode: .openOrCreate, count: 16, repeating: Pose())
/// poses[3] = Pose(x: 1, y: 2, heading: 0, stamp: 7)
/// poses.region.atomicAdd(UInt64(1), at: poses.offset(of: \.stamp, at: 3))
/// ```
///
/// The header holds the type's name, size, stride, alignment and version. Opening compares them with the type in this program
/// and, if they differ, throws an error that names both: two programs cannot misread each other.
///
/// Reading an element copies it. While a peer writes it the copy may hold parts of two values, each of them valid for its type,
/// never memory of anything else. Whole values need a lock around them, or fit into an atomic integer.
///
/// Ownership: the value owns the mapping.
///
/// If a process dies: an element that it was writing stays half written.
public struct SharedArray<Element: SharedPayload>: ~Copyable, Sendable {
    /// The memory, header included; for atomic fields and for ``MappedRegion/synchronize(_:range:)``.
    public let region: MappedRegion
    /// How many elements there are; what a peer writes into the header later does not change it.
    public let count: Int
    /// Where the first element lies in ``region``.
    @usableFromInline let start: Int

    /// How many bytes a region needs for so many elements, header included.
    public static func byteCount(for count: Int) -> Int {
        precondition(count >= 0, "a number of elements is not negative")
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        precondition(!overflow && bytes <= Int.max - SharedHeader.byteCount, "so many elements fit into no memory")
        return SharedHeader.byteCount + max(bytes, 1)
    }

    /// Writes header and elements into memory of which no other process knows yet, or of which all wait for this.
    ///
    /// That is what the `prepare` of an object is for: then nobody can open it earlier.
    ///
    /// - Parameters:
    ///   - region: writable, with room for ``byteCount(for:)``; that is a precondition.
    ///   - offset: where the header begins; a multiple of 128.
    ///   - count: how many elements.
    ///   - value: what each element is at first.
    public static func format(
        _ region: borrowing MappedRegion, at offset: Int = 0, count: Int, repeating value: Element
    ) {
        precondition(offset % SharedHeader.byteCount == 0, "the header begins at a multiple of 128")
        precondition(
            region.contains(byteCount: byteCount(for: count), at: offset), "the region has no room for the elements")
        region.store(SharedHeader(SharedLayout(of: Element.self), count: count), at: offset)
        let first = offset + SharedHeader.byteCount
        for index in 0..<count { region.store(value, at: first + index * MemoryLayout<Element>.stride) }
        region.atomicStore(SharedHeader.ready, at: offset + SharedHeader.stateOffset)
    }

    /// Opens elements that are there.
    ///
    /// - Parameters:
    ///   - region: belongs to this value then; unmapped if this throws.
    ///   - offset: where the header begins.
    ///   - count: how many elements there must be; nil takes what is there.
    ///   - subject: what errors call it.
    /// - Throws: ``IPCError/Code/wouldBlock`` if its maker has not finished; ``IPCError/Code/malformed`` if it holds something else,
    ///   with both types, or says that it has more elements than room.
    public init(
        opening region: consuming MappedRegion, at offset: Int = 0, count: Int? = nil, subject: String = "shared memory"
    ) throws(IPCError) {
        precondition(offset % SharedHeader.byteCount == 0, "the header begins at a multiple of 128")
        self.count = try SharedHeader.validate(
            region, at: offset, SharedLayout(of: Element.self), count: count, subject: subject)
        start = offset + SharedHeader.byteCount
        self.region = region
    }

    /// Opens or makes elements in a POSIX shared memory object of their own. It appears with all elements in it.
    ///
    /// - Parameters:
    ///   - name: the object's.
    ///   - mode: whether to create.
    ///   - count: how many elements; one that exists must have as many.
    ///   - value: what each element is at first.
    ///   - permissions: of an object that is created.
    ///   - access: `.readOnly` for who only reads.
    /// - Throws: what ``SharedMemoryObject``, ``MappableObject/map(offsetBytes:byteCount:access:sharing:options:)`` and
    ///   ``init(opening:at:count:subject:)`` throw.
    public init(
        _ name: ObjectName, mode: CreationMode = .openExisting, count: Int, repeating value: Element,
        permissions: FilePermissions = .ownerOnly, access: MappedRegion.Access = .readWrite
    ) throws(IPCError) {
        let object = try SharedMemoryObject(
            name, mode: mode, byteCount: Self.byteCount(for: count), access: access, permissions: permissions
        ) { (region: borrowing MappedRegion) throws(IPCError) in
            Self.format(region, count: count, repeating: value)
        }
        try self.init(opening: try object.map(), count: count, subject: object.subject)
    }

    /// Unmaps the memory.
    public consuming func close() throws(IPCError) { try region.close() }

    /// Where an element lies in ``region``, in bytes; that it exists is a precondition.
    @inlinable
    public func offset(at index: Int) -> Int {
        precondition(index >= 0 && index < count, "there is no such element")
        return start + index * MemoryLayout<Element>.stride
    }

    /// Where a stored field of an element lies in ``region``, in bytes: the place for an atomic operation.
    public func offset<Field>(of field: KeyPath<Element, Field>, at index: Int) -> Int {
        guard let within = MemoryLayout<Element>.offset(of: field) else {
            preconditionFailure("a computed property has no place in memory")
        }
        return offset(at: index) + within
    }

    /// A copy of an element, or a store of one. That it exists, and for a store that the region is not read-only, are preconditions.
    @inlinable
    public subscript(index: Int) -> Element {
        get { region.load(Element.self, at: offset(at: index)) }
        nonmutating set { region.store(newValue, at: offset(at: index)) }
    }
}
