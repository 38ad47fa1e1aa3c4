// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// Whether a call makes an object, opens one that is there, or either.
public enum CreationMode: Sendable, Hashable {
    /// Make it; ``IPCError/Code/alreadyExists`` if the name is taken (O_CREAT | O_EXCL).
    case createExclusive
    /// Open it; ``IPCError/Code/notFound`` if it is not there.
    case openExisting
    /// Open it, or make it if it is not there. Two processes that do so at once get the same object.
    case openOrCreate
}

extension FilePermissions {
    /// What every object of this package gets unless told otherwise: its owner may read and write (0600).
    ///
    /// The mode that a caller asks for is the mode that the object has, whatever the umask says.
    public static let ownerOnly: FilePermissions = [.ownerRead, .ownerWrite]
}
