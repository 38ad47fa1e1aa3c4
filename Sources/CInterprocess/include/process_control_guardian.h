// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_PROCESS_CONTROL_GUARDIAN_H
#define CINTERPROCESS_PROCESS_CONTROL_GUARDIAN_H

#include "process_control.h"
#include <elf.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

// The guardian: a process that makes the calls of ptrace(2) in the name of another, and that takes the breakpoints out
// when the other dies. It is C, and the one place with logic in it, because it is a copy of one thread of a process that
// had many: whatever a lock of the others protects (the heap, Swift's own tables) must not be touched. It makes system
// calls and uses memory of its own, nothing else (decision 40).

enum { CIP_GUARDIAN_PLAIN = 1, CIP_GUARDIAN_EXCHANGE, CIP_GUARDIAN_SET, CIP_GUARDIAN_WAIT, CIP_GUARDIAN_TRY_WAIT };

struct cip_guardian_message {
    int32_t kind, request, thread, error;
    uint64_t address, data;
    int64_t result;
    uint32_t count, status;
    uint8_t payload[512];
};

/// A breakpoint, in memory that both processes have.
struct cip_guardian_note {
    uint64_t address, word;
    int32_t process, is_set;
};

struct cip_guardian_tracee {
    int32_t thread, status;
    uint8_t is_stopped, is_exiting, is_in_vfork;
};

struct cip_guardian {
    int socket, news;
    struct cip_guardian_note *notes;
    int note_count, count;
    struct cip_guardian_tracee tracees[8192];
};

static inline struct cip_guardian_tracee *cip_guardian_find(struct cip_guardian *own, pid_t thread, int add) {
    for (int index = 0; index < own->count; index++) {
        if (own->tracees[index].thread == thread) return own->tracees + index;
    }
    if (!add || own->count == 8192) return NULL;
    struct cip_guardian_tracee fresh = { .thread = thread };
    own->tracees[own->count] = fresh;
    return own->tracees + own->count++;
}

/// Of a process that executes a program one thread is left, under the number of the process. Nothing is heard any more of the
/// number that it had before: who waited for that would wait for ever.
static inline void cip_guardian_executed(struct cip_guardian *own, struct cip_guardian_tracee *tracee) {
    unsigned long former = 0;
    tracee->is_exiting = 0;
    if (cip_ptrace_buffer(CIP_PTRACE_GETEVENTMSG, tracee->thread, 0, &former) < 0) return;
    if ((pid_t)former == tracee->thread) return;
    struct cip_guardian_tracee *gone = cip_guardian_find(own, (pid_t)former, 0);
    if (gone) *gone = own->tracees[--own->count];
}

static inline void cip_guardian_saw(struct cip_guardian *own, pid_t thread, int status) {
    struct cip_guardian_tracee *tracee = cip_guardian_find(own, thread, !(WIFEXITED(status) || WIFSIGNALED(status)));
    if (!tracee) return;
    if (!WIFSTOPPED(status)) {
        *tracee = own->tracees[--own->count];
        return;
    }
    tracee->status = status;
    tracee->is_stopped = 1;
    if (status >> 16 == 2) tracee->is_in_vfork = 1;
    if (status >> 16 == 4 || status >> 16 == 5) tracee->is_in_vfork = 0;
    if (status >> 16 == 4) cip_guardian_executed(own, tracee);
    if (status >> 16 == 6) tracee->is_exiting = 1;
}

static inline void cip_guardian_did(struct cip_guardian *own, const struct cip_guardian_message *message) {
    if (message->result < 0) return;
    struct cip_guardian_tracee *tracee;
    switch (message->request) {
    case CIP_PTRACE_SEIZE: cip_guardian_find(own, message->thread, 1); break;
    case CIP_PTRACE_CONT: case CIP_PTRACE_SYSCALL: case CIP_PTRACE_SINGLESTEP: case CIP_PTRACE_LISTEN:
        if ((tracee = cip_guardian_find(own, message->thread, 0))) tracee->is_stopped = 0;
        break;
    case CIP_PTRACE_DETACH:
        if ((tracee = cip_guardian_find(own, message->thread, 0))) *tracee = own->tracees[--own->count];
        break;
    }
}

