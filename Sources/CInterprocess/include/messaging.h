// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_MESSAGING_H
#define CINTERPROCESS_MESSAGING_H

#include "foundations.h"
#include <stdio.h>
#include <sys/inotify.h>

/// What a forked child is not to have; see fork_guard.c.
int cip_fork_guard_install(void);
const uint64_t *cip_fork_guard_word(void);
int cip_fork_guard_tombstone(void);
int cip_fork_guard_mark(int fd);
void cip_fork_guard_unmark(int fd);

/// What changes which names a directory has, and what ends it.
static inline unsigned cip_inotify_names(void) {
    return IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;
}
static inline unsigned cip_inotify_arrival(void) { return IN_CREATE | IN_MOVED_TO; }
static inline unsigned cip_inotify_end(void) { return IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT; }

static inline int cip_rename_new_at(int directory, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, directory, from, directory, to, 1U /* RENAME_NOREPLACE */);
}

#endif
