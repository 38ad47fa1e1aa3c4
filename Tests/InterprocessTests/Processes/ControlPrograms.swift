// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

/// C programs that are compiled once and controlled by the tests; they know nothing of it.
final class ControlledProgram: Sendable {
    let scratch = ScratchName()
    let path: FilePath
    let symbols: [String: UInt64]

    /// Statically placed, so that the addresses of its functions are those of `nm`.
    init(_ source: String) throws {
        let (file, program) = (scratch.path("source"), scratch.path("program"))
        try Checkout.write("#define _GNU_SOURCE\n" + source, to: file)
        let outcome = try Peer([
            "gcc", "-x", "c", "-O1", "-no-pie", "-fno-inline", "-fno-stack-protector", "-pthread", "-o", program.string,
            file.string,
        ]).finish()
        guard outcome.status == .exited(0) else {
            throw IPCError(code: .system, subject: "gcc", hint: outcome.errorText)
        }
        path = program
        var found: [String: UInt64] = [:]
        for line in try Peer(["nm", program.string]).finish().text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 3, let address = UInt64(words[0], radix: 16) { found[String(words[2])] = address }
        }
        symbols = found
    }

    func address(of name: String) throws -> UInt64 { try #require(symbols[name], "no symbol \(name)") }

    /// Many programs in one: the first argument says which.
    static let shared: ControlledProgram = {
        do { return try ControlledProgram(source) } catch { fatalError("\(error)") }
    }()

    private static let source = """
        #include <errno.h>
        #include <pthread.h>
        #include <sched.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/ptrace.h>
        #include <sys/wait.h>
        #include <unistd.h>

        volatile long counter, handled, other;
        const char constant[] = "a constant";
        char variable[8192] = "a variable";
        char *volatile nowhere;

        void tick(long by) { counter += by; }
        void done(void) { __asm__ volatile("nop"); }
        long last_code, last_value;
        void on_signal(int number, siginfo_t *info, void *context) {
            handled++; last_code = info->si_code; last_value = info->si_value.sival_int;
        }
        void on_fault(int number, siginfo_t *info, void *context) { handled++; nowhere = variable; _exit(40 + number); }
        void handle(int number, void (*handler)(int, siginfo_t *, void *)) {
            struct sigaction action; memset(&action, 0, sizeof action);
            action.sa_sigaction = handler; action.sa_flags = SA_SIGINFO | SA_RESTART; sigaction(number, &action, 0);
        }
        void *hammer(void *argument) { for (long i = 0; i < (long)argument; i++) tick(1); return 0; }
        void *hammer_atomic(void *argument) {
            for (long i = 0; i < (long)argument; i++) { tick(0); __atomic_fetch_add(&other, 1, __ATOMIC_RELAXED); }
            return 0;
        }
        void *sleeper(void *argument) { while (1) pause(); }
        void *executor(void *argument) {
            char text[4096], *word; int traced = 0;
            while (!traced) {
                FILE *status = fopen("/proc/self/status", "r"); size_t n = fread(text, 1, sizeof text - 1, status); fclose(status);
                text[n] = 0; traced = (word = strstr(text, "TracerPid:")) && atoi(word + 10); usleep(20000);
            }
            execl(argument, argument, "loop", NULL); return 0;
        }
        void ready(void) { write(1, "ready\\n", 6); }
        void await(void) { char byte; while (read(0, &byte, 1) < 0 && errno == EINTR) {} }

        int main(int count, char **words) {
            const char *what = words[1];
            long number = count > 2 ? atol(words[2]) : 0;
            setvbuf(stdout, 0, _IOLBF, 0);
            alarm(90);  // whatever becomes of the test, this ends
            if (!strcmp(what, "exit")) return number;
            if (!strcmp(what, "ticks")) { for (long i = 0; i < number; i++) tick(1); done(); return counter == number ? 0 : 1; }
            if (!strcmp(what, "wait")) { ready(); await(); return 7; }
            if (!strcmp(what, "loop")) { ready(); while (1) tick(1); }
            if (!strcmp(what, "beat")) { handle(SIGUSR1, on_signal); ready(); char c; while (read(0, &c, 1) == 1) { tick(1); printf("%ld %ld\\n", counter, handled); } return 0; }
            if (!strcmp(what, "fault")) { done(); *nowhere = 1; return 1; }
            if (!strcmp(what, "caught")) { handle(SIGSEGV, on_fault); *nowhere = 1; return 1; }
            if (!strcmp(what, "trap")) { __asm__ volatile("int3"); return 3; }
            if (!strcmp(what, "raise")) { handle(SIGUSR1, on_signal); raise(SIGUSR1); raise(SIGUSR1); return handled; }
            if (!strcmp(what, "queue")) {
                handle(SIGRTMIN, on_signal);
                for (long i = 0; i < number; i++) { union sigval v = { .sival_int = i }; sigqueue(getpid(), SIGRTMIN, v); }
                return handled == number ? 0 : 1;
            }
            if (!strcmp(what, "fork")) { pid_t c = fork(); if (!c) { tick(1); _exit(5); } int s; waitpid(c, &s, 0); tick(1); return WIFEXITED(s) ? WEXITSTATUS(s) : 100 + WTERMSIG(s); }
            if (!strcmp(what, "vfork")) { pid_t c = vfork(); if (!c) { tick(1); execl(words[0], words[0], "exit", "6", NULL); _exit(9); } int s; waitpid(c, &s, 0); tick(1); return WIFEXITED(s) ? WEXITSTATUS(s) : 100 + WTERMSIG(s); }
            if (!strcmp(what, "exec")) { pthread_t t; pthread_create(&t, 0, sleeper, 0); execl(words[0], words[0], "ticks", "3", NULL); return 9; }
            if (!strcmp(what, "threads")) {
                pthread_t t[4]; for (int i = 0; i < 4; i++) pthread_create(t + i, 0, hammer_atomic, (void *)number);
                for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
                done(); return other == 4 * number ? 0 : 1;
            }
            if (!strcmp(what, "sleepers")) { pthread_t t; for (int i = 0; i < number; i++) pthread_create(&t, 0, sleeper, 0); ready(); await(); return 8; }
            if (!strcmp(what, "churn")) { for (long i = 0; i < number; i++) { pthread_t t; pthread_create(&t, 0, hammer, (void *)3); pthread_join(t, 0); pid_t c = fork(); if (!c) _exit(0); waitpid(c, 0, 0); } return 0; }
            if (!strcmp(what, "threadexec")) { pthread_t t; pthread_create(&t, 0, executor, words[0]); ready(); while (1) pause(); }
            if (!strcmp(what, "leader")) { pthread_t t; pthread_create(&t, 0, sleeper, 0); ready(); pthread_exit(0); }
            if (!strcmp(what, "traceme")) { long r = ptrace(PTRACE_TRACEME, 0, 0, 0); return r == 0 ? 0 : errno; }
            if (!strcmp(what, "stopself")) { raise(SIGSTOP); puts("on"); return 0; }
            return 99;
        }
        """
}

