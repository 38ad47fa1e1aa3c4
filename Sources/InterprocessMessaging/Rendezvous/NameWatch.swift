// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// Tells of new names in directories: one inotify descriptor for the whole process, since a user may have few of them.
///
/// News is a hint, never the truth: whoever is told looks into the directory. So events that the kernel merged or dropped
/// (its queue is bounded) cost nothing but a look.
final class NameWatch: Sendable {
    private struct State {
        /// The kernel's number → who is told, by token. The kernel gives one number to all watches of a directory.
        var listeners: [CInt: [Int: @Sendable () -> Void]] = [:]
        var numbers: [Int: CInt] = [:]
        var next = 0
    }

    private let descriptor: AwaitableDescriptor
    private let state = Mutex(State())

    init() throws(IPCError) {
        do throws(Errno) { descriptor = AwaitableDescriptor(OwnedDescriptor(adopting: try sysMakeNameWatch())) } catch {
            throw IPCError(
                error, "inotify_init1", "messaging",
                hint: "one descriptor of this kind serves the whole process; see fs.inotify.max_user_instances")
        }
    }

    /// Calls `ring` on the attendant's thread whenever a name may have come, and when the directory goes.
    ///
    /// - Returns: for ``remove(_:)``.
    /// - Throws: `IPCError.Code.limitReached` (ENOSPC): `fs.inotify.max_user_watches`.
    func add(_ directory: ChannelDirectory, _ ring: @escaping @Sendable () -> Void) throws(IPCError) -> Int {
        // The lock is held meanwhile, so no event is delivered before its listener is known.
        try state.withLock { (state) throws(IPCError) in
            let number: CInt
            do throws(Errno) { number = try watch(directory) } catch {
                throw IPCError(
                    error, "inotify_add_watch", directory.subject,
                    hint: "\(directory.path) cannot be watched; see fs.inotify.max_user_watches")
            }
            state.next += 1
            state.listeners[number, default: [:]][state.next] = ring
            state.numbers[state.next] = number
            return state.next
        }
    }

    private func watch(_ directory: ChannelDirectory) throws(Errno) -> CInt {
        do throws(Errno) {
            return try sysWatchNames(descriptor.rawValue, FilePath("/proc/self/fd/\(directory.rawValue)"))
        } catch  where error == .noSuchFileOrDirectory {
            // No /proc.
            return try sysWatchNames(descriptor.rawValue, directory.path)
        }
    }

    /// False once its directory is gone.
    func isAlive(_ token: Int) -> Bool { state.withLock { $0.numbers[token] != nil } }

    func remove(_ token: Int) {
        state.withLock { state in
            guard let number = state.numbers.removeValue(forKey: token) else { return }
            state.listeners[number]?[token] = nil
            if state.listeners[number]?.isEmpty == true {
                state.listeners[number] = nil
                try? sysUnwatchNames(descriptor.rawValue, number)
            }
        }
    }

    /// Reads news for as long as the process lives.
    func run() async {
        while true {
            do throws(IPCError) {
                let news = try await descriptor.attempt(.readable, call: "read", "inotify") {
                    () throws(IPCError) -> NameNews? in
                    do throws(Errno) { return try sysReadNameNews(descriptor.rawValue) } catch {
                        throw IPCError(error, "read", "inotify")
                    }
                }
                deliver(news)
            } catch {
                return
            }
        }
    }

    /// Passes news on. A test says here that the queue has overflowed.
    func deliver(_ news: NameNews) {
        let rings = state.withLock { state -> [@Sendable () -> Void] in
            let rings =
                news.overflowed
                ? state.listeners.values.flatMap(\.values)
                : news.watches.flatMap { state.listeners[$0].map { Array($0.values) } ?? [] }
            for number in news.ended {
                for token in state.listeners.removeValue(forKey: number)?.keys ?? [:].keys {
                    state.numbers[token] = nil
                }
            }
            return rings
        }
        for ring in rings { ring() }
    }
}
