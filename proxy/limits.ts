/** How long changes are gathered before they are applied together. */
export const GATHER_MS = 20;
/** The first pause after the kernel refused a transaction; doubled each time. */
export const RETRY_FIRST_MS = 500;
export const RETRY_MAX_MS = 30_000;
/** How often it is looked whether the table is still there: somebody may flush the ruleset. */
export const VERIFY_MS = 5_000;
/** Elements in one statement, so that no line of a transaction grows without bound. */
export const ELEMENTS_PER_STATEMENT = 500;
/**
 * Clients that one endpoint's session affinity remembers; the kernel forgets none before its time.
 */
export const AFFINITY_CLIENTS = 65_535;
/** ClientIP affinity when the Service says none: upstream's default, 3 hours. */
export const AFFINITY_DEFAULT_S = 10_800;
