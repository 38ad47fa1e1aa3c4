// SPDX-License-Identifier: Apache-2.0
// Everything that Swift cannot import by itself: variadic functions, macros, structures behind feature
// test macros. Declarations only; a function here does nothing but spell a call.
#ifndef CINTERPROCESS_H
#define CINTERPROCESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "foundations.h"
#include "readiness.h"
#include "pipes.h"
#include "sockets.h"
#include "message_queues.h"
#include "shared_memory.h"
#include "locks.h"
#include "signals.h"
#include "semaphores.h"
#include "processes.h"
#include "processes_spawn.h"
#include "process_control.h"
#include "process_control_guardian.h"
#include "terminal.h"
#include "inspection.h"
#include "messaging.h"
#include "measuring.h"
#include "waiting.h"

#endif
