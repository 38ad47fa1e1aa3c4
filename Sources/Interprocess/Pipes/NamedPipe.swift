// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// The name of a named pipe (FIFO) in the file system.
///
/// ```swift
/// let log = NamedPipe("/run/app/log")
/// try log.create(.openOrCreate)
/// let reader = try await log.openReader()      // waits as a task until somebody writes
/// while let bytes = try await reader.read() { … }
/// ```
///
/// The value is a name, not a handle: it owns nothing, and dropping it removes nothing. ``OwnedNamedPipe`` removes.
///
/// A symbolic link at the path is refused unless ``followsLinks``, and whatever is opened is verified to be a named pipe
/// before a byte passes: where somebody put a regular file in its place, ``IPCError/Code/wrongKind``.
///
/// If a process dies: its ends are closed by the kernel; the name stays until it is removed.
///
/// The manual page is `fifo(7)`.
public struct NamedPipe: Sendable {
    /// How the kernel is asked for a named pipe. The results cannot be told apart.
    public enum Form: Sendable, Hashable {
        /// `mkfifoat(3)`.
        case mkfifo
        /// `mknodat(2)` with `S_IFIFO`, as `mknod NAME p` does.
        case mknod
    }

    /// Where it is; relative to the directory given at creation of the value, or to the working directory.
    public let path: FilePath
    /// Whether a symbolic link at the path is followed.
    public var followsLinks: Bool
    /// If set, only a named pipe of this user is opened: in a folder that others can write to, a name may be theirs.
    public var requiredOwner: UInt32?

    let directory: NamedPipeDirectory?

    /// A name; nothing is touched.
    ///
    /// - Parameters:
    ///   - path: absolute, or relative to the working directory.
    ///   - followsLinks: whether a symbolic link at the path is followed.
    public init(_ path: FilePath, followsLinks: Bool = false) {
        self.path = path
        self.followsLinks = followsLinks
        directory = nil
    }

    /// A name relative to an open directory, whatever becomes of that directory's own name.
    ///
    /// - Parameters:
    ///   - path: relative.
    ///   - directory: open for reading or with O_PATH; a duplicate is kept.
    ///   - followsLinks: whether a symbolic link at the path is followed.
    /// - Throws: ``IPCError/Code/limitReached``.
    public init(
        _ path: FilePath, in directory: borrowing OwnedDescriptor, followsLinks: Bool = false
    ) throws(IPCError) {
        self.path = path
        self.followsLinks = followsLinks
        self.directory = NamedPipeDirectory(try directory.duplicate())
    }

    /// `"fifo:/run/app/log"`.
    public var subject: String { "fifo:\(path)" }

    var base: CInt { directory?.descriptor.rawValue ?? PipeFlags.currentDirectory }

    func failure(_ error: Errno, _ call: String, hint: String = "") -> IPCError {
        IPCError(error, call, subject, hint: hint.isEmpty ? pathHint(error) : hint)
    }

    private func pathHint(_ error: Errno) -> String {
        switch error {
        case .fileExists: "there is something of that name; open it, or create with .openOrCreate"
        case .noSuchFileOrDirectory: "there is no such name, or a folder on the way to it is missing"
        case .notDirectory: "a part of the path is a file, not a folder"
        case .fileNameTooLong: "a name has at most 255 bytes, a path 4095"
        case .tooManySymbolicLinkLevels:
            followsLinks
                ? "symbolic links lead in a circle"
                : "a symbolic link is there, which is not followed unless followsLinks is set"
        case .readOnlyFileSystem: "the file system is mounted read-only"
        case .permissionDenied: "its mode or that of a folder on the way forbids it"
        default: ""
        }
    }
}

/// Keeps a directory open for as long as a name refers to it.
final class NamedPipeDirectory: Sendable {
    let descriptor: OwnedDescriptor
    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}
