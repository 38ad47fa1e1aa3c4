// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Changes the masks of all threads of the process.
///
/// A thread can change its own mask only, so the others are asked, by a real-time signal whose handler writes the wanted
/// bits into the mask that the kernel restores when it returns. glibc makes setuid(2) hold for all threads in the same way.
/// That it happened is read from `/proc/self/task`, and is done twice in a row without finding
/// anything to ask for: so no thread has slipped in that was started by one that did not block yet.
enum SignalBlocking {
    /// One thread as `/proc` shows it.
    struct ThreadMask: Sendable {
        var thread: Int32
        var name: String
        var blocked: UInt64
        /// It waits in sigsuspend(2): while it does, its mask is what it gave there, and what is asked of it lasts until it returns.
        var isSuspended: Bool
    }

    /// How long threads have to answer.
    private static let patience = Duration.seconds(2)

    /// Blocks `signals` in all threads; returns which threads blocked which of them already.
    ///
    /// - Throws: `.busy`, naming the threads that neither block them nor take the request.
    static func block(_ signals: SignalSet, carrier: Signal) throws(IPCError) -> [Signal: Set<Int32>] {
        var already: [Signal: Set<Int32>] = [:]
        let deadline = Deadline.after(patience)
        var known: Set<Int32> = []
        var quietRounds = 0
        var pause: UInt64 = 20_000
        while quietRounds < 2 {
            let threads = try masks()
            for each in threads where known.insert(each.thread).inserted {
                // A thread that is in sigsuspend(2) has opened its mask for that time only.
                for signal in signals.signals where each.blocked & signal.bit != 0 || each.isSuspended {
                    already[signal, default: []].insert(each.thread)
                }
            }
            // The handler serves those that wait in sigsuspend(2).
            let open = threads.filter { signals.bits & ~$0.blocked != 0 && !$0.isSuspended }
            if open.isEmpty {
                quietRounds += 1
                continue
            }
            quietRounds = 0
            for each in open { try ask(each, signals, carrier, block: true) }
            let deaf = open.filter { $0.blocked & carrier.bit != 0 }
            if deadline.hasPassed || deaf.count == open.count && !deaf.isEmpty && pause > 500_000 {
                throw IPCError(
                    code: .busy, subject: "signals \(signals)",
                    hint: open.map { "thread \($0.thread) (\($0.name))" }.joined(separator: ", ")
                        + (open.count == 1 ? " does" : " do")
                        + " not block \(signals) and \(deaf.isEmpty ? "did not answer" : "block \(carrier), by which it is asked to"); "
                        + "block them there, or before any thread is started")
            }
            sysSleep(nanoseconds: pause)
            pause = min(pause * 2, 2_000_000)
        }
        return already
    }

    /// Unblocks them again in all threads that take the request, but not where they were blocked before.
    static func unblock(_ signals: SignalSet, except: [Signal: Set<Int32>], carrier: Signal) {
        guard let threads = try? masks() else { return }
        for each in threads where !each.isSuspended && each.blocked & carrier.bit == 0 {
            let wanted = SignalSet(
                signals.signals.filter { each.blocked & $0.bit != 0 && except[$0]?.contains(each.thread) != true })
            if !wanted.isEmpty { try? ask(each, wanted, carrier, block: false) }
        }
    }

    private static func ask(_ each: ThreadMask, _ signals: SignalSet, _ carrier: Signal, block: Bool) throws(IPCError) {
        if each.thread == sysThreadID() {
            if block { sysBlockSignals(signals.bits) } else { sysUnblockSignals(signals.bits) }
            return
        }
        if each.blocked & carrier.bit != 0 { return }
        do throws(Errno) {
            try sysAskForMask(each.thread, carrier: carrier.number, signals.bits, block: block)
        } catch  where error == .noSuchProcess {
            return
        } catch {
            throw Signal.sendFailure(error, "rt_tgsigqueueinfo", carrier, "thread \(each.thread) (\(each.name))")
        }
    }

    /// Whether a thread is in sigsuspend(2).
    static func isSuspended(_ thread: Int32) -> Bool {
        let call = (try? sysProcFile(FilePath("/proc/self/task/\(thread)/syscall"))) ?? ""
        return call.hasPrefix("\(sysSuspendNumber) ")
    }

    /// All threads of the process that still run.
    static func masks() throws(IPCError) -> [ThreadMask] {
        let threads: [Int32]
        do throws(Errno) { threads = try sysThreads(of: "self") } catch {
            throw IPCError(error, "getdents64", "/proc/self/task", hint: "the masks of threads are read from /proc")
        }
        return threads.compactMap { thread in
            guard let text = try? sysProcFile(FilePath("/proc/self/task/\(thread)/status")) else { return nil }
            var (name, blocked, ended) = ("", UInt64.max, false)
            for line in text.split(separator: "\n") {
                if line.hasPrefix("Name:\t") { name = String(line.dropFirst(6)) }
                if line.hasPrefix("State:\t") { ended = line.dropFirst(7).first.map { "ZX".contains($0) } ?? false }
                if line.hasPrefix("SigBlk:\t") { blocked = UInt64(line.dropFirst(8), radix: 16) ?? 0 }
            }
            if ended { return nil }
            return ThreadMask(
                thread: thread, name: name, blocked: blocked, isSuspended: isSuspended(thread))
        }
    }
}
