/** The measurements of an engine. */
export interface Measurements {
  /** 1 KiB records in synced batches of 400. */
  load_perSecond: number;
  /** A synced batch of ten records of 256 B, median. */
  flush_ms: number;
  /** The longest that the event loop was held while loading. */
  blocked_ms: number;
  /** Opening, and reading all there is, as a start does. */
  restart_ms: number;
  /** One record of 100,000, at random. */
  read_us: number;
  scan_ms: number;
  /** Removing half of all records, and giving back their space. */
  compact_ms: number;
  /** Size on disk after loading, and after removing half. */
  size_MiB: number;
  compacted_MiB: number;
  /** The process's largest resident set. */
  memory_MiB: number;
}

export const WHAT: Readonly<Record<keyof Measurements, readonly [what: string, unit: string]>> = {
  load_perSecond: ["records of 1 KiB, synced batches of 400", "/s"],
  flush_ms: ["a synced batch of 10 records of 256 B", "ms"],
  blocked_ms: ["longest hold of the event loop while loading", "ms"],
  restart_ms: ["opening and reading 100,000 records", "ms"],
  read_us: ["one record at random", "us"],
  scan_ms: ["reading all again", "ms"],
  compact_ms: ["removing half, and giving back the space", "ms"],
  size_MiB: ["on disk", "MiB"],
  compacted_MiB: ["on disk with half removed", "MiB"],
  memory_MiB: ["largest resident set", "MiB"],
};
