/** The plugin directory is looked at this often, next to file events. */
export const RECHECK_MS = 5_000;

/** A registration that failed is tried again after this, doubled up to the most. */
export const REGISTER_BACK_OFF_MS = 250;
export const REGISTER_BACK_OFF_MAX_MS = 30_000;

/** One call of Register. */
export const REGISTER_TIMEOUT_MS = 10_000;
