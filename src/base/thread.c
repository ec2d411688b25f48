/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "thread.h"

#include <pthread.h>

int thread_start_detached(size_t stack, void *(*run)(void *data), void *data)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int status = pthread_create(&thread, &attributes, run, data);
    pthread_attr_destroy(&attributes);
    return status;
}
