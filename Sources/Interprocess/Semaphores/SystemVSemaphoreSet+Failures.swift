// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension SystemVSemaphoreCore {
    /// Why a group of operations failed.
    func failure(_ error: Errno, _ operations: [Operation]) -> IPCError {
        func limited(_ hint: String) -> IPCError {
            IPCError(code: .limitReached, call: "semop", errno: error, subject: subject, hint: hint)
        }
        switch error {
        case .wouldBlock:
            return IPCError(error, "semop", subject, hint: "an operation that is not to wait would have to")
        case .argListTooLong:
            let most = SystemVSemaphoreLimits.current.map { "\($0.operationsPerGroup)" } ?? "fewer"
            return limited(
                "the group has \(operations.count) operations; kernel.sem allows \(most) (SEMOPM), half of it to wait with await"
            )
        case .outOfRange:
            return limited(
                "a value would exceed \(SystemVSemaphoreSet.maximumValue) (SEMVMX), or what is to be undone would")
        case .noSpace, .noMemory: return limited("the kernel has no room to note what is to be undone")
        case .fileTooLarge:
            let number = operations.map(\.number).max() ?? 0
            return IPCError(
                code: .invalidArgument, call: "semop", errno: error, subject: subject,
                hint: "there is no semaphore \(number): the set has \(count), from 0")
        case .invalidArgument where operations.isEmpty:
            return IPCError(error, "semop", subject, hint: "a group has one operation at least")
        default: return failure(error, "semop")
        }
    }

    /// Why one operation failed, out of the way of those that do not.
    @inline(never)
    func failure(_ error: CInt, _ operation: Operation) -> IPCError { failure(Errno(rawValue: error), [operation]) }

    /// What is common to all calls: the set is gone, or it is somebody else's.
    func failure(_ error: Errno, _ call: String) -> IPCError {
        switch error {
        case .identifierRemoved:
            return IPCError(error, call, subject, hint: "the set was removed while this call used it")
        case .invalidArgument where isGone:
            return IPCError(
                code: .removed, call: call, errno: error, subject: subject,
                hint: "the set was removed after it had been opened")
        case .permissionDenied:
            return IPCError(
                error, call, subject, hint: "the set's owner and mode do not allow this to user \(sysEffectiveUserID())"
            )
        default:
            return IPCError(error, call, subject)
        }
    }

    private var isGone: Bool {
        do throws(Errno) { _ = try sysSemaphoreSetState(id) } catch {
            return error == .invalidArgument || error == .identifierRemoved
        }
        return false
    }

    func late() -> IPCError { IPCError(.timedOut, "semtimedop", subject, hint: "the group could not be done in time") }

    func cancelled() -> IPCError {
        IPCError(code: .cancelled, call: "semop", subject: subject, hint: "the waiting task was cancelled")
    }

    /// What a waiter thread failed with, in this object's own words.
    func refined(_ error: IPCError, _ operations: [Operation]) -> IPCError {
        switch error.code {
        case .timedOut: late()
        case .cancelled: cancelled()
        case .tooManyWaiters, .badDescriptor, .busy, .interrupted: error
        default: error.call == "semop" ? error.errno.map { failure($0, operations) } ?? error : error
        }
    }

    /// Why a semctl(2) failed that only owners may do.
    func changeFailure(_ error: Errno) -> IPCError {
        if error == .notPermitted {
            return IPCError(error, "semctl", subject, hint: "only the set's owner, its creator and the superuser may")
        }
        return failure(error, "semctl")
    }
}
