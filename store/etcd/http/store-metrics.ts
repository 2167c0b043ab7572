import {
  addMetric,
  type Histogram,
  type MetricHead,
  type Sample,
} from "@raft2kube/observe/families.ts";
import { Gauge, type Registry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";
import { NONE } from "../../core/types.ts";
import { featuresOf } from "../../metrics/features.ts";
import { clusterVersion } from "../../mvcc/apply/downgrade.ts";
import { ETCD_VERSION } from "../../version.ts";
import { alarmName } from "../maintenance/alarm-text.ts";
import type { EtcdContext } from "../request/context.ts";

/** Metrics that are read when they are collected: one value, or one for each set of labels. */
type ReadMetrics = Readonly<Record<string, readonly [help: string, read: () => number | Sample[]]>>;

/** Returns the registry with the metrics that are read when they are collected. */
export function storeMetrics(context: EtcdContext): Registry {
  const { registry } = context.metrics;
  addProcessMetrics(registry);
  const gauges = [raftGauges, memberGauges, stateGauges, watchGauges, constants];
  for (const each of gauges) addRead(registry, "gauge", each(context));
  for (const each of [opCounters, trafficCounters]) addRead(registry, "counter", each(context));
  const { compactor, state } = context;
  const { indexPause_ms, backendPause_ms, total_ms } = compactor.metrics;
  const histograms: [string, string, Histogram][] = [
    ["index_compaction_pause", "Turns that compact the index.", indexPause_ms],
    ["db_compaction_pause", "Batches of removals.", backendPause_ms],
    ["db_compaction_total", "Whole compactions.", total_ms],
  ];
  for (const [name, help, histogram] of histograms) {
    addHistogram(registry, `etcd_debugging_mvcc_${name}_duration_milliseconds`, help, histogram);
  }
  const { leaseTtls_s } = state.metrics;
  addHistogram(registry, "etcd_debugging_lease_ttl_total", "TTLs of leases granted.", leaseTtls_s);
  backendMetrics(registry, context);
  return registry;
}

function addRead(registry: Registry, type: MetricHead["type"], metrics: ReadMetrics): void {
  for (const [name, [help, read]] of Object.entries(metrics)) {
    addMetric(registry, { type, name, help }, () => {
      const now = read();
      return typeof now === "number" ? [{ labels: {}, value: now }] : now;
    });
  }
}

function addHistogram(registry: Registry, name: string, help: string, histogram: Histogram): void {
  addMetric(registry, { type: "histogram", name, help }, () => histogram.samples(name, {}));
}

const hex = (id: bigint) => id.toString(16);

function raftGauges({ replica, state }: EtcdContext): ReadMetrics {
  const raft = () => replica.raft.state;
  const isLearner = () => state.membership.learners.includes(state.identity.memberId);
  return {
    etcd_server_has_leader: [
      "1 when this member knows a leader.",
      () => (raft().leader === NONE ? 0 : 1),
    ],
    etcd_server_is_leader: ["1 when this member leads.", () => (replica.raft.isLeader ? 1 : 0)],
    etcd_server_is_learner: ["1 when this member is a learner.", () => (isLearner() ? 1 : 0)],
    etcd_server_proposals_committed_total: [
      "Index of the last committed entry.",
      () => raft().log.committed,
    ],
    etcd_server_proposals_applied_total: [
      "Index of the last applied entry.",
      () => state.appliedIndex,
    ],
    etcd_server_proposals_pending: ["Proposals not yet applied.", () => replica.pendingProposals],
    etcd_server_snapshot_apply_in_progress_total: [
      "1 while one is installed.",
      () => (replica.installs > 0 ? 1 : 0),
    ],
  };
}

function memberGauges({ state, transport }: EtcdContext): ReadMetrics {
  const { memberId } = state.identity;
  const others = () => state.members.values().filter(({ ID }) => ID !== memberId);
  const among = (Remote: bigint, value: number): Sample => {
    return { labels: { Local: hex(memberId), Remote: hex(Remote) }, value };
  };
  const isActive = (id: bigint) => (transport.connectedSince_ms(id) === undefined ? 0 : 1);
  return {
    etcd_network_active_peers: [
      "Members with a stream to them.",
      () => others().map(({ ID }) => among(ID, isActive(ID))),
    ],
    etcd_network_known_peers: [
      "Members, this one included.",
      () => state.members.values().map(({ ID }) => among(ID, 1)),
    ],
    etcd_debugging_server_alarms: [
      "Alarms that are on.",
      () =>
        state.alarms.list().map(({ memberID, alarm }) => {
          return { labels: { server_id: hex(memberID), alarm_type: alarmName(alarm) }, value: 1 };
        }),
    ],
  };
}

const stateGauges = ({ state, quota, metrics, compactor }: EtcdContext): ReadMetrics => ({
  etcd_server_quota_backend_bytes: ["The bound of the backend.", () => quota.bytes_max],
  etcd_debugging_mvcc_current_revision: ["The current revision.", () => state.revision],
  etcd_debugging_mvcc_compact_revision: [
    "The revision last compacted to.",
    () => state.compactRevision,
  ],
  etcd_debugging_mvcc_keys_total: ["Keys that exist.", () => state.index.live],
  etcd_debugging_auth_revision: ["The auth revision.", () => state.auth.revision],
  etcd_debugging_mvcc_total_put_size_in_bytes: [
    "Keys and values of all puts.",
    () => state.metrics.putBytes,
  ],
  etcd_mvcc_db_open_read_transactions: [
    "Views of the backend that are open.",
    () => metrics.openReads,
  ],
  etcd_debugging_mvcc_db_compaction_last: [
    "Its end, since 1970.",
    () => compactor.metrics.lastEnd_s,
  ],
});

const watchGauges = ({ watches }: EtcdContext): ReadMetrics => ({
  etcd_debugging_mvcc_watcher_total: ["Watches.", () => watches.watcherCount],
  etcd_debugging_mvcc_watch_stream_total: ["Watch streams.", () => watches.streamCount],
  etcd_debugging_mvcc_slow_watcher_total: ["Watches that lag behind.", () => watches.slowCount],
  etcd_debugging_mvcc_pending_events_total: ["Events not yet sent.", () => watches.pendingEvents],
});

function opCounters({ state, replica, watches, compactor }: EtcdContext): ReadMetrics {
  // The metrics outlive a state that a snapshot brought.
  const { metrics } = state;
  const reads = replica.readMetrics;
  return {
    etcd_server_slow_read_indexes_total: ["Asked for again.", () => reads.slow],
    etcd_server_read_indexes_failed_total: ["Reads that failed.", () => reads.failed],
    etcd_mvcc_range_total: ["Ranges.", () => metrics.ranges],
    etcd_mvcc_put_total: ["Puts.", () => metrics.puts],
    etcd_mvcc_delete_total: ["Deletions.", () => metrics.deletes],
    etcd_mvcc_txn_total: ["Transactions of several operations.", () => metrics.txns],
    etcd_debugging_lease_granted_total: ["Leases granted.", () => metrics.leasesGranted],
    etcd_debugging_lease_revoked_total: ["Leases ended.", () => metrics.leasesRevoked],
    etcd_debugging_lease_renewed_total: ["Renewals.", () => metrics.leasesRenewed],
    etcd_debugging_server_lease_expired_total: [
      "Leases that this leader found expired.",
      () => metrics.leasesExpired,
    ],
    etcd_debugging_mvcc_events_total: ["Events given to watches.", () => watches.eventCount],
    etcd_debugging_mvcc_db_compaction_keys_total: [
      "Records removed.",
      () => compactor.metrics.records,
    ],
  };
}

function trafficCounters({ metrics }: EtcdContext): ReadMetrics {
  const sum = (of: (traffic: Traffic) => number) => () =>
    metrics.clientServers.reduce((all, server) => all + of(server.traffic()), 0);
  return {
    etcd_network_client_grpc_received_bytes_total: [
      "Bytes from clients.",
      sum(({ receivedBytes }) => receivedBytes),
    ],
    etcd_network_client_grpc_sent_bytes_total: [
      "Bytes to clients.",
      sum(({ sentBytes }) => sentBytes),
    ],
  };
}

type Traffic = ReturnType<EtcdContext["metrics"]["clientServers"][number]["traffic"]>;

function backendMetrics(registry: Registry, { state }: EtcdContext): void {
  const sizes: [string, string, "total" | "inUse"][] = [
    ["etcd_mvcc_db_total_size_in_bytes", "Bytes of the backend on disk.", "total"],
    ["etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the backend in use.", "inUse"],
  ];
  for (const [name, help, which] of sizes) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set((await state.backend.size())[which]);
      },
    });
  }
}

/** Info metrics that dashboards join with others: always 1, with labels. */
function constants({ state, initialCorruptCheck, serving }: EtcdContext): ReadMetrics {
  const help = "1, with a label.";
  const one = (labels: Record<string, string>) => () => [{ labels, value: 1 }];
  const cluster = () => clusterVersion(state).replace(/\.[0-9]+$/, "");
  return {
    etcd_server_id: [help, one({ server_id: hex(state.identity.memberId) })],
    etcd_server_version: [help, one({ server_version: ETCD_VERSION })],
    etcd_cluster_version: [help, () => one({ cluster_version: cluster() })()],
    etcd_server_feature_enabled: [
      "1 for a feature that is on.",
      () =>
        featuresOf({ initialCorruptCheck, serving }).map(({ name, stage, on }) => {
          return { labels: { name, stage }, value: on ? 1 : 0 };
        }),
    ],
  };
}
