// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

/// Names and keys of semaphores that no other test uses; whatever bears one goes with this value.
final class ScratchSemaphores: Sendable {
    private let scratch = ScratchName()
    private let names = Mutex<[ObjectName]>([])
    private let keys = Mutex<[Int32]>([])

    deinit {
        for name in names.withLock({ $0 }) { try? NamedSemaphore.unlink(name) }
        for key in keys.withLock({ $0 }) { TestSyscalls.discardSemaphoreSet(key: key) }
    }

    var directory: FilePath { scratch.directory }

    /// A name that nothing has.
    func name() -> ObjectName {
        let name = scratch.objectName("sem")
        names.withLock { $0.append(name) }
        return name
    }

    /// A key that no set has.
    func key() -> SystemVKey {
        while true {
            let key = 0x5300_0000 | Int32.random(in: 1..<0x0100_0000)
            if TestSyscalls.semaphoreSetExists(key: key) { continue }
            keys.withLock { $0.append(key) }
            return .number(key)
        }
    }

    /// Its name goes with the handle.
    func semaphore(_ value: Int = 0, permissions: FilePermissions = .ownerOnly) throws(IPCError) -> NamedSemaphore {
        try NamedSemaphore(
            scratch.objectName("sem"), mode: .createExclusive, initialValue: value, permissions: permissions,
            removeOnClose: true)
    }
}

/// A set that goes with its handle.
func scratchSet(_ values: [Int] = [0], _ permissions: FilePermissions = .ownerOnly) throws(IPCError)
    -> SystemVSemaphoreSet
{
    try SystemVSemaphoreSet(
        key: .private, mode: .createExclusive, values: values, permissions: permissions, lifetime: .removeOnClose)
}

/// A semaphore in memory that children of a fork share.
func scratchShared(_ value: Int = 0) throws(IPCError) -> SharedSemaphore {
    try SharedSemaphore(initializing: MappedRegion.anonymous(byteCount: 4096), initialValue: value)
}

extension SystemVKey {
    var number: Int32 {
        if case .number(let number) = self { return number }
        return 0
    }
}

/// What several threads or tasks use.
final class Kept<Value: ~Copyable & Sendable>: Sendable {
    let value: Value
    init(_ value: consuming Value) { self.value = value }
}

enum Expect {
    /// Expects that `body` fails with this errno (nil for none) and code.
    static func failure(
        _ errno: Errno?, _ code: IPCError.Code, hint: String = "", at location: SourceLocation = #_sourceLocation,
        _ body: () throws -> Void
    ) {
        let error = #expect(throws: IPCError.self, sourceLocation: location) { try body() }
        guard let error else { return }
        #expect(error.errno == errno, "\(error)", sourceLocation: location)
        #expect(error.code == code, "\(error)", sourceLocation: location)
        if !hint.isEmpty { #expect(error.hint.contains(hint), "\(error)", sourceLocation: location) }
    }

    static func errno(_ errno: Errno, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
        let error = #expect(throws: Errno.self, sourceLocation: location) { try body() }
        #expect(error == errno, sourceLocation: location)
    }

    /// Looks again until it is so; the watchdog of the test bounds it.
    static func eventually(_ condition: () throws -> Bool) rethrows {
        while try !condition() { TestSyscalls.sleep(nanoseconds: 200_000) }
    }

    /// The same where tasks must have a thread to run on meanwhile.
    static func eventually(_ condition: () throws -> Bool) async throws {
        while try !condition() { try await Task.sleep(for: .milliseconds(1)) }
    }
}

/// A thread of its own that runs a body to its end.
final class BlockedThread: Sendable {
    private let id = Atomic<Int32>(0)
    private let done = Flag()
    private let error = Mutex<IPCError?>(nil)

    init(_ body: @escaping @Sendable () throws(IPCError) -> Void) throws {
        try TestSyscalls.startThread("blocked") { [self] in
            id.store(sysThreadID(), ordering: .releasing)
            do throws(IPCError) { try body() } catch { self.error.withLock { $0 = error } }
            done.set()
        }
    }

    /// The thread's place in /proc as it is now.
    var systemCall: String {
        let thread = id.load(ordering: .acquiring)
        return (try? Checkout.text(of: FilePath("/proc/self/task/\(thread)/syscall"))) ?? ""
    }

    func waitUntilBlocked() { Expect.eventually { TestSyscalls.isInSemaphoreCall(systemCall) } }

    var isDone: Bool { done.isSet }

    /// What it failed with, once it is done.
    func outcome() -> IPCError? {
        Expect.eventually { done.isSet }
        return error.withLock { $0 }
    }
}

/// A counter that is added to by reading and writing a file: right only if one at a time does so.
struct FileCounter: Sendable {
    let path: String

    init(_ directory: FilePath) throws {
        path = directory.appending("counter").string
        try Checkout.write("0", to: FilePath(path))
    }

    init(path: String) { self.path = path }

    func add() throws {
        let value = try self.value
        sysYield()
        try Checkout.write("\(value + 1)", to: FilePath(path))
    }

    var value: Int { get throws { Int(try Checkout.text(of: FilePath(path))) ?? -1 } }
}

func signalSelf(_ signal: CInt) throws { try sysSignalProcess(try sysOpenProcess(sysProcessID()), signal) }
