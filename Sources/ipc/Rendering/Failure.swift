// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// How the command ends when it does not succeed: a sentence for a person and an exit code for a script.
///
/// 0 done · 1 failed · 2 partial view · 3 no such object · 4 would block or timed out · 5 permission denied ·
/// 6 exists already · 7 the other side is gone · 64 usage.
struct Failure: Error, CustomStringConvertible {
    var description: String
    var exitCode: Int32

    init(_ description: String, exitCode: Int32 = 1) {
        self.description = description
        self.exitCode = exitCode
    }

    /// The command line asks for what cannot be.
    static func usage(_ description: String) -> Failure { Failure(description, exitCode: 64) }

    /// The sentence that says this verb cannot be used on this kind, with what can be done instead.
    static func unfit(_ address: Address, _ sentence: String) -> Failure { usage("\(address): \(sentence)") }

    init(_ error: IPCError) {
        let cause = Failure.words(for: error)
        var text = "\(error.subject): \(cause)"
        let hint = Failure.hint(of: error)
        if !hint.isEmpty { text += ": \(hint)" }
        self.init(text, exitCode: Failure.exitCode(for: error))
    }

    init(_ errno: Errno, _ subject: String, hint: String = "") {
        self.init(IPCError(errno, "", subject, hint: hint))
    }

    /// Any error in a sentence.
    static func describe(_ error: any Error) -> String {
        if let error = error as? IPCError { return Failure(error).description }
        if let errno = error as? Errno { return "\(errno) (\(errno.symbolicName))" }
        return "\(error)"
    }

    static func name(of errno: Errno) -> String { errno.symbolicName }

    private static func words(for error: IPCError) -> String {
        guard let errno = error.errno else { return error.code.description }
        let words =
            switch errno {
            case .resourceTemporarilyUnavailable where error.subject.hasPrefix("mq:"):
                error.call.contains("receive") ? "the queue is empty" : "the queue is full"
            case .noMessage: "no message there"
            case .timedOut: "nothing happened in the time allowed"
            case .noSuchAddressOrDevice where error.subject.hasPrefix("fifo:"): "nobody reads it"
            case .fileExists: "exists already"
            case .noSuchFileOrDirectory: "no such object"
            case .permissionDenied, .notPermitted: "permission denied"
            case .identifierRemoved: "it was removed"
            case .brokenPipe, .connectionReset: "the other side is gone"
            case .connectionRefused: "nobody listens there"
            case .messageTooLong, .argListTooLong: "the message is too large"
            case .addressInUse: "the address is in use"
            default: error.code == .system || error.code == .invalidArgument ? "\(errno)" : error.code.description
            }
        return "\(words) (\(errno.symbolicName))"
    }

    /// The library's hints name its own options where it has some; these name the command's.
    private static func hint(of error: IPCError) -> String {
        guard error.hint.contains(".openOrCreate") || error.hint.contains(".createExclusive") else { return error.hint }
        switch error.code {
        case .notFound where error.subject.contains(":id="):
            return "ids are given by the kernel; ipc list shows them"
        case .notFound: return "make it with: ipc create \(error.subject)"
        case .alreadyExists: return "without --exclusive it would be opened as it is"
        default: return error.hint
        }
    }

    /// The table of the contract, from errno first; the code decides where no call was made.
    static func exitCode(for error: IPCError) -> Int32 {
        if error.code == .removed { return 7 }
        // An id that is no queue's is EINVAL to the kernel, and no such object to everybody else.
        if error.code == .notFound, error.errno == .invalidArgument { return 3 }
        switch error.errno {
        case .noSuchFileOrDirectory?, .noSuchProcess?: return 3
        case .resourceTemporarilyUnavailable?, .noMessage?, .timedOut?, .noSuchAddressOrDevice?: return 4
        case .permissionDenied?, .notPermitted?: return 5
        case .fileExists?: return 6
        case .identifierRemoved?, .brokenPipe?, .connectionReset?, .connectionRefused?: return 7
        case .some: return 1
        case nil: break
        }
        switch error.code {
        case .notFound: return 3
        case .wouldBlock, .timedOut: return 4
        case .permissionDenied: return 5
        case .alreadyExists: return 6
        case .disconnected, .noPeer, .evicted: return 7
        default: return 1
        }
    }
}
