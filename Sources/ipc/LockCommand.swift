// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls
import SystemPackage

struct LockCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock", abstract: "Hold a lock on a file while COMMAND runs.",
        discussion: """
            The lock is one of the open file (F_OFD_SETLK), exclusive and on all of the
            file unless told otherwise; the file is made if it is not there (0600). ipc
            holds it and COMMAND does not inherit it: when ipc is killed the lock is
            free, even if COMMAND lives on. It ends as COMMAND does; if COMMAND was never
            started the exit code is 100 more than usual: 104 is timed out.

            Programs that use fcntl(2) or lockf(3) respect it; flock(1) does not: its
            locks are of another family.

            Examples:
              ipc lock file:/tmp/ledger -- append.sh
              ipc lock file:/tmp/ledger --shared --timeout 5s -- cat /tmp/ledger
              ipc lock file:/tmp/ledger --range 0-99 --no-wait -- true
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Flag(help: "Others may hold it shared as well.")
    var shared = false

    @Option(
        help: ArgumentHelp("Only these bytes, both ends included; A- is from A on.", valueName: "a-b"))
    var range: String?

    @OptionGroup var wait: WaitOptions

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What runs while it is held.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        guard address.kind == .file else {
            throw ValidationError("lock is for file; a \(address.kind.title) has no locks (wait is for semaphores)")
        }
        if command.isEmpty { throw ValidationError("lock wants a command: ipc lock \(address) -- COMMAND …") }
        _ = try bytes()
    }

    private func bytes() throws -> FileLock.ByteRange {
        guard let range else { return .whole }
        let ends = range.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int(ends[0]), first >= 0, !ends[0].hasPrefix("+") else {
            throw ValidationError("--range is A-B, two numbers of bytes, such as 0-99")
        }
        if ends[1].isEmpty { return FileLock.ByteRange(startBytes: first, countBytes: 0) }
        guard let last = Int(ends[1]), !ends[1].hasPrefix("+") else {
            throw ValidationError("--range is A-B, two numbers of bytes, such as 0-99")
        }
        guard last >= first else { throw ValidationError("--range \(range): it ends before it begins") }
        // The last byte that a file can have counts as its end.
        return FileLock.ByteRange(startBytes: first, countBytes: last == Int.max ? 0 : last - first + 1)
    }

    func run() throws {
        try Holding.run(command) {
            let holder = try FileHold(address, shared: shared)
            try holder.take(try bytes(), until: wait.deadline, noWait: wait.noWait)
            return { try holder.give() }
        }
    }
}

/// A lock that this process holds.
final class FileHold {
    private let address: Address
    private let lock: FileLock
    private let strength: FileLock.Strength

    init(_ address: Address, shared: Bool) throws {
        guard case .path(let path) = address.name else { throw Failure.unfit(address, "that is no path") }
        self.address = address
        strength = shared ? .shared : .exclusive
        lock = try Self.open(path, shared: shared)
    }

    /// A shared lock needs no more than reading.
    private static func open(_ path: FilePath, shared: Bool) throws(IPCError) -> FileLock {
        do throws(IPCError) { return try FileLock(path) } catch {
            guard shared, error.code == .permissionDenied || error.errno == .readOnlyFileSystem else { throw error }
        }
        return try FileLock(path, mode: .openExisting, access: .readOnly)
    }

    func take(_ range: FileLock.ByteRange, until deadline: Deadline, noWait: Bool) throws {
        if noWait {
            if try lock.tryLock(strength, range) { return }
            throw IPCError(.resourceTemporarilyUnavailable, "fcntl", "\(address)", hint: holders())
        }
        if deadline == .never { return try lock.lock(strength, range) }
        do throws(IPCError) { try lock.lock(strength, range, until: deadline) } catch {
            var error = error
            if error.code == .timedOut { error.hint = holders() }
            throw error
        }
    }

    func give() throws { try lock.unlock() }

    private func holders() -> String {
        let holders = ((try? lock.holders()) ?? []).map { "\($0)" }
        return holders.isEmpty ? "another process holds a lock" : "held " + holders.joined(separator: ", ")
    }
}
