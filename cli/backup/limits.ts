/** The store's snapshot is in parts of this size, so that neither side holds all of it. */
export const STORE_PART_BYTES = 4 * 1024 * 1024;
/** One file of certificates, keys or configuration. */
export const FILE_BYTES_MAX = 1024 * 1024;
/** Files of certificates, keys, configuration and static pods together. */
export const FILES_MAX = 4_096;
/** A passphrase's file, its line feed included. */
export const PASSPHRASE_BYTES_MAX = 1_024;
/** The fewest characters of a passphrase: a thief of the backup can try as many as they like. */
export const PASSPHRASE_LENGTH_MIN = 8;
/** scrypt's cost of a passphrase as a power of two, age's default: about a second, 256 MiB. */
export const SCRYPT_LOG_N = 18;
