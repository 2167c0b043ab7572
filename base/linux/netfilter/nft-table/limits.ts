/** Elements in one statement of a transaction. */
export const ELEMENTS_PER_STATEMENT = 500;
/** A longer transaction is applied by the program nft, whose memory ends with it. */
export const IN_PROCESS_BYTES_MAX = 1 << 20;