/// Waits for an event of a tracee, or for a message or the end of the controller.
static inline void cip_guardian_wait(struct cip_guardian *own, struct cip_guardian_message *message) {
    int status = 0;
    while (1) {
        message->result = cip_trace_wait(message->thread, &status, 0);
        message->error = message->result < 0 ? errno : 0;
        if (message->result != 0 || message->kind == CIP_GUARDIAN_TRY_WAIT) break;
        struct pollfd polled[2] = { { own->socket, POLLIN, 0 }, { own->news, POLLIN, 0 } };
        if (poll(polled, 2, -1) < 0) continue;
        if (polled[0].revents) {
            message->result = -1;
            message->error = EINTR;
            break;
        }
        struct signalfd_siginfo news;
        if (read(own->news, &news, sizeof news) < 0) continue;
    }
    message->status = (uint32_t)status;
    if (message->result > 0) cip_guardian_saw(own, (pid_t)message->result, status);
}

static inline int cip_guardian_memory(pid_t process) {
    char path[32] = "/proc/", digits[12];
    int length = 6, count = 0;
    do digits[count++] = (char)('0' + process % 10); while (process /= 10);
    while (count) path[length++] = digits[--count];
    memcpy(path + length, "/mem", 5);
    return open(path, O_RDWR | O_CLOEXEC);
}

#if defined(__x86_64__)
enum { CIP_TRAP_BYTES = 1, CIP_TRAP_ADVANCE = 1, CIP_PC_WORD = 16, CIP_REGISTER_WORDS = 27 };
static const uint8_t cip_trap_bytes[] = { 0xcc };
#else
enum { CIP_TRAP_BYTES = 4, CIP_TRAP_ADVANCE = 0, CIP_PC_WORD = 32, CIP_REGISTER_WORDS = 34 };
static const uint8_t cip_trap_bytes[] = { 0x00, 0x00, 0x20, 0xd4 };
#endif

static inline int cip_guardian_is_planted(const struct cip_guardian *own, uint64_t address) {
    for (int index = 0; index < own->note_count; index++) {
        if (own->notes[index].is_set && own->notes[index].address == address) return 1;
    }
    return 0;
}

/// The signal with which a stopped thread goes on; back at its address, if it had run into a breakpoint.
static inline int cip_guardian_parting_signal(const struct cip_guardian *own, const struct cip_guardian_tracee *tracee) {
    int signal = WSTOPSIG(tracee->status);
    if (tracee->status >> 16 || signal == (SIGTRAP | 0x80)) return 0;
    if (signal != SIGTRAP) return signal;
    siginfo_t info;
    uint64_t words[CIP_REGISTER_WORDS];
    if (cip_ptrace_buffer(CIP_PTRACE_GETSIGINFO, tracee->thread, 0, &info) < 0) return 0;
    if (info.si_code <= 0) return signal;
    if (info.si_code == 2) return 0;
    if (cip_ptrace_register_set(CIP_PTRACE_GETREGSET, tracee->thread, NT_PRSTATUS, words, sizeof words) < 0) return 0;
    if (cip_guardian_is_planted(own, words[CIP_PC_WORD])) return 0;
    if (!cip_guardian_is_planted(own, words[CIP_PC_WORD] - CIP_TRAP_ADVANCE)) return signal;
    words[CIP_PC_WORD] -= CIP_TRAP_ADVANCE;
    cip_ptrace_register_set(CIP_PTRACE_SETREGSET, tracee->thread, NT_PRSTATUS, words, sizeof words);
    return 0;
}

/// The controller is dead: all threads are stopped, the breakpoints taken out, and everybody goes on.
static inline void cip_guardian_release(struct cip_guardian *own) {
    int status;
    for (int index = 0; index < own->count; index++) {
        cip_ptrace(CIP_PTRACE_INTERRUPT, own->tracees[index].thread, 0, 0);
    }
    while (1) {
        int awaited = 0;
        for (int index = 0; index < own->count; index++) {
            struct cip_guardian_tracee *tracee = own->tracees + index;
            if (tracee->is_stopped && tracee->is_exiting) {
                cip_ptrace(CIP_PTRACE_CONT, tracee->thread, 0, 0);
                tracee->is_stopped = 0;
            }
            awaited += !tracee->is_stopped && !tracee->is_exiting && !tracee->is_in_vfork;
        }
        pid_t thread = cip_trace_wait(-1, &status, awaited > 0);
        if (thread > 0) cip_guardian_saw(own, thread, status);
        if (thread == 0 || (thread < 0 && errno != EINTR)) break;
    }
    for (int index = 0; index < own->note_count; index++) {
        struct cip_guardian_note *note = own->notes + index;
        uint8_t bytes[8];
        if (!note->is_set) continue;
        int memory = cip_guardian_memory(note->process);
        if (memory < 0) continue;
        if (pread(memory, bytes, CIP_TRAP_BYTES, (off_t)note->address) == CIP_TRAP_BYTES
            && !memcmp(bytes, cip_trap_bytes, CIP_TRAP_BYTES)) {
            if (pwrite(memory, &note->word, CIP_TRAP_BYTES, (off_t)note->address) < 0) { close(memory); continue; }
        }
        close(memory);
    }
    for (int index = 0; index < own->count; index++) {
        struct cip_guardian_tracee *tracee = own->tracees + index;
        if (!tracee->is_stopped) continue;
        int signal = cip_guardian_parting_signal(own, tracee);
        cip_ptrace(CIP_PTRACE_DETACH, tracee->thread, 0, (uintptr_t)signal);
    }
}

