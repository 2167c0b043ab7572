/** CSI spec, "Size Limits": a string field holds at most 128 bytes unless it says otherwise. */
export const STRING_BYTES_MAX = 128;

/** CSI spec, "Size Limits": the keys and values of a map field hold at most 4 KiB together. */
export const MAP_BYTES_MAX = 4096;

/** Linux PATH_MAX without its terminating zero. CSI allows paths to exceed the 128 bytes. */
export const PATH_BYTES_MAX = 4095;

/** A state file beyond this is not ours: reading it would only exhaust memory. */
export const STATE_FILE_BYTES_MAX = 64 * 1024 * 1024;

/** Copies of volumes by one driver, and those of them that a namespace may have. */
export const COPIES_MAX = 4;
export const COPIES_OF_NAMESPACE_MAX = 2;

/** The size of a volume without a capacity range: 1 GiB. */
export const CAPACITY_DEFAULT_BYTES = 1024 ** 3;
