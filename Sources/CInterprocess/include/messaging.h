// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_MESSAGING_H
#define CINTERPROCESS_MESSAGING_H

#include "foundations.h"
#include <stdio.h>
#include <sys/inotify.h>

/// What a forked child is not to have; see fork_guard.c.
int cip_fork_guard_install(void);
const uint64_t *cip_fork_guard_word(void);
int cip_fork_guard_mark(int fd);
void cip_fork_guard_unmark(int fd);

/// A new name in a directory, and the end of the directory.
static inline unsigned cip_inotify_names(void) {
    return IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
}

static inline int cip_rename_new_at(int directory, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, directory, from, directory, to, 1U /* RENAME_NOREPLACE */);
}

#endif
