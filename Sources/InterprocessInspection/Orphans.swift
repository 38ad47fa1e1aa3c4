// SPDX-License-Identifier: Apache-2.0
/// An object that nobody seems to use any more.
public struct Orphan: Sendable, Hashable {
    /// The object.
    public var object: InspectedObject
    /// Why it counts as left behind: `"its last sender (812) and last receiver (813) are gone"`.
    public var reason: String
    /// How long nothing happened to it, in whole seconds; nil if the kernel does not say.
    public var ageSeconds: Int64?
}
