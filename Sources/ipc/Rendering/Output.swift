// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// The command's own standard output and error.
///
/// A reader of standard output that has gone away (`ipc list | head -1`) ends the command quietly: nobody
/// is left to whom anything could be said.
enum Output {
    static let inputIsTerminal = sysIsTerminal(0)
    static let isTerminal = sysIsTerminal(1)
    static let errorIsTerminal = sysIsTerminal(2)
    /// Columns of the terminal, for cutting lines; nil off a terminal.
    static var columns: Int? { sysTerminalColumns(1) }

    static func line(_ text: String) { write(Array((text + "\n").utf8)) }

    /// Writes all of `bytes` at once; nothing is kept back in a buffer.
    static func write(_ bytes: [UInt8]) {
        do throws(Errno) { try writeAll(1, bytes) } catch {
            if error == .brokenPipe { Cleaning.exit(0) }
            note("standard output: \(error) (\(Failure.name(of: error)))")
            Cleaning.exit(1)
        }
    }

    /// A line on standard error; nothing to be done if that fails.
    static func note(_ text: String) { try? writeAll(2, Array(("ipc: " + text + "\n").utf8)) }

    /// Text on standard error as it is.
    static func error(_ text: String) { try? writeAll(2, Array(text.utf8)) }

    static func writeAll(_ descriptor: CInt, _ bytes: [UInt8]) throws(Errno) {
        var start = 0
        while start < bytes.count {
            do throws(Errno) {
                start += try sysWrite(descriptor, bytes.span.extracting(start..<bytes.count))
            } catch  where error == .wouldBlock {
                // Somebody made the terminal non-blocking for all who share it.
                try waitWritable(descriptor)
            }
        }
    }

    private static func waitWritable(_ descriptor: CInt) throws(Errno) {
        _ = try sysPollOne(descriptor, writing: true, untilNanoseconds: .max)
    }
}

/// What must not outlive the command: socket paths that it bound, and what the tour made.
///
/// It is removed when the command ends by itself, and when SIGINT, SIGTERM or SIGHUP ends it.
enum Cleaning {
    private static let duties = Shared<[@Sendable () -> Void]>([])
    private static let making = Shared(0)

    /// Something is being made that will have to be removed: a signal waits until ``made()``, or it would come between the
    /// making and the noting, and what was made would stay.
    static func willMake() { making.withLock { $0 += 1 } }

    static func made() { making.withLock { $0 -= 1 } }

    /// Two seconds at most: making that hangs shall not outlast a signal.
    private static func waitUntilMade() {
        let pause = ThreadGate()
        for _ in 0..<1000 where making.withLock({ $0 > 0 }) {
            _ = pause.pass(untilNanoseconds: sysMonotonicNanoseconds() + 2_000_000)
        }
    }

    /// From now on `path` is removed at the end, if it is still the object that it is now.
    static func add(_ path: FilePath) {
        guard let status = try? sysStatus(path) else { return }
        let (device, inode) = (status.device, status.inode)
        add {
            guard let now = try? sysStatus(path), now.device == device, now.inode == inode else { return }
            try? sysUnlink(path)
        }
    }

    /// Makes a directory for what has a path; it is removed at the end with all that is in it.
    static func make(_ directory: FilePath) throws {
        do throws(Errno) { try sysMakeDirectory(directory, mode: 0o700) } catch {
            throw Failure(error, "\(directory)", hint: "a directory is needed for what has a path; set TMPDIR")
        }
        add { remove(directory) }
    }

    private static func remove(_ directory: FilePath) {
        guard let number = try? sysOpenRealDirectory(directory, toRead: true) else { return }
        let place = OwnedDescriptor(adopting: number)
        while let entries = try? sysReadDirectory(place.rawValue) {
            for entry in entries {
                let path = directory.appending(String(decoding: entry.name, as: UTF8.self))
                if entry.kind == .directory { remove(path) } else { try? sysUnlink(path) }
            }
        }
        try? sysRemoveDirectory(directory)
    }

    /// `duty` is done at the end.
    static func add(_ duty: @escaping @Sendable () -> Void) { duties.withLock { $0.append(duty) } }

    /// Does what is to be done, last first.
    static func run() {
        let all = duties.withLock { duties in
            defer { duties = [] }
            return duties
        }
        for duty in all.reversed() { duty() }
    }

    static func exit(_ status: Int32) -> Never {
        run()
        sysExit(status)
    }

    /// Makes SIGINT, SIGTERM and SIGHUP clean before they end the process. Call before other threads start.
    static func onSignals() {
        sysBlockTerminationSignals()
        try? sysStartThread(named: "ipc-signals") {
            let signal = sysAwaitTerminationSignal()
            waitUntilMade()
            run()
            sysDie(of: signal)
        }
    }
}
