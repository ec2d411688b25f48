/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"
#include "sasl.h"
#include "server.h"
#include <gio/gio.h>

/*
 * Inside the server: one request, from its arguments to its reply. Included by
 * the server's own files only.
 */

typedef struct Core Core;
typedef struct Session Session;
typedef struct Turn Turn;
typedef struct Stream Stream;
typedef struct Call Call;

/* Answers one procedure. `args` and `result` are as its row in the protocol's table has them. */
typedef bool (*Handler)(Turn *turn, const void *args, void *result, GError **error);

typedef enum HandlerPlace {
    ON_LOOP,          /* answers from memory, at once */
    ON_SESSION,       /* likewise, and uses the session: never anywhere else */
    ON_WORKER_ALONE,  /* waits for others; meanwhile the connection takes no further call */
    ON_WORKER,        /* may wait for storage: takes from its pool's share of the workers */
    ON_CONTROL,       /* takes from another share: not behind what waits for the pool's storage */
    LOOP_THEN_WORKER, /* tried on the loop first; turn_defer() sends it to a worker */
    LOOP_THEN_MEMORY, /* likewise, but it only computes: takes nothing from the pool's share */
} HandlerPlace;

typedef enum HandlerDeadline {
    DEADLINE_NONE,   /* never waits for storage */
    DEADLINE_CHANGE, /* changes something: takes as long as it takes, but fails when the storage of
                        a pool it works on doesn't answer any more */
    DEADLINE_LOOKUP, /* likewise, or after LOOKUP_DEADLINE */
    DEADLINE_LATE,   /* after ServerConfig.read_deadline, or when the storage is known not to
                        answer, it is run once more, on the loop, as TURN_LATE: to answer from what
                        was last known */
} HandlerDeadline;

#define LOOKUP_DEADLINE 15000 /* milliseconds */

typedef struct HandlerRow {
    gint32 procedure;
    Handler run;
    HandlerPlace place;
    HandlerDeadline deadline;
    guint filter;      /* for one that answers several procedures */
    const void *facts; /* likewise: what it says of this one */
    guint patience;    /* seconds from the request on for which it may go on although its storage
                          doesn't answer: it has means of its own against that */
    /* ON_WORKER_ALONE: on the loop, once the reply is on its way. */
    void (*finish)(Session *session, Call *call);
} HandlerRow;

typedef struct HandlerTable {
    const HandlerRow *rows;
    guint n_rows;
} HandlerTable;

extern const HandlerTable connection_handlers, event_handlers, host_handlers, absent_handlers,
    pool_handlers, volume_handlers, cistern_handlers;

/* NULL when the procedure is not answered here. */
const HandlerRow *handler_find(const Program *program, gint32 procedure);

/* Calls of one lane wait for each other's end when a connection has many, so that what hangs in one
 * holds up nothing of the other. */
typedef enum CallLane {
    LANE_STORAGE, /* waits for a pool's storage */
    LANE_OTHER,   /* for definitions, computing, the access driver */
    LANE_COUNT,
} CallLane;

/* A request. What workers see of it does not change; the second part is the loop's own. */
struct Call {
    gatomicrefcount refs;
    Core *core;
    const Procedure *procedure;
    const HandlerRow *row;
    FrameHeader header;
    void *args;
    Identity *identity; /* who asks */
    const char *client; /* its label */
    Operation *op;
    GCancellable *cancellable; /* of what waits for others; cancelled with the operation */
    const char *polkit_action; /* what AUTH_POLKIT asks for; NULL: that socket doesn't use it */
    Sasl *sasl;                /* the connection's exchange, for the calls that belong to it */
    gint granted;              /* atomic: the access driver was asked, and content */
    guint64 id;                /* of the request, in the log */
    gint64 began;              /* g_get_monotonic_time() */
    gint logged;               /* atomic: its end is in the log */

    CallLane lane;
    WorkShare share;  /* of the workers */
    gsize size;       /* bytes of its arguments on the wire */
    bool in_line;     /* not begun yet: waits for one of its lane to end */
    Session *session; /* NULL once that is gone: nobody waits for the answer */
    Pool *pool;       /* whose storage it waits for, or NULL */
    GSource *timer;
    gint64 expires; /* monotonic microseconds; 0: never */
    bool answered;
    guint64 reported_done, reported_total; /* of the progress that was sent last */
    GByteArray *reply;                     /* written by the worker before it hands the call back */
    bool succeeded;                        /* likewise: the reply is no error */
    Stream *stream;                        /* likewise: what it has opened */
};

/* Stops what it is doing, as far as that can be stopped. */
void call_cancel(Call *call);

Call *call_ref(Call *call);
void call_unref(Call *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_unref)

typedef enum TurnStage { TURN_ON_LOOP, TURN_ON_WORKER, TURN_LATE } TurnStage;

/* One run of a call's handler. A late one may overlap with the worker's. */
struct Turn {
    Call *call;
    TurnStage stage;
    bool deferred;
    Pool *pool; /* a reference: whose storage a deferred turn has to wait for; NULL: as its handle
                   says */
};

/* Asks for the rights on the connection that the procedure needs. */
bool call_check_connect(Call *call, GError **error);

/* Runs the handler and returns the whole reply, or NULL when it was deferred. */
GByteArray *call_answer(Call *call, TurnStage stage);

/* The reply of a call that failed outside of its handler. */
GByteArray *call_refuse(Call *call, const GError *error);

/* Asks the access driver, if there is one. */
bool core_allows(const Core *core, const AccessQuery *query, GError **error);

/* ---- for handlers ---- */

/* Gives up on the loop, to be run again on a worker. Returns false, with no error set. */
bool turn_defer(Turn *turn);
/* The same, to wait for this pool's storage. */
bool turn_defer_to(Turn *turn, Pool *pool);

Engine *turn_engine(Turn *turn);
/* For the engine, which asks for the procedure's rights again once it has read a document. Valid as
 * long as the turn. */
Request turn_request(Turn *turn);

/* The pool of a handle, after the access check that the procedure's row demands. */
Pool *turn_find_pool(Turn *turn, const RpcPool *handle, GError **error);

/* The pool of a volume's handle, after the access check for the volume. With an access driver the
 * volume is looked up first, so that a stale handle fails as such; that may defer. */
Pool *turn_find_volume_pool(Turn *turn, const RpcVolume *handle, GError **error);

/* The same for the volume that a clone is made of, and the rights on sources. */
Pool *turn_find_source_pool(Turn *turn, const RpcVolume *handle, GError **error);

/* The rights of the procedure's row, asked for these objects; each may be NULL. */
bool turn_check_access(Turn *turn, Pool *pool, const char *volume_name, const char *volume_key,
                       GError **error);

/* Whether anything is ever left out of lists. */
bool turn_filters(Turn *turn);

/* Whether the caller may know of a pool or, with a name, of a volume in it, which need not be
 * listed: for what is not of the procedure's own list. */
bool turn_check_seen(Turn *turn, Pool *pool, const char *volume_name, GError **error);

/* Whether an entry is to be left in a list. */
bool turn_may_list(Turn *turn, Pool *pool, const char *volume_name, const char *volume_key);
