// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessSyscalls
public import SystemPackage

/// The directory in which processes find each other: each channel is a directory in it, each publisher a socket in that.
///
/// ```
/// /run/user/1000/interprocess/
///   topics/
///     camera/front/
///       ~3f9a0c55d1e8b742        a publisher that listens
/// ```
///
/// If a process dies: its sockets stay as names that nobody answers; whoever comes next removes them. Nothing else is left.
public struct Rendezvous: Sendable, Hashable, CustomStringConvertible {
    /// The directory.
    public let directory: FilePath
    /// Why it is this one, for errors and for `ipc`: `"$INTERPROCESS_DIR"`.
    package let origin: String

    /// A directory of one's own choice; it is made when the first channel is, open to this user only, unless it is there.
    ///
    /// - Throws: `IPCError.Code.invalidName` if the path is not absolute.
    public init(directory: FilePath) throws(IPCError) { try self.init(directory, origin: "as given") }

    private init(_ directory: FilePath, origin: String) throws(IPCError) {
        guard directory.isAbsolute else {
            throw IPCError(
                code: .invalidName, subject: "rendezvous \(directory)",
                hint: "the directory (\(origin)) is to be an absolute path, so that all processes mean the same")
        }
        self.directory = directory
        self.origin = origin
    }

    /// The directory and where the choice comes from.
    public var description: String { "\(directory) (\(origin))" }

    /// The directory that all programs of this user share, in this order:
    ///
    /// 1. `$INTERPROCESS_DIR`
    /// 2. `$XDG_RUNTIME_DIR/interprocess`, if that directory is this user's
    /// 3. `/run/user/UID/interprocess`, where `/run/user/UID` is there
    /// 4. `/run/interprocess` for root
    /// 5. `/tmp/interprocess-UID`, a directory of the user's own: what somebody else has put there is refused
    ///
    /// It is made if it is not there, open to this user only.
    ///
    /// - Throws: `IPCError.Code.permissionDenied`, `IPCError.Code.wrongKind` and others, naming the directory in use and
    ///   what is wrong with it.
    public static func standard() throws(IPCError) -> Rendezvous {
        try standard(environment: { sysEnvironmentVariable($0) }, user: sysEffectiveUserID())
    }

    /// The same directory, whether it is there or not: for whoever only looks.
    package static func chosen() throws(IPCError) -> Rendezvous {
        try choose(
            environment: { sysEnvironmentVariable($0) }, user: sysEffectiveUserID(), run: "/run", temporary: "/tmp")
    }

    /// ``standard()`` for an environment of the test's choice, and other places for `/run` and `/tmp`.
    package static func standard(
        environment: (String) -> String?, user: UInt32, run: FilePath = "/run", temporary: FilePath = "/tmp"
    ) throws(IPCError) -> Rendezvous {
        let choice = try choose(environment: environment, user: user, run: run, temporary: temporary)
        try choice.prepare(isPublicPlace: choice.directory.removingLastComponent() == temporary)
        return choice
    }

    private static func choose(
        environment: (String) -> String?, user: UInt32, run: FilePath, temporary: FilePath
    ) throws(IPCError) -> Rendezvous {
        if let text = environment("INTERPROCESS_DIR"), !text.isEmpty {
            return try Rendezvous(FilePath(text), origin: "$INTERPROCESS_DIR")
        }
        if let text = environment("XDG_RUNTIME_DIR"), !text.isEmpty, isDirectory(FilePath(text), of: user) {
            return try Rendezvous(FilePath(text).appending("interprocess"), origin: "$XDG_RUNTIME_DIR/interprocess")
        }
        let own = run.appending("user").appending(String(user))
        if isDirectory(own, of: user) {
            return try Rendezvous(own.appending("interprocess"), origin: "since \(own) is there")
        }
        if user == 0 { return try Rendezvous(run.appending("interprocess"), origin: "for root") }
        return try Rendezvous(
            temporary.appending("interprocess-\(user)"),
            origin: "since neither $INTERPROCESS_DIR nor $XDG_RUNTIME_DIR is set, and \(own) is not there")
    }

    private static func isDirectory(_ path: FilePath, of user: UInt32) -> Bool {
        guard path.isAbsolute, let status = try? sysStatus(path, followLinks: true) else { return false }
        return status.kind == .directory && status.user == user
    }

    // MARK: Making

