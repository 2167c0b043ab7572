import { exponentialBounds, Histogram } from "@raft2kube/observe/families.ts";

/** etcd's buckets of leases' TTLs, in seconds (upstream: lease/metrics.go). */
const TTL_BOUNDS_S = exponentialBounds(1, 2, 24);

/** Counters of this member since its start; not part of the replicated state. */
export interface OperationMetrics {
  ranges: number;
  puts: number;
  /** Bytes of keys and values of all puts. */
  putBytes: number;
  deletes: number;
  /** Transactions with more than one operation. */
  txns: number;
  leasesGranted: number;
  leasesRevoked: number;
  leasesRenewed: number;
  leasesExpired: number;
  readonly leaseTtls_s: Histogram;
}

export const newOperationMetrics = (): OperationMetrics => ({
  ranges: 0,
  puts: 0,
  putBytes: 0,
  deletes: 0,
  txns: 0,
  leasesGranted: 0,
  leasesRevoked: 0,
  leasesRenewed: 0,
  leasesExpired: 0,
  leaseTtls_s: new Histogram(TTL_BOUNDS_S),
});
