/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "command-table.h"

/* What the rows of the command table run. Each returns the exit status. */

int run_pool_autostart(Call *call);
int run_pool_build(Call *call);
int run_pool_capabilities(Call *call);
int run_pool_create(Call *call);
int run_pool_create_as(Call *call);
int run_pool_define(Call *call);
int run_pool_define_as(Call *call);
int run_pool_delete(Call *call);
int run_pool_destroy(Call *call);
int run_pool_dumpxml(Call *call);
int run_pool_edit(Call *call);
int run_pool_event(Call *call);
int run_pool_info(Call *call);
int run_pool_list(Call *call);
int run_pool_name(Call *call);
int run_pool_refresh(Call *call);
int run_pool_start(Call *call);
int run_pool_undefine(Call *call);
int run_pool_uuid(Call *call);
int run_find_sources(Call *call);
int run_find_sources_as(Call *call);

int run_vol_clone(Call *call);
int run_vol_create(Call *call);
int run_vol_create_as(Call *call);
int run_vol_create_from(Call *call);
int run_vol_delete(Call *call);
int run_vol_disk(Call *call);
int run_vol_download(Call *call);
int run_vol_dumpxml(Call *call);
int run_vol_info(Call *call);
int run_vol_key(Call *call);
int run_vol_list(Call *call);
int run_vol_name(Call *call);
int run_vol_path(Call *call);
int run_vol_pool(Call *call);
int run_vol_resize(Call *call);
int run_vol_tree(Call *call);
int run_vol_upload(Call *call);
int run_vol_wipe(Call *call);

int run_job_cancel(Call *call);
int run_job_list(Call *call);

int run_capabilities(Call *call);
int run_complete(Call *call);
int run_completion(Call *call);
int run_help(Call *call);
int run_uri(Call *call);
int run_version(Call *call);
