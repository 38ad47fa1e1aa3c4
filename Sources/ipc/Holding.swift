// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Something is held while a command runs.
enum Holding {
    /// Takes, runs the command, gives back, and ends as the command did.
    ///
    /// Until the command runs every exit code is 100 more than usual, so that a script can tell them apart.
    ///
    /// - Parameter take: returns what gives back.
    static func run(_ command: [String], _ take: () throws -> () throws -> Void) throws -> Never {
        fillStandardDescriptors()
        let give: () throws -> Void
        do { give = try take() } catch { throw neverStarted(error) }
        let status: Int32
        do { status = try Child.hold(command) } catch {
            try? give()
            throw error
        }
        do { try give() } catch {
            // What the command did counts; that there is nothing left to give back to is worth a word.
            Output.note("\(Failure.describe(error)) (when it was given back)")
        }
        Cleaning.exit(status)
    }

    /// Who was started with a standard descriptor closed would get what is held under its number, and COMMAND would inherit it.
    private static func fillStandardDescriptors() {
        let flags = FileDescriptor.AccessMode.readWrite.rawValue
        while let descriptor = try? sysOpen("/dev/null", flags: flags) {
            if descriptor <= 2 { continue }
            try? sysClose(descriptor)
            return
        }
    }

    static func neverStarted(_ error: any Error) -> any Error {
        let failure: Failure
        switch error {
        case let error as Failure: failure = error
        case let error as IPCError: failure = Failure(error)
        case let error as Errno: failure = Failure(error, "ipc")
        default: return error
        }
        return Failure(failure.description, exitCode: failure.exitCode + 100)
    }

    /// What is added to the exit code of a command line that could not even be understood.
    static func addition(_ arguments: [String]) -> Int32 {
        guard let verb = arguments.first, verb == "lock" || verb == "wait" else { return 0 }
        guard let end = arguments.firstIndex(of: "--") else { return 0 }
        return end < arguments.count - 1 ? 100 : 0
    }
}
