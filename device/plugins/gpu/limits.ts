import { assertLimits } from "@raft2kube/std/assert.ts";

/** GPUs of one plugin. */
export const GPUS_MAX = 16;

/** Shares of one GPU: all of them are in one message of ListAndWatch. */
export const SHARES_MAX = 64;

assertLimits({ "a message has at most 1,024 devices": GPUS_MAX * SHARES_MAX <= 1_024 });
