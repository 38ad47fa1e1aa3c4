// SPDX-License-Identifier: Apache-2.0
#ifndef CINTERPROCESS_PIPES_H
#define CINTERPROCESS_PIPES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#endif
