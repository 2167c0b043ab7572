import { assertLimits } from "@raft2kube/std/assert.ts";

/**
 * Time for which a resource stays on the Node after its plugin stopped, which may be restarting
 * (upstream: 5 min).
 */
export const PLUGIN_GONE_GRACE_MS = 5 * 60_000;

/** Calls of a plugin: Allocate may prepare hardware; upstream's defaults. */
export const ALLOCATE_TIMEOUT_MS = 60_000;
export const PRE_START_TIMEOUT_MS = 30_000;
export const PREFERRED_TIMEOUT_MS = 10_000;

/** Registered resources, and devices of one resource. A plugin that sends more is disconnected. */
export const RESOURCES_MAX = 100;
export const DEVICES_MAX = 10_000;

/** A device's id, and a plugin's answer for one container: both are kept in the checkpoint. */
export const DEVICE_ID_BYTES_MAX = 1024;
export const ALLOCATION_BYTES_MAX = 64 * 1024;

assertLimits({
  "a preference is asked for within an allocation": PREFERRED_TIMEOUT_MS <= ALLOCATE_TIMEOUT_MS,
});