/// What a controlled program told, to its end.
struct ControlRun {
    var events: [TraceEvent] = []
    var kinds: [TraceEvent.Kind] { events.map(\.kind) }
    var ending: TraceEvent.Ending? {
        for event in events.reversed() {
            if case .ended(let ending) = event.kind, event.process == events.first?.process { return ending }
        }
        return nil
    }

    func count(_ isWanted: (TraceEvent.Kind) -> Bool) -> Int { events.filter { isWanted($0.kind) }.count }
    var breakpoints: [UInt64] {
        events.compactMap { if case .breakpoint(let address) = $0.kind { address } else { nil } }
    }
}

extension ProcessControl {
    /// Answers every event with "go on", to the end.
    func runToEnd(_ each: (TraceEvent) throws -> Answer = { _ in .goOn }) throws -> ControlRun {
        var run = ControlRun()
        while let event = try nextEvent(until: .after(.seconds(60))) {
            run.events.append(event)
            let answer = try each(event)
            guard event.wantsAnswer, let resumption = answer.resumption else { continue }
            try resume(event, resumption, delivering: answer.delivery)
        }
        return run
    }
}

func startControlled(
    _ words: String..., options: ProcessControl.Options = .init()
) throws -> ProcessControl {
    let path = ControlledProgram.shared.path
    return try ProcessControl.spawn(path, arguments: [path.string] + words, options: options)
}

func startPeer(_ words: String...) throws -> Peer { try Peer([ControlledProgram.shared.path.string] + words) }

func expectControlFailure(
    _ errno: Errno?, _ code: IPCError.Code, hint: String = "", location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: IPCError.self, sourceLocation: location) { try body() }
    #expect(error?.errno == errno && error?.code == code, "\(error as Any)", sourceLocation: location)
    if !hint.isEmpty { #expect(error?.hint.contains(hint) == true, "\(error as Any)", sourceLocation: location) }
}
