import { assertLimits } from "@raft2kube/std/assert.ts";

/** How often a plugin's status is asked for, and again after a failure. */
export const KMS_STATUS_MS = 20_000;
export const KMS_RETRY_MS = 3_000;
/** How long values are encrypted after the last good status (upstream's). */
export const KMS_WRITE_MS = 180_000;
/** How long a plugin may take for one call by default (upstream's). */
export const KMS_TIMEOUT_MS = 3_000;
/** How long the plugins of a replaced configuration still decrypt. */
export const KMS_CLOSE_MS = 10_000;
/** Bytes of a plugin's key id, of an encrypted seed and of annotations (upstream's). */
export const KMS_KEY_ID_BYTES_MAX = 1_024;
export const KMS_SOURCE_BYTES_MAX = 1_024;
export const KMS_ANNOTATIONS_BYTES_MAX = 32 * 1_024;
/** Seeds that are known decrypted: one for each start of a server and key of a plugin. */
export const KMS_SEEDS_MAX = 10_000;
/** Keys of a plugin whose uses are counted, for each direction together (upstream's). */
export const KMS_COUNTED_KEYS_MAX = 100;
/** Seeds that are decrypted side by side. */
export const KMS_CALLS_MAX = 16;
/** The longest answer of a plugin. */
export const KMS_ANSWER_BYTES_MAX = 64 * 1_024;

assertLimits({
  "a status is asked for several times while values are encrypted":
    3 * KMS_STATUS_MS <= KMS_WRITE_MS,
  "an answer has room for its annotations": KMS_ANNOTATIONS_BYTES_MAX < KMS_ANSWER_BYTES_MAX,
});
