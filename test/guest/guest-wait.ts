/**
 * Limit of a wait in a guest, by its clock, which is the host's: the guest does not see that others
 * use the host's processors, so the host ends it sooner (`runGuest`).
 */
export const GUEST_WAIT_MS = 1_800_000;

/** Pause between two looks of a wait in a guest, where each system call takes long. */
export const GUEST_ASK_MS = 500;
