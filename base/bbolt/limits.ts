import { assertLimits } from "@raft2kube/std/assert.ts";
import { PAGE_BYTES } from "./page.ts";

/** Levels of a tree. */
export const BBOLT_DEPTH_MAX = 32;
/** Bytes of a page together with those that it continues on. */
export const BBOLT_PAGE_BYTES_MAX = 64 * 1024 * 1024;

assertLimits({ "a page that is written can be read": PAGE_BYTES <= BBOLT_PAGE_BYTES_MAX });
