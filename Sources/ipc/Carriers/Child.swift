// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A program that the command starts.
enum Child {
    /// Runs a program with `input` as standard input and `descriptors` as 3, 4, …; returns its exit status.
    static func run(_ command: [String], input: [UInt8], descriptors: [CInt]) throws -> Int32 {
        do throws(Errno) {
            let (reading, writing) = try sysPlainPipe()
            var map: [CInt: CInt] = [0: reading, 1: 1, 2: 2]
            for (index, descriptor) in descriptors.enumerated() { map[CInt(index) + 3] = descriptor }
            let process = try sysSpawn(try find(command[0]), arguments: command, descriptors: map)
            try sysClose(reading)
            for descriptor in descriptors { try sysClose(descriptor) }
            // A child that does not read its input is free to do so.
            try? Output.writeAll(writing, input)
            try sysClose(writing)
            switch try sysWait(process) {
            case .exited(let status)?: return status
            case .signaled(let signal)?: return 128 + signal
            case nil: return 1
            }
        } catch {
            let failure = Failure(error, command[0], hint: "the command could not be started")
            throw Failure(failure.description, exitCode: failure.exitCode + 100)
        }
    }

    /// Runs a program with this one's standard descriptors, and hands it the signals that would end this one.
    ///
    /// Ctrl-C in the terminal reaches both: the program decides what it means, and this process stays until the program has
    /// ended, since it holds something for it. A signal that only this process was sent is passed on.
    static func hold(_ command: [String]) throws -> Int32 {
        do throws(Errno) {
            var map: [CInt: CInt] = [:]
            for number: CInt in 0...2 where (try? sysStatus(number)) != nil { map[number] = number }
            let program = try find(command[0])
            sysBlockTerminationSignals()
            let process = try sysSpawn(program, arguments: command, descriptors: map)
            let isRunning = Shared(true)
            try? sysStartThread(named: "ipc-signals") {
                while true {
                    let (signal, isFromTerminal) = sysAwaitTermination()
                    // Once it was waited for, its number may be somebody else's.
                    isRunning.withLock { running in
                        if running && !isFromTerminal { try? sysKill(process, signal) }
                    }
                }
            }
            try sysAwaitEnd(process)
            isRunning.withLock { $0 = false }
            switch try sysWait(process) {
            case .exited(let status)?: return status
            case .signaled(let signal)?: return 128 + signal
            case nil: return 1
            }
        } catch {
            let failure = Failure(error, command[0], hint: "the command could not be started")
            throw Failure(failure.description, exitCode: failure.exitCode + 100)
        }
    }

    /// The program's file, looked for in PATH as a shell does.
    static func find(_ name: String) throws(Errno) -> FilePath {
        if name.contains("/") { return FilePath(name) }
        var refused = false
        for directory in (sysEnvironmentVariable("PATH") ?? "/usr/bin:/bin").split(
            separator: ":", omittingEmptySubsequences: false)
        {
            let path = FilePath((directory.isEmpty ? "." : String(directory)) + "/" + name)
            guard let status = try? sysStatus(path, followLinks: true), status.kind == .regular else { continue }
            if status.permissions & 0o111 != 0 { return path }
            refused = true
        }
        throw refused ? .permissionDenied : .noSuchFileOrDirectory
    }
}
