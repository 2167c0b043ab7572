import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import type { ServerOptions } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { AuthOptions } from "./auth/setup.ts";
import type { SlowLimits } from "./metrics/member.ts";
import type { AutoCompactionOptions } from "./node/auto-compaction.ts";
import type { ClusterOptions } from "./node/bootstrap.ts";
import type { Timing } from "./node/timing.ts";

/** One address to listen on. */
export type Listen = ServerOptions["listen"];

/** The other members: where they reach this one, and how it finds them at its first start. */
export interface PeersOptions extends ClusterOptions {
  listen: Listen | readonly Listen[];
  /** The certificate that this member presents to peers, and the CAs that it trusts. */
  tls?: ClientTls;
}

export interface StoreOptions {
  /** Data directory, created when it does not exist. One process at a time. */
  dataDir: string;
  /** The member's name. Default `default`, as etcd's. */
  name?: string;
  /** Makes the cluster's id differ from others of the same name. Default `etcd-cluster`. */
  clusterToken?: string;
  /** Peers; without them the store is a cluster of one that no member can join. */
  peers?: PeersOptions;
  /**
   * Goes on alone with the data of a cluster whose majority is lost: all other members are
   * removed. Only with a data directory that has state.
   */
  forceNewCluster?: boolean;
  /** Serves etcd's gRPC there; without it only the embedded client reaches the store. */
  listenClient?: Listen | readonly Listen[];
  /** Serves HTTP for clients there, and no longer beside gRPC. */
  listenHttp?: readonly Listen[];
  /** Serves /health, /metrics and the like there, without gRPC and its gateway. */
  listenMetrics?: readonly Listen[];
  /** Serves etcd's JSON gateway where HTTP is served for clients. Default true. */
  grpcGateway?: boolean;
  /** The advertised addresses for clients. Default the address listened on. */
  advertiseClientUrls?: string[];
  transactionOperations_max?: number;
  requestBytes_max?: number;
  /** Calls that one connection may have under way. */
  streams_max?: number;
  auth?: AuthOptions;
  /** The log's folder, when it is not to be below `dataDir`. */
  walDir?: string;
  timing?: Timing;
  /** Entries kept in the log for members that are a little behind. */
  catchUpEntries_max?: number;
  /** Members may be added and removed though it could cost the quorum. Default false. */
  looseReconfiguration?: boolean;
  autoCompaction?: AutoCompactionOptions;
  /** Durations from which on the log calls an operation slow. */
  slow?: SlowLimits;
  /**
   * The backend may grow to this many bytes; beyond it the NOSPACE alarm is raised. 0 is etcd's
   * default of 2 GiB, less than 0 no bound.
   */
  quotaBackendBytes?: number;
  /** Keeps space on the disk for this member against what else is written there. Default false. */
  keepsDiskReserve?: boolean;
  /**
   * Compares this member's data with the others' before it serves (etcd's InitialCorruptCheck).
   * Default false.
   */
  initialCorruptCheck?: boolean;
  /**
   * Says NOT_SERVING under grpc.health.v1 while it defragments, though it does serve (etcd's
   * StopGRPCServiceOnDefrag). Default false.
   */
  stopsServiceOnDefragment?: boolean;
  /**
   * Time between two comparisons of the members' data, made by the leader (etcd's
   * --corrupt-check-time); 0 for none. Default one hour.
   */
  corruptCheckInterval_ms?: number;
  /** Time between progress notices of idle watches that asked for them. Default 10 minutes. */
  watchProgressInterval_ms?: number;
  /** Traces clients' calls, as parts of their callers' traces. */
  tracer?: Tracer | undefined;
  clock?: Clock;
  random?: Random;
  /**
   * The store had to end: a failed sync, a full disk, a broken invariant. Acknowledged writes are
   * safe; the process must not continue. By default it is thrown outside of any call, which ends
   * the process.
   */
  onFatal?: (reason: unknown) => void;
}
