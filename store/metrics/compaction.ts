import { exponentialBounds, Histogram } from "@raft2kube/observe/families.ts";

/** Metrics of compactions; etcd's buckets (upstream: storage/mvcc/metrics.go). */
export class CompactionMetrics {
  /** Each turn that the index is held up. */
  readonly indexPause_ms = new Histogram(exponentialBounds(0.5, 2, 14));
  /** Each batch of removals from the backend. */
  readonly backendPause_ms = new Histogram(exponentialBounds(1, 2, 13));
  readonly total_ms = new Histogram(exponentialBounds(100, 2, 14));
  /** When the last one ended, in seconds since 1970; 0 before. */
  lastEnd_s = 0;
  /** Records removed. */
  records = 0;
}
