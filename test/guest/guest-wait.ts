/**
 * Limit of a wait in a guest, by its clock, which is the host's: the guest does not see that others
 * use the host's processors, so the host ends it sooner (`runGuest`).
 */
export const GUEST_WAIT_MS = 1_800_000;
