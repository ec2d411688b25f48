/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* What the files of a session share. */

/* ---- session.c ---- */

/* On the loop's context; the caller has the reference. */
GSource *session_start_timer(Session *session, guint milliseconds, GSourceFunc func, void *data);
/* Harmless when there is none. */
void session_drop_timer(GSource **timer);
/* Sets what the source wakes up for: the socket, or messages that were read and not taken yet. */
void session_update(Session *session);

/* ---- session-send.c ---- */

/* Sends what the socket takes now, and does what had to wait for all to be sent. May close it. */
void session_flush(Session *session);
bool session_has_unsent(Session *session);
void session_send_message(Session *session, guint32 program, gint32 procedure, guint32 serial,
                          const XdrType *type, const void *value);
/* Before the reply is sent, which becomes an error if there is no place: then packets may come. */
void session_adopt_stream(Session *session, Call *call);
/* False: not now, its stream has enough. */
bool session_take_packet(Session *session, Frame *frame);

/* ---- session-calls.c ---- */

/* Calls that are begun and unanswered. */
guint session_count_running(const Session *session);
guint session_count_in_line(const Session *session);
/* Whether another call of the lane may begin. */
bool session_has_place(const Session *session, CallLane lane);
/* It ends by itself soon after the answer had to be given. */
Operation *session_new_operation(const Session *session, const HandlerRow *row);
/* Begins the call, or has it wait in line. */
void session_start_on_worker(Session *session, Call *call);
/* No use in asking storage that doesn't answer: the reply, or NULL. */
GByteArray *session_answer_at_once(Call *call);

/* ---- session-requests.c ---- */

/* False: not now, a running call has to end first. */
bool session_take_call(Session *session, const Frame *frame);