static inline void cip_guardian_serve(struct cip_guardian *own) {
    struct cip_guardian_message message;
    while (1) {
        ssize_t count = recv(own->socket, &message, sizeof message, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < (ssize_t)offsetof(struct cip_guardian_message, payload)) return;
        size_t length = offsetof(struct cip_guardian_message, payload);
        switch (message.kind) {
        case CIP_GUARDIAN_PLAIN:
            message.result = cip_ptrace(message.request, message.thread, message.address, message.data);
            break;
        case CIP_GUARDIAN_EXCHANGE:
            message.result = cip_ptrace_buffer(message.request, message.thread, message.address, message.payload);
            length += message.count;
            break;
        case CIP_GUARDIAN_SET:
            message.result = cip_ptrace_register_set(
                message.request, message.thread, message.address, message.payload, message.count);
            length += message.count;
            break;
        case CIP_GUARDIAN_WAIT: case CIP_GUARDIAN_TRY_WAIT: cip_guardian_wait(own, &message); break;
        default: continue;   // a wait was called off that had ended by itself
        }
        if (message.kind <= CIP_GUARDIAN_SET) {
            message.error = message.result < 0 ? errno : 0;
            cip_guardian_did(own, &message);
        }
        if (send(own->socket, &message, length, MSG_NOSIGNAL) < 0) return;
    }
}

/// Starts the guardian; its id. It has no descriptor but its socket, and no signal reaches it but SIGKILL.
static inline pid_t cip_guardian_start(int socket, struct cip_guardian_note *notes, int note_count) {
    // With 0 as the signal of its end: who waits for any child of this process does not see it.
    pid_t child = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
    if (child != 0) return child;
    sigset_t all, child_news;
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigaction(SIGCHLD, &standard, NULL);
    sigemptyset(&child_news);
    sigaddset(&child_news, SIGCHLD);
    dup2(socket, 0);
    syscall(436 /* close_range */, 1U, ~0U, 0U);
    setsid();
    prctl(PR_SET_NAME, "ipc-guardian", 0, 0, 0);
    struct cip_guardian *own = mmap(
        NULL, sizeof *own, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own != MAP_FAILED) {
        own->socket = 0;
        own->news = signalfd(-1, &child_news, SFD_CLOEXEC);
        own->notes = notes;
        own->note_count = note_count;
        cip_guardian_serve(own);
        cip_guardian_release(own);
    }
    syscall(SYS_exit_group, 0);
    return -1;
}

static inline int cip_guardian_socket_pair(int *pair) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}
static inline struct cip_guardian_note *cip_guardian_notes(int count) {
    void *memory = mmap(
        NULL, (size_t)count * sizeof(struct cip_guardian_note), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
        -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}
static inline void cip_guardian_free_notes(struct cip_guardian_note *notes, int count) {
    munmap(notes, (size_t)count * sizeof *notes);
}
/// 0 if there is no room.
static inline int cip_guardian_set_note(
    struct cip_guardian_note *notes, int count, int process, uint64_t address, uint64_t word, int is_set) {
    for (int index = 0; index < count; index++) {
        struct cip_guardian_note *note = notes + index;
        int is_it = note->is_set && note->process == process && note->address == address;
        if (is_set ? note->is_set && !is_it : !is_it) continue;
        note->address = address;
        note->word = word;
        note->process = process;
        __atomic_store_n(&note->is_set, is_set, __ATOMIC_RELEASE);
        return 1;
    }
    return !is_set;
}
static inline int cip_guardian_bury(pid_t guardian) {
    int status;
    return (int)wait4(guardian, &status, __WALL, NULL);
}

#endif
