import { Gauge, type Registry } from "@raft2kube/observe/metrics.ts";
import { addProcessFigures } from "@raft2kube/observe/process-figures.ts";
import { NONE } from "../core/types.ts";
import { CLUSTER_VERSION, ETCD_VERSION } from "../version.ts";
import type { EtcdContext } from "./context.ts";

type Figure = [name: string, help: string, value: () => number];

/** The store's figures under etcd's names; these are read when they are asked for. */
export function storeMetrics(context: EtcdContext): Registry {
  const { registry } = context.measures;
  addProcessFigures(registry);
  for (const [name, help, value] of [...raftFigures(context), ...stateFigures(context)]) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  }
  backendFigures(registry, context);
  constants(registry, context);
  return registry;
}

function raftFigures({ replica, state, transport }: EtcdContext): Figure[] {
  const raft = () => replica.raft.state;
  const isLearner = () => state.membership.learners.includes(state.identity.memberId);
  const active = () =>
    state.members.values().filter(({ ID }) => transport.connectedSince_ms(ID) !== undefined).length;
  return [
    ["etcd_server_has_leader", "1 when this member knows a leader.", () =>
      raft().leader === NONE ? 0 : 1],
    ["etcd_server_is_leader", "1 when this member leads.", () => (replica.raft.isLeader ? 1 : 0)],
    ["etcd_server_is_learner", "1 when this member is a learner.", () => (isLearner() ? 1 : 0)],
    ["etcd_server_proposals_committed_total", "Index of the last committed entry.", () =>
      raft().log.committed],
    ["etcd_server_proposals_applied_total", "Index of the last applied entry.", () =>
      state.appliedIndex],
    ["etcd_server_proposals_pending", "Proposals not yet applied.", () => replica.pendingProposals],
    ["etcd_network_active_peers", "Members with a stream to them.", active],
  ];
}

function stateFigures({ state, watches, quota }: EtcdContext): Figure[] {
  return [
    ["etcd_server_quota_backend_bytes", "The bound of the backend.", () => quota.bytes_max],
    ["etcd_debugging_mvcc_current_revision", "The current revision.", () => state.revision],
    ["etcd_debugging_mvcc_compact_revision", "The revision last compacted to.", () =>
      state.compactRevision],
    ["etcd_debugging_mvcc_keys_total", "Keys in the index.", () => state.index.size],
    ["etcd_debugging_mvcc_watcher_total", "Watches.", () => watches.watcherCount],
    ["etcd_debugging_mvcc_watch_stream_total", "Watch streams.", () => watches.streamCount],
    ["etcd_debugging_lease_granted_total", "Leases alive.", () => state.leases.size],
    ["etcd_debugging_auth_revision", "The auth revision.", () => state.auth.revision],
  ];
}

function backendFigures(registry: Registry, { state }: EtcdContext): void {
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

/** What dashboards join others by: always 1, with what they say as labels. */
function constants(registry: Registry, { state }: EtcdContext): void {
  const all: [string, string, string][] = [
    ["etcd_server_id", "server_id", state.identity.memberId.toString(16)],
    ["etcd_server_version", "server_version", ETCD_VERSION],
    ["etcd_cluster_version", "cluster_version", CLUSTER_VERSION.replace(/\.[0-9]+$/, "")],
  ];
  for (const [name, label, value] of all) {
    new Gauge({ name, help: "1, with a label.", labelNames: [label], registers: [registry] }).set(
      { [label]: value },
      1,
    );
  }
}
