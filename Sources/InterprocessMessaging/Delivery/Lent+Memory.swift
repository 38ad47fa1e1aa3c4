// SPDX-License-Identifier: Apache-2.0

/// An object that somebody else keeps, referred to without counting: what is lent for each message costs no atomic operation,
/// which would wait until the message has reached memory.
///
/// Ownership: the owner keeps the object while something is lent; if the owner goes first, it hands its reference over with
/// ``handOver()`` and says so, and the borrower ends it with ``end()``.
@safe @frozen @usableFromInline
package struct Lent<Object: AnyObject> {
    @usableFromInline let reference: Unmanaged<Object>

    @inlinable @inline(__always)
    init(_ object: Object) {
        // SAFETY: kept, not used.
        unsafe reference = Unmanaged.passUnretained(object)
    }

    /// The object; it is there while it is lent.
    @inlinable
    var object: Object {
        @inline(__always) get {
            // SAFETY: the owner keeps it, or has handed its reference over.
            unsafe reference.takeUnretainedValue()
        }
    }

    /// One more reference, for whoever ends it.
    @usableFromInline
    func handOver() {
        // SAFETY: the owner still has its own.
        _ = unsafe reference.retain()
    }

    /// Ends the reference that was handed over.
    @usableFromInline @inline(never)
    func end() {
        // SAFETY: once for each `handOver`, says the mark that goes with it.
        unsafe reference.release()
    }
}
