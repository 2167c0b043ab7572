import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { HashKVResponse } from "@raft2kube/proto/gen/etcd.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { EtcdContext } from "@raft2kube/store/etcd/request/context.ts";
import type { Compactor } from "@raft2kube/store/mvcc/persist/compaction/compactor.ts";
import type { Flusher } from "@raft2kube/store/mvcc/persist/flush/flusher.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import type { WatchHub } from "@raft2kube/store/mvcc/watch/hub.ts";
import type { LeaseExpiry } from "@raft2kube/store/node/lease-expiry.ts";
import type { Replica } from "@raft2kube/store/node/replica.ts";
import type { Scrub } from "@raft2kube/store/scrub/scrub.ts";
import type { Wal } from "@raft2kube/store/wal/wal.ts";

/** A member between a start and its end: the product's own rooms, over simulated surroundings. */
export interface Generation {
  /** Counts the lives of one member. */
  readonly number: number;
  /** Random for each life: the tickets of its proposals carry it. */
  readonly session: number;
  readonly raft: Raft;
  readonly wal: Wal;
  readonly state: State;
  readonly flusher: Flusher;
  readonly compactor: Compactor;
  readonly watches: WatchHub;
  readonly replica: Replica;
  readonly expiry: LeaseExpiry;
  readonly scrub: Scrub;
  readonly context: EtcdContext;
  readonly client: EtcdClient;
  /** Maintenance.HashKV, which the client does not have. */
  hashKv: (revision: number) => Promise<HashKVResponse>;
}
