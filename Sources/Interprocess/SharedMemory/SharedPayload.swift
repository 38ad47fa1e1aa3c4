// SPDX-License-Identifier: Apache-2.0

/// A type whose values may lie in memory that several processes map.
///
/// The conforming type promises what the compiler cannot check: a fixed layout without pointers or references, and every
/// pattern of bits is a valid value. Integers, floating point, `InlineArray` and structs of these and of SIMD vectors qualify;
/// `Bool`, enumerations, optionals, strings, arrays and classes do not: a peer could write a pattern that is no value.
///
/// ```swift
/// struct Pose: SharedPayload {
///     var x, y, heading: Double
///     var stamp: UInt64
/// }
/// ```
public protocol SharedPayload: BitwiseCopyable, Sendable {
    /// Raise it when the meaning of the fields changes but not their layout; 1 by default.
    static var sharedVersion: UInt32 { get }
}

extension SharedPayload {
    /// 1.
    public static var sharedVersion: UInt32 { 1 }
}

extension Int8: SharedPayload {}
extension Int16: SharedPayload {}
extension Int32: SharedPayload {}
extension Int64: SharedPayload {}
extension Int: SharedPayload {}
extension UInt8: SharedPayload {}
extension UInt16: SharedPayload {}
extension UInt32: SharedPayload {}
extension UInt64: SharedPayload {}
extension UInt: SharedPayload {}
extension Float: SharedPayload {}
extension Double: SharedPayload {}
extension InlineArray: SharedPayload where Element: SharedPayload {}

/// What both sides compare before they touch a value of a type in shared memory.
public struct SharedLayout: Sendable, Hashable, CustomStringConvertible {
    /// The type's name without its module, so that two programs may declare it each for itself.
    public let typeName: String
    /// How many bytes a value has.
    public let sizeBytes: Int
    /// From one value of an array to the next.
    public let strideBytes: Int
    /// What its address is a multiple of.
    public let alignmentBytes: Int
    /// ``SharedPayload/sharedVersion``.
    public let version: UInt32

    /// The layout of `type` in this program.
    public init<Payload: SharedPayload>(of type: Payload.Type) {
        typeName = "\(type)"
        sizeBytes = MemoryLayout<Payload>.size
        strideBytes = MemoryLayout<Payload>.stride
        alignmentBytes = MemoryLayout<Payload>.alignment
        version = Payload.sharedVersion
    }

    /// 64 bits of all of it: FNV-1a, the same in every program and on every machine of one byte order.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        for byte in typeName.utf8 { mix(byte) }
        for number in [UInt64(sizeBytes), UInt64(strideBytes), UInt64(alignmentBytes), UInt64(version)] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        return hash
    }

    /// `Pose: 32 bytes, stride 32, alignment 8, version 1`.
    public var description: String {
        "\(typeName): \(sizeBytes) bytes, stride \(strideBytes), alignment \(alignmentBytes), version \(version)"
    }
}