    /// - Parameter isPublicPlace: everybody may make names there, so what is there already must be this user's own, and closed
    ///   to others.
    func prepare(isPublicPlace: Bool) throws(IPCError) {
        do throws(Errno) { try sysMakeDirectory(directory, mode: 0o700) } catch  where error == .fileExists {
            // Looked at below.
        } catch {
            throw failure(error, "mkdir", "it cannot be made\(Self.reason(error))")
        }
        if isPublicPlace { return try verifyOwn() }
        guard let status = try? sysStatus(directory, followLinks: true) else {
            throw failure(.noSuchFileOrDirectory, "stat", "it is a link to nothing")
        }
        guard status.kind == .directory else { throw failure(.notDirectory, "stat", "something else has that name") }
        guard sysMayWrite(directory) else {
            throw failure(
                .permissionDenied, "access",
                "user \(sysEffectiveUserID()) may not make names in it; it belongs to user \(status.user)")
        }
    }

    private func verifyOwn() throws(IPCError) {
        let status: FileStatus
        do throws(Errno) { status = try sysStatus(directory, followLinks: false) } catch {
            throw failure(error, "lstat", "it cannot be looked at")
        }
        guard status.kind == .directory else {
            throw failure(
                .notDirectory, "lstat", "it is a link or a file, which somebody may have put there on purpose")
        }
        guard status.user == sysEffectiveUserID() else {
            throw failure(
                .permissionDenied, "lstat", "it belongs to user \(status.user), who may have made it on purpose")
        }
        guard status.permissions & 0o077 == 0 else {
            throw failure(
                .permissionDenied, "lstat",
                "its mode is 0\(String(status.permissions, radix: 8)), so others may put things there; chmod 700 it")
        }
    }

    func failure(_ errno: Errno, _ call: String, _ what: String) -> IPCError {
        IPCError(
            errno, call, "rendezvous \(directory)",
            hint: "\(what); this directory is used \(origin); $INTERPROCESS_DIR names another")
    }

    static func reason(_ error: Errno) -> String {
        switch error {
        case .noSuchFileOrDirectory: ": the directory above it is not there"
        case .permissionDenied, .notPermitted: ": this user may not make names in the directory above it"
        case .readOnlyFileSystem: ": the file system is read-only"
        default: ""
        }
    }

    // MARK: Listing

    /// The channels of a kind that somebody serves, or has served until he was killed; sorted.
    ///
    /// Names that are not of this library are passed over.
    public func names(of kind: ChannelKind) throws(IPCError) -> [ChannelName] {
        try channels(of: kind).filter { $0.sockets > 0 }.map(\.name)
    }

    /// A directory of a channel.
    package struct Entry: Sendable, Hashable {
        package var name: ChannelName
        /// How many sockets are in it. None: one waits for a publisher there, or was killed while waiting.
        package var sockets: Int
    }

    /// All directories of channels: those with sockets, and those in which nothing is.
    package func channels(of kind: ChannelKind) throws(IPCError) -> [Entry] {
        var found: [Entry] = []
        do throws(Errno) {
            let top = OwnedDescriptor(
                adopting: try sysOpenRealDirectory(directory.appending(kind.directoryName), toRead: true))
            try Self.collect(top, "", &found)
        } catch  where error == .noSuchFileOrDirectory {
            return []
        } catch {
            throw failure(error, "open", "the \(kind.directoryName) in it cannot be listed")
        }
        return found.sorted { $0.name.description < $1.name.description }
    }

    private static func collect(
        _ place: consuming OwnedDescriptor, _ path: String, _ found: inout [Entry]
    ) throws(Errno) {
        var sockets = 0
        var hasOthers = false
        var below: [String] = []
        while let entries = try sysReadDirectory(place.rawValue) {
            for entry in entries {
                let name = String(decoding: entry.name, as: UTF8.self)
                if SocketName.id(of: name) != nil {
                    sockets += 1
                } else if entry.kind == .directory || entry.kind == .unknown {
                    below.append(name)
                } else {
                    hasOthers = true
                }
            }
        }
        if let name = try? ChannelName(path), sockets > 0 || (below.isEmpty && !hasOthers) {
            found.append(Entry(name: name, sockets: sockets))
        }
        for name in below {
            let deeper = path.isEmpty ? name : "\(path)/\(name)"
            // A foreign name, too long, not a directory, gone meanwhile, or not ours to read.
            guard (try? ChannelName(deeper)) != nil,
                let number = try? sysOpenRealDirectory(at: place.rawValue, FilePath(name), toRead: true)
            else { continue }
            try? collect(OwnedDescriptor(adopting: number), deeper, &found)
        }
    }
}
