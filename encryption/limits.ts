/** How often an encryption configuration is looked at for changes (upstream's minute at most). */
export const ENCRYPTION_RELOAD_MS = 10_000;
