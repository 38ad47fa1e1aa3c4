// SPDX-License-Identifier: Apache-2.0

/// A value at a fixed place of this process's memory, changed without the checks that a class pays for each access.
///
/// Ownership: made and freed by one object; whoever uses the cell keeps that object.
///
/// Concurrency: one owner at a time.
@safe @frozen @usableFromInline
package struct Cell<Value: ~Copyable> {
    @usableFromInline let pointer: UnsafeMutablePointer<Value>

    init(_ value: consuming Value) {
        // SAFETY: new memory, freed by `free`.
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    /// Once, by the object that made it.
    func free() {
        // SAFETY: nobody uses the cell any more.
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }

    @inlinable
    package var value: Value {
        @inline(__always) _read {
            // SAFETY: the cell lives as long as the object that made it.
            yield unsafe pointer.pointee
        }
        @inline(__always) nonmutating _modify {
            // SAFETY: as above.
            yield unsafe &pointer.pointee
        }
    }

    func isSame(as other: Cell) -> Bool {
        // SAFETY: a comparison of addresses.
        unsafe pointer == other.pointer
    }
}
