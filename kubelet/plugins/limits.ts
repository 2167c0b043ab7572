import { assertLimits } from "@raft2kube/std/assert.ts";

/** The registry is read again this often, next to file events: a missed event must not matter. */
export const RESCAN_MS = 10_000;

/** A plugin that could not be registered is tried again after this, doubled up to the most. */
export const REGISTER_BACK_OFF_MS = 500;
export const REGISTER_BACK_OFF_MS_MAX = 15_000;

/** One call of a plugin's registration socket (upstream: 10 s for the dial, 1 s for the call). */
export const REGISTRATION_TIMEOUT_MS = 10_000;

/** Sockets followed in one registry, the first by name; more are not looked at. */
export const PLUGIN_SOCKETS_MAX = 1_000;

/**
 * An answer of a plugin, which is decoded in one turn: of empty messages, 2 bytes each, a megabyte
 * takes half a second. The longest are 100 topology keys.
 */
export const PLUGIN_ANSWER_BYTES_MAX = 64 * 1024;

/** One identity call of a driver. */
export const DRIVER_INFO_TIMEOUT_MS = 10_000;

/** Topology keys of a driver: each is a label of the Node, which stays. */
export const TOPOLOGY_KEYS_MAX = 100;

/** Writes of the CSINode that lost a race before registration gives up and is tried again. */
export const PUBLISH_ATTEMPTS_MAX = 5;

/** One call of a driver that mounts or unmounts (upstream: 2 minutes). */
export const DRIVER_CALL_TIMEOUT_MS = 120_000;

/** A driver's text about the condition of a volume, in an event (of 1,024 at most). */
export const CONDITION_CHARS_MAX = 700;

/** A CSIDriver object read this long ago is read again. */
export const CSI_DRIVER_TTL_MS = 60_000;

/**
 * How long one sync of a pod waits for a volume to be attached, and how often it looks without
 * news of the node's status.
 */
export const ATTACH_WAIT_MS = 10_000;
export const ATTACH_LOOK_MS = 1_000;

/** How long a driver's registration waits for the Node object, and how often it looks. */
export const NODE_WAIT_MS = 5_000;
export const NODE_POLL_MS = 50;

assertLimits({
  "back-offs grow": REGISTER_BACK_OFF_MS <= REGISTER_BACK_OFF_MS_MAX,
  "the node is looked for several times": NODE_POLL_MS < NODE_WAIT_MS,
  "an attachment is looked for several times": ATTACH_LOOK_MS < ATTACH_WAIT_MS,
  "a driver's identity call takes less time than other calls":
    DRIVER_INFO_TIMEOUT_MS <= DRIVER_CALL_TIMEOUT_MS,
});
