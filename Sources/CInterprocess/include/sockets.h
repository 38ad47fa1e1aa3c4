// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_SOCKETS_H
#define CINTERPROCESS_SOCKETS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#endif
