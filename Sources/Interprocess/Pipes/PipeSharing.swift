// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Whether other processes use the same open file description as an adopted descriptor.
///
/// O_NONBLOCK belongs to the description, not to the descriptor: set on a standard input that the shell and this process
/// share, it changes the shell's as well.
public enum PipeSharing: Sendable, Hashable {
    /// This process alone uses it: O_NONBLOCK is set at the first verb that needs it.
    case exclusive
    /// Others use it too: its flags are left alone. The same pipe is opened again through `/proc/self/fd`, which gives a
    /// description of our own; where that is not possible, RWF_NOWAIT, and where that is not either
    /// (named pipes), poll(2) before a call that could then block if somebody else is quicker.
    case shared
}

extension PipeEnd {
    init(adopting owned: consuming OwnedDescriptor, for interest: Interest, _ sharing: PipeSharing) throws(IPCError) {
        let number = owned.rawValue
        let kind: FileStatus.Kind
        let flags: CInt
        do throws(Errno) {
            kind = try sysStatus(number).kind
            flags = try sysDescriptionFlags(number)
        } catch {
            throw IPCError(error, "fstat", "descriptor \(number)")
        }
        guard kind == .fifo else {
            throw IPCError(
                code: .wrongKind, subject: "descriptor \(number)", hint: "it is no pipe but of the kind: \(kind)")
        }
        let access = flags & PipeFlags.accessMask
        let wrong = interest == .readable ? PipeFlags.writeOnly : PipeFlags.readOnly
        if access == wrong {
            throw IPCError(
                code: .badDescriptor, subject: "descriptor \(number)",
                hint: "it is open for \(interest == .readable ? "writing" : "reading") only")
        }
        let nonBlocking = flags & PipeFlags.nonBlocking != 0
        guard sharing == .shared else {
            self.init(owned, .anonymous, nonBlocking: nonBlocking)
            return
        }
        let again = access | PipeFlags.nonBlocking | (flags & PipeFlags.packets)
        if let own = try? sysOpen(FilePath("/proc/self/fd/\(number)"), flags: again) {
            self.init(OwnedDescriptor(adopting: own), .anonymous, nonBlocking: true)
        } else {
            self.init(owned, .anonymous, shared: true)
        }
    }
}
