// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// One value in memory that processes share, behind a header that says which type it is; as ``SharedArray``.
///
/// ```swift
/// let total = try SharedValue<Totals>(ObjectName("/totals"), mode: .openOrCreate, initial: Totals())
/// total.region.atomicAdd(UInt64(1), at: total.offset(of: \.orders))
/// print(total.load())
/// ```
public struct SharedValue<Value: SharedPayload>: ~Copyable, Sendable {
    private let array: SharedArray<Value>

    /// How many bytes a region needs, header included.
    public static var byteCount: Int { SharedArray<Value>.byteCount(for: 1) }

    /// Writes header and value into memory of which no other process knows yet; see ``SharedArray/format(_:at:count:repeating:)``.
    public static func format(_ region: borrowing MappedRegion, at offset: Int = 0, initial value: Value) {
        SharedArray<Value>.format(region, at: offset, count: 1, repeating: value)
    }

    /// Opens a value that is there; see ``SharedArray/init(opening:at:count:subject:)``.
    public init(
        opening region: consuming MappedRegion, at offset: Int = 0, subject: String = "shared memory"
    ) throws(IPCError) {
        array = try SharedArray(opening: region, at: offset, count: 1, subject: subject)
    }

    /// Opens or makes a value in a POSIX shared memory object of its own. It appears with the value in it.
    ///
    /// - Parameters:
    ///   - name: the object's.
    ///   - mode: whether to create.
    ///   - value: what it is at first.
    ///   - permissions: of an object that is created.
    ///   - access: `.readOnly` for who only reads.
    /// - Throws: as ``SharedArray/init(_:mode:count:repeating:permissions:access:)``.
    public init(
        _ name: ObjectName, mode: CreationMode = .openExisting, initial value: Value,
        permissions: FilePermissions = .ownerOnly, access: MappedRegion.Access = .readWrite
    ) throws(IPCError) {
        array = try SharedArray(
            name, mode: mode, count: 1, repeating: value, permissions: permissions, access: access)
    }

    /// Unmaps the memory.
    public consuming func close() throws(IPCError) { try array.close() }

    /// The memory, header included.
    public var region: MappedRegion {
        @inline(__always) _read { yield array.region }
    }

    /// A copy of the value; whole only if no peer writes it meanwhile.
    public func load() -> Value { array[0] }

    /// Stores a value; that the region is not read-only is a precondition.
    public func store(_ value: Value) { array[0] = value }

    /// Where the value lies in ``region``, in bytes.
    public var offset: Int { array.offset(at: 0) }

    /// Where a stored field of the value lies in ``region``, in bytes: the place for an atomic operation.
    public func offset<Field>(of field: KeyPath<Value, Field>) -> Int { array.offset(of: field, at: 0) }
}
