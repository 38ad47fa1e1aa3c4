// SPDX-License-Identifier: Apache-2.0
#ifndef SEMAPHORES_H
#define SEMAPHORES_H

/// The loops over semaphores: `worker ROLE WORKLOAD SIZE FIRST SECOND`, the last two being names or ids.
int semaphores_main(const char *role, const char *workload, const char *first, const char *second);

#endif
