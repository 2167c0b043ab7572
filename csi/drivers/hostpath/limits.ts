const GIB = 1024 ** 3;

/** What a volume gets when its capacity range asks for nothing. */
export const CAPACITY_DEFAULT_BYTES = 1 * GIB;

/** The largest volume given out; a claim beyond it is answered OUT_OF_RANGE. */
export const CAPACITY_MAX_BYTES = 1024 * GIB;

/** Volumes and snapshots of one driver: the state file is rewritten whole at each change. */
export const VOLUMES_MAX = 10_000;
export const SNAPSHOTS_MAX = 10_000;

/** How long a copy of a volume's content may run before it is ended and undone. */
export const COPY_TIMEOUT_MS = 10 * 60_000;
