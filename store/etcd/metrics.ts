import { Gauge, type Registry, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { NONE } from "../core/types.ts";
import type { EtcdContext } from "./context.ts";

/** The store's figures under etcd's names, read when they are asked for. */
export function storeMetrics(context: EtcdContext): Registry {
  const registry = metricsRegistry();
  const { state, replica, watches } = context;
  const gauge = (name: string, help: string, value: () => number) => {
    const collected = new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
    return collected;
  };
  const raft = () => replica.raft.state;
  gauge("etcd_server_has_leader", "1 when this member knows a leader.", () =>
    raft().leader === NONE ? 0 : 1,
  );
  gauge("etcd_server_is_leader", "1 when this member leads.", () =>
    replica.raft.isLeader ? 1 : 0,
  );
  gauge("etcd_server_proposals_committed_total", "Index of the last committed entry.", () =>
    raft().log.committed,
  );
  gauge("etcd_server_proposals_applied_total", "Index of the last applied entry.", () =>
    state.appliedIndex,
  );
  gauge("etcd_server_proposals_pending", "Proposals not yet applied.", () =>
    replica.pendingProposals,
  );
  gauge("etcd_debugging_mvcc_current_revision", "The current revision.", () => state.revision);
  gauge("etcd_debugging_mvcc_compact_revision", "The revision last compacted to.", () =>
    state.compactRevision,
  );
  gauge("etcd_debugging_mvcc_keys_total", "Keys in the index.", () => state.index.size);
  gauge("etcd_debugging_mvcc_watcher_total", "Watches.", () => watches.watcherCount);
  gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.", () => watches.streamCount);
  gauge("etcd_debugging_lease_granted_total", "Leases alive.", () => state.leases.size);
  return registry;
}
