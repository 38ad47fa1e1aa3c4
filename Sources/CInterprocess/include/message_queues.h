// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_MESSAGE_QUEUES_H
#define CINTERPROCESS_MESSAGE_QUEUES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#endif
