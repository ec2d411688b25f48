/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* What each file of this folder defines; registry.c lists them in the order of their numbers. */
extern const Backend backend_dir;
extern const Backend backend_fs;
extern const Backend backend_netfs;
extern const Backend backend_logical;
extern const Backend backend_disk;
extern const Backend backend_iscsi;
extern const Backend backend_iscsi_direct;
extern const Backend backend_scsi;
extern const Backend backend_mpath;
extern const Backend backend_rbd;
extern const Backend backend_sheepdog;
extern const Backend backend_gluster;
extern const Backend backend_zfs;
extern const Backend backend_vstorage;
