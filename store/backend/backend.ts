/** One change of a batch; without `value` the key is removed. */
export type BackendWrite = { key: Buffer; value: Buffer | undefined };

export interface ScanRange {
  /** First key, included. */
  from: Buffer;
  /** Last key, excluded. */
  to: Buffer;
}

export type BackendPair = [key: Buffer, value: Buffer];

/**
 * Ordered bytes on disk, behind which the engine can be swapped (level, memory). Keys sort
 * bytewise.
 */
export interface Backend {
  getSync(key: Buffer): Buffer | undefined;
  /** The pairs of a range in order, in chunks; a view of the moment the scan started. */
  scan(range: ScanRange): AsyncIterable<BackendPair[]>;
  /**
   * All or nothing. With `sync`, durable when it resolves. `writes` is read once, later in part:
   * a large batch is prepared over several turns of the loop.
   */
  writeBatch(writes: Iterable<BackendWrite>, options: { sync: boolean }): Promise<void>;
  /** A frozen view, to be read while writes continue. */
  snapshot(): BackendSnapshot;
  /** Lets the engine give back the space of removed keys. */
  compactRange(range: ScanRange): Promise<void>;
  /** Bytes taken on disk, and bytes of live data where the engine knows. */
  size(): Promise<{ total: number; inUse: number }>;
  close(): Promise<void>;
}

export interface BackendSnapshot {
  scan(range: ScanRange): AsyncIterable<BackendPair[]>;
  close(): Promise<void>;
}

/** Pairs in one chunk of a scan. */
export const SCAN_CHUNK_PAIRS = 250;
