// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_TERMINAL_H
#define CINTERPROCESS_TERMINAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

/// Columns of the terminal behind a descriptor; 0 if it is none or does not say.
static inline int cip_terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
static inline void cip_ignore_signal(int signal_number) { signal(signal_number, SIG_IGN); }
static inline void cip_default_signal(int signal_number) { signal(signal_number, SIG_DFL); }
/// The user's name, or 0. The string is valid until the next call.
static inline const char *cip_user_name(uid_t user) {
    struct passwd *entry = getpwuid(user);
    return entry ? entry->pw_name : 0;
}
static inline const char *cip_group_name(gid_t group) {
    struct group *entry = getgrgid(group);
    return entry ? entry->gr_name : 0;
}
static inline int cip_user_number(const char *name, uid_t *user) {
    struct passwd *entry = getpwnam(name);
    if (entry) *user = entry->pw_uid;
    return entry != 0;
}
static inline int cip_group_number(const char *name, gid_t *group) {
    struct group *entry = getgrnam(name);
    if (entry) *group = entry->gr_gid;
    return entry != 0;
}
/// Appended to, truncated, moved away or removed.
static inline unsigned cip_inotify_growth(void) { return IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF; }

#endif
