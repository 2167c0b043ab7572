/** Every bound of the runtime, named. Sizes are bytes, times milliseconds. */

/** An image manifest or index: the distribution spec asks registries to accept 4 MiB. */
export const MANIFEST_BYTES = 4 << 20;
/** An image's configuration. */
export const IMAGE_CONFIG_BYTES = 8 << 20;
/** One layer as it travels, and all that it unpacks to. */
export const LAYER_BYTES = 16 * 2 ** 30;
export const LAYER_UNPACKED_BYTES = 64 * 2 ** 30;
/** Entries in one layer, and layers in one image (overlayfs takes 500). */
export const LAYER_ENTRIES = 2_000_000;
export const IMAGE_LAYERS = 127;
/** An extended header in a tar (pax, GNU's long names): what Go's reader takes. */
export const TAR_EXTENSION_BYTES = 1 << 20;
/** /etc/passwd and /etc/group of an image. */
export const ACCOUNT_FILE_BYTES = 1 << 20;

/** Commands under way in one container, those of probes included. */
export const EXECS_PER_CONTAINER = 128;
/** Output of one ExecSync, both streams together: what fits into a message of CRI's 16 MiB. */
export const EXEC_SYNC_OUTPUT_BYTES = (16 << 20) - (64 << 10);
/** How long after a command's end its children may hold its output open. */
export const EXEC_DRAIN_MS = 1_000;
/** What a command of the OCI runtime may print. */
export const COMMAND_OUTPUT_BYTES = 1 << 20;
export const COMMAND_TIMEOUT_MS = 60_000;

/** How long conmon may take to report the container's pid. */
export const CREATE_TIMEOUT_MS = 60_000;
/** How long a killed container may take to be gone. */
export const KILL_TIMEOUT_MS = 10_000;
/** How often a container that is waited for is looked at, beside what conmon tells. */
export const EXIT_CHECK_INTERVAL_MS = 500;
/** How long conmon may take to write the exit file after its container ended. */
export const EXIT_FILE_TIMEOUT_MS = 5_000;

/** A registry: a request or a transfer without progress; layers fetched at once. */
export const REGISTRY_TIMEOUT_MS = 60_000;
export const LAYERS_AT_ONCE = 3;
/** An answer of a token server. */
export const TOKEN_BYTES = 1 << 20;

/** How long a command on a terminal waits for the client's size before it starts without. */
export const FIRST_SIZE_TIMEOUT_MS = 100;
/** How often an exec's terminal is asked for until the OCI runtime has handed it over. */
export const CONSOLE_INTERVAL_MS = 2;
/** conmon reads input from the attach socket in pieces of at most this. */
export const ATTACH_PACKET_BYTES = 8_192;

/** A streaming URL is good for one request, this long; and so many may wait. */
export const STREAM_TOKEN_TTL_MS = 60_000;
export const STREAM_TOKENS = 1_000;

/** Events that wait for one slow reader of GetContainerEvents before the oldest go. */
export const EVENT_BACKLOG = 1_000;
/**
 * How long a measured size of a writable layer is good for, at least, and as a multiple of the time
 * that it took to measure.
 */
export const DISK_USAGE_TTL_MS = 2_000;
export const DISK_USAGE_REST = 10;
