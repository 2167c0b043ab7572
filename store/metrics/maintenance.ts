import {
  addMetric,
  exponentialBounds,
  type Histogram,
  HistogramFamily,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

type Kind = "defragment" | "snapshot" | "hash" | "hashKv" | "snapshotSync" | "snapshotSave";

/** Name, help and buckets of each, which are etcd's. */
const KINDS: Readonly<Record<Kind, readonly [string, string, readonly number[]]>> = {
  defragment: [
    "etcd_disk_backend_defrag_duration_seconds",
    "How long defragmentation took.",
    exponentialBounds(0.1, 2, 13),
  ],
  snapshot: [
    "etcd_disk_backend_snapshot_duration_seconds",
    "How long snapshots for clients took.",
    exponentialBounds(0.01, 2, 17),
  ],
  hash: ["etcd_mvcc_hash_duration_seconds", "How long Hash took.", exponentialBounds(0.01, 2, 15)],
  hashKv: [
    "etcd_mvcc_hash_rev_duration_seconds",
    "How long HashKV took.",
    exponentialBounds(0.01, 2, 15),
  ],
  snapshotSync: [
    "etcd_snap_db_fsync_duration_seconds",
    "How long the sync of a received snapshot took.",
    exponentialBounds(0.001, 2, 14),
  ],
  snapshotSave: [
    "etcd_snap_db_save_total_duration_seconds",
    "How long it took to receive a snapshot onto the disk.",
    exponentialBounds(0.1, 2, 10),
  ],
};

/** How long work on the whole store took, under etcd's names. */
export class MaintenanceMetrics {
  readonly #histograms: Readonly<Record<Kind, Histogram>>;
  readonly #clock: Clock;
  #defragmenting = 0;

  constructor(registry: Registry, clock: Clock) {
    this.#clock = clock;
    const entries = Object.entries(KINDS).map(([kind, [name, help, bounds]]) => {
      return [kind, new HistogramFamily(registry, name, help, bounds).of()];
    });
    this.#histograms = Object.fromEntries(entries) as Record<Kind, Histogram>;
    const head = { name: "etcd_disk_defrag_inflight", help: "1 while it defragments." };
    const samples = () => [{ labels: {}, value: this.#defragmenting > 0 ? 1 : 0 }];
    addMetric(registry, { ...head, type: "gauge" }, samples);
  }

  /** Times work to its end; what failed is not counted. */
  async timed<R>(kind: Kind, work: () => Promise<R>): Promise<R> {
    const end = this.begin(kind);
    if (kind === "defragment") this.#defragmenting++;
    try {
      const result = await work();
      end();
      return result;
    } finally {
      if (kind === "defragment") this.#defragmenting--;
    }
  }

  /** The same for work that is no promise: call what is returned at its end. */
  begin(kind: Kind): () => void {
    const from_ms = this.#clock.monotonic();
    return () => this.#histograms[kind].observe((this.#clock.monotonic() - from_ms) / 1_000);
  }
}
