// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_SIGNALS_H
#define CINTERPROCESS_SIGNALS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "foundations.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

// The kernel's mask is 64 bits, one a signal from 1 up; the C library's is longer and begins with it.
static inline void cip_set_of(sigset_t *set, uint64_t bits) {
    sigemptyset(set);
    memcpy(set, &bits, sizeof bits);
}
static inline uint64_t cip_bits_of(const sigset_t *set) {
    uint64_t bits;
    memcpy(&bits, set, sizeof bits);
    return bits;
}
static inline uint64_t cip_change_mask(int how, uint64_t bits) {
    sigset_t set, before;
    cip_set_of(&set, bits);
    sigemptyset(&before);
    pthread_sigmask(how, &set, &before);
    return cip_bits_of(&before);
}
static inline uint64_t cip_pending(void) {
    sigset_t set;
    sigemptyset(&set);
    sigpending(&set);
    return cip_bits_of(&set);
}

// siginfo_t is a union behind macros.
static inline int cip_info_pid(const siginfo_t *info) { return info->si_pid; }
static inline unsigned int cip_info_uid(const siginfo_t *info) { return info->si_uid; }
static inline int cip_info_value(const siginfo_t *info) { return info->si_value.sival_int; }
static inline int cip_info_status(const siginfo_t *info) { return info->si_status; }
static inline long cip_info_band(const siginfo_t *info) { return info->si_band; }
static inline void cip_make_info(siginfo_t *info, int signal, int code, int value) {
    memset(info, 0, sizeof *info);
    info->si_signo = signal;
    info->si_code = code;
    info->si_pid = getpid();
    info->si_uid = getuid();
    info->si_value.sival_int = value;
}
static inline int cip_queue_signal(pid_t process, int signal, siginfo_t *info) {
    return (int)syscall(SYS_rt_sigqueueinfo, process, signal, info);
}
static inline int cip_queue_thread_signal(pid_t process, pid_t thread, int signal, siginfo_t *info) {
    return (int)syscall(SYS_rt_tgsigqueueinfo, process, thread, signal, info);
}
static inline int cip_pidfd_queue_signal(int pidfd, int signal, siginfo_t *info, unsigned int flags) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags);
}
static inline int cip_wait_signal_info(uint64_t bits, siginfo_t *info, const struct timespec *timeout) {
    sigset_t set;
    cip_set_of(&set, bits);
    return sigtimedwait(&set, info, timeout);
}
static inline int cip_signal_descriptor(int descriptor, uint64_t bits, int flags) {
    sigset_t set;
    cip_set_of(&set, bits);
    return signalfd(descriptor, &set, flags);
}

// A thread changes its own mask only. Asked by a real-time signal that carries the bits, it does so in the handler: what the
// handler writes into the saved context is the mask when it returns. Nothing else is touched.
// The bit of SIGKILL, which no mask can have, says that the bits are to be taken out.
#define CIP_UNBLOCK (UINT64_C(1) << (SIGKILL - 1))
static inline void cip_mask_handler(int signal, siginfo_t *info, void *context) {
    (void)signal;
    if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
    uint64_t wanted = (uint64_t)(uintptr_t)info->si_value.sival_ptr, bits;
    sigset_t *mask = &((ucontext_t *)context)->uc_sigmask;
    memcpy(&bits, mask, sizeof bits);
    bits = wanted & CIP_UNBLOCK ? bits & ~wanted : bits | wanted;
    memcpy(mask, &bits, sizeof bits);
}
static inline int cip_ask_for_mask(pid_t thread, int carrier, uint64_t bits, int block) {
    siginfo_t info;
    cip_make_info(&info, carrier, SI_QUEUE, 0);
    info.si_value.sival_ptr = (void *)(uintptr_t)(block ? bits & ~CIP_UNBLOCK : bits | CIP_UNBLOCK);
    return cip_queue_thread_signal(getpid(), thread, carrier, &info);
}

// A thread that opens its mask again and again (the main thread of a program with an asynchronous main does) gets the
// signal all the same. The handler passes it on to the thread that takes signals and does nothing else: as the carrier, whose queue
// keeps the order. The kernel lets a thread send only codes below zero to another, so number and code travel in one that is;
// a secret in si_errno, which is otherwise zero, tells such a signal from what others send.
//
// A function of a header exists once in every object that uses it, and so does its state: all of this is used by
// SignalsForwarding.swift alone.
#define CIP_PASSED_ON 0x01000000
#define CIP_CODE_ZERO 0x1000
/// The taking thread, the secret, how many signals could not be passed on, the carrier.
static inline _Atomic(int) *cip_forwarding(void) {
    static _Atomic(int) state[4];
    return state;
}
static inline void cip_forward_handler(int signal, siginfo_t *info, void *context) {
    (void)context;
    int error = errno;
    _Atomic(int) *state = cip_forwarding();
    siginfo_t copy;
    memcpy(&copy, info, sizeof copy);
    copy.si_errno = state[1];
    copy.si_code = -(CIP_PASSED_ON + (signal << 16) + CIP_CODE_ZERO + info->si_code);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), state[0], state[3], &copy) != 0) state[2]++;
    errno = error;
}
static inline void cip_set_forwarding(int thread, int secret, int carrier) {
    cip_forwarding()[1] = secret;
    cip_forwarding()[3] = carrier;
    cip_forwarding()[0] = thread;
}
static inline int cip_forwarding_lost(void) { return cip_forwarding()[2]; }
/// Number and code as they were before a thread passed the signal on; 0 if none did.
static inline int cip_passed_on(int code, int error, int *original) {
    int packed = -code - CIP_PASSED_ON;
    if (error == 0 || error != cip_forwarding()[1] || packed < 0) return 0;
    *original = (packed & 0xffff) - CIP_CODE_ZERO;
    return packed >> 16;
}

/// 0 default, 1 ignored, 2 somebody's handler, 3 the forwarding handler, 4 the mask handler.
static inline int cip_handling(int signal) {
    struct sigaction now;
    if (sigaction(signal, 0, &now) != 0) return -1;
    if (now.sa_flags & SA_SIGINFO)
        return now.sa_sigaction == cip_forward_handler ? 3 : now.sa_sigaction == cip_mask_handler ? 4 : 2;
    return now.sa_handler == SIG_DFL ? 0 : now.sa_handler == SIG_IGN ? 1 : 2;
}
/// 0 default, 1 ignored, 3 forward, 4 mask.
static inline int cip_set_handling(int signal, int kind) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigfillset(&action.sa_mask);
    if (kind >= 3) {
        action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        action.sa_sigaction = kind == 3 ? cip_forward_handler : cip_mask_handler;
    } else {
        action.sa_handler = kind == 0 ? SIG_DFL : SIG_IGN;
    }
    return sigaction(signal, &action, 0);
}

#endif
