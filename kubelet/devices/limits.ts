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

/** The largest message of a plugin that is taken: gRPC's default, as upstream. */
export const PLUGIN_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Messages of a list: DEVICES_MAX devices with a topology of 8 NUMA nodes, upstream's most. */
export const LIST_MESSAGES_MAX = 1 + DEVICES_MAX * (2 + 8);

/**
 * Lists of one resource are decoded and taken for this long, and then not for so long, nor for as
 * many times the time that they took, and that for each resource: plugins that send them without
 * end, each with thousands of devices, leave the node's event loop to others.
 */
export const LISTS_TURN_MS = 10;
export const LISTS_REST_MS = 250;
export const LISTS_REST_TIMES = 20;

/** Devices in an answer to monitoring agents, which is made and encoded in one turn. */
export const SHOWN_DEVICES_MAX = 20_000;

/** A device's id, and a plugin's answer for one container: both are kept in the checkpoint. */
export const DEVICE_ID_BYTES_MAX = 1024;
export const ALLOCATION_BYTES_MAX = 64 * 1024;

assertLimits({
  "lists of devices take a small part of the event loop": 10 * LISTS_TURN_MS <= LISTS_REST_MS,
  "a preference is asked for within an allocation": PREFERRED_TIMEOUT_MS <= ALLOCATE_TIMEOUT_MS,
});
