// SPDX-License-Identifier: Apache-2.0
public import Interprocess

extension Subscriber {
    /// A token for `WaitAny`, good for one wait: that there is a message, or something to learn about publishers.
    ///
    /// Take with a `try` verb until it finds nothing, then ask for the next token. What comes between the two makes the token ready at once, so
    /// nothing is lost; whoever waits for it must have it from after the latest verb of this subscriber.
    ///
    /// - Throws: `IPCError.Code.busy` while a task awaits this subscriber or a sample is in use; `IPCError.Code.unsupported` in a forked child.
    public func readiness() throws(IPCError) -> Readiness { try inboxes.readiness() }
}

extension ByteSubscriber {
    /// A token for `WaitAny`, good for one wait; as ``Subscriber/readiness()``.
    public func readiness() throws(IPCError) -> Readiness { try inboxes.readiness() }
}

extension CodableSubscriber {
    /// A token for `WaitAny`, good for one wait; as ``Subscriber/readiness()``.
    public func readiness() throws(IPCError) -> Readiness { try bytes.inboxes.readiness() }
}
