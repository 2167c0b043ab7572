/** Timeout of one command of one plugin, which is then killed. */
export const PLUGIN_TIMEOUT_MS = 60_000;
/** Maximum output of a plugin on stdout; a result has a few kilobytes. */
export const PLUGIN_STDOUT_BYTES = 1 << 20;
/** Bytes of a plugin's stderr in an error message. */
export const PLUGIN_STDERR_BYTES = 8 << 10;
/** Maximum size of a network configuration from a file or stdin. */
export const CONFIG_BYTES = 1 << 20;
/** Maximum number of plugins in a list. */
export const PLUGINS_IN_LIST = 32;
/** Maximum length of a network name or container id: cache file names consist of both. */
export const NAME_LENGTH = 120;
/** Maximum length of an interface name: IFNAMSIZ - 1. */
export const IFNAME_LENGTH = 15;
/** How long an allocation waits for the lock of another process. */
export const LOCK_WAIT_MS = 10_000;
/** Interval between attempts to take the lock. */
export const LOCK_RETRY_MS = 5;
/** Attempts to set route_localnet while other calls change the port mappings. */
export const LOCALNET_ATTEMPTS_MAX = 16;
