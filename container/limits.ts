import { assertLimits } from "@raft2kube/std/assert.ts";

/** Every bound of containers made by hand, named. Sizes are bytes, times milliseconds. */

/** How long a command waits for others that change containers. */
export const ENGINE_LOCK_TIMEOUT_MS = 120_000;
/** Time between the stop signal and SIGKILL, in seconds, as docker's. */
export const STOP_TIMEOUT_S = 10;
/** How often an ended container is looked for, beside the events of the kernel. */
export const WAIT_INTERVAL_MS = 20;
/** How long the last output of a command that has ended is waited for. */
export const DRAIN_MS = 1_000;
/** Pauses before a container is started again: the first, and the longest. */
export const RESTART_DELAY_MS = 100;
export const RESTART_DELAY_LONGEST_MS = 60_000;
/** A container that ran this long is started again without a longer pause. */
export const RESTART_STABLE_MS = 10_000;
/** Networks that people make, each with 256 addresses. */
export const NETWORKS = 200;
/** Records of health checks that are kept, and the output of each. */
export const HEALTH_LOGS = 5;
export const HEALTH_OUTPUT_BYTES = 4_096;
/** Volumes of an image: all are made while other commands wait. */
export const IMAGE_VOLUMES_MAX = 100;
/** Time between health checks that an image asks for: the least. */
export const HEALTH_IMAGE_INTERVAL_MS = 1_000;
/** Time between health checks, and of one: the most. */
export const HEALTH_LONGEST_MS = 24 * 3_600_000;
/** A Dockerfile, an environment or ignore file, an instruction's values after expansion. */
export const DOCKERFILE_BYTES = 1 << 20;
export const INSTRUCTIONS = 2_000;
export const EXPANDED_BYTES = 1 << 20;
/** A pattern of places or of a variable's value: a path's length. */
export const PATTERN_CHARACTERS = 4_096;
/** Characters of a pattern times those that it is compared with. */
export const WILDCARD_STEPS = 100_000_000;
/** Files of a build context, and how deep they may be. */
export const CONTEXT_FILES = 500_000;
/** The content of all URLs of one ADD. */
export const ADD_URL_BYTES = 2 * 2 ** 30;
/** How long one build step may run. */
export const RUN_TIMEOUT_MS = 4 * 3_600_000;
/**
 * Processes of a build's steps by default, and the share of the machine's memory that they may use.
 */
export const RUN_PIDS = 4_096;
export const RUN_MEMORY_SHARE = 0.9;
/** How often it is looked whether the disk has room for a build's steps to go on. */
export const DISK_WATCH_INTERVAL_MS = 200;
/** Memory of a program that decompresses an archive, in MiB: that of `xz -9` and more. */
export const DECOMPRESSION_MIB = 256;
/** A template of `--format`. */
export const TEMPLATE_CHARACTERS = 64 << 10;
/** Characters that `pad` and a width of `printf` fill at most. */
export const FORMAT_WIDTH_MAX = 1_000;

/** Digits after the point that `printf` writes at most: JavaScript's own bound. */
export const FORMAT_DIGITS_MAX = 100;

assertLimits({
  "the first pause is no longer than the longest": RESTART_DELAY_MS <= RESTART_DELAY_LONGEST_MS,
  "a container is looked for within its lock's time": WAIT_INTERVAL_MS < ENGINE_LOCK_TIMEOUT_MS,
});
