/** How long one plugin may take for one command before it is killed. */
export const PLUGIN_TIMEOUT_MS = 60_000;
/** The most a plugin may print on stdout; a result is a few kilobytes. */
export const PLUGIN_STDOUT_BYTES = 1 << 20;
/** How much of a plugin's stderr is kept for the error message. */
export const PLUGIN_STDERR_BYTES = 8 << 10;
/** The largest network configuration read from a file or stdin. */
export const CONFIG_BYTES = 1 << 20;
/** The most plugins in one list. */
export const PLUGINS_IN_LIST = 32;
/**
 * The longest network name and container id; the kernel's file name limit with room for the cache's
 * parts.
 */
export const NAME_LENGTH = 120;
/** IFNAMSIZ - 1: the longest name of a network interface. */
export const IFNAME_LENGTH = 15;
/** How long an address allocation waits for another process's lock. */
export const LOCK_WAIT_MS = 10_000;
/** How often a held lock is asked for again. */
export const LOCK_RETRY_MS = 5;
/** How often portmap looks again at mappings that others change before it gives up. */
export const LOCALNET_ROUNDS_MAX = 16;
