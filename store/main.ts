import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import type { RpcServer } from "@raft2kube/rpc/server.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import type { AuthOptions } from "./auth/setup.ts";
import { embeddedClient } from "./embedded.ts";
import { caughtUp, publish } from "./etcd/cluster/publish.ts";
import { type Listen, listed, listenForClients, listenForPeers, urlOf } from "./listen.ts";
import { type Machine, assemble } from "./machine.ts";
import { Measures, type SlowLimits } from "./metrics/member.ts";
import type { AutoCompactionOptions } from "./node/auto-compaction.ts";
import { DEFAULT_TIMING, type Timing } from "./node/timing.ts";
import { type ClusterOptions, bootstrap } from "./node/bootstrap.ts";
import { DiskReserve } from "./node/disk-reserve.ts";
import { Backends } from "./node/backends.ts";
import { type OpenedMember, openMember } from "./node/open.ts";
import { SnapshotFolder } from "./snapshot/folder.ts";
import { checkAtStart } from "./scrub/scrub.ts";
import { fetchMembers } from "./transport/fetch-members.ts";

/** The other members: where they reach this one, and how it finds them at its first start. */
export interface PeersOptions extends ClusterOptions {
  listen: Listen | readonly Listen[];
  /** What this member presents to others, and whom it believes. */
  tls?: ClientTls;
}

export interface StoreOptions {
  /** Made when it is not there. One process at a time. */
  dataDir: string;
  /** The member's name. Default `default`, as etcd's. */
  name?: string;
  /** Makes the cluster's id differ from others of the same name. Default `etcd-cluster`. */
  clusterToken?: string;
  /** Without them the store is a cluster of one, which nobody can join. */
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
  /** What members are told to reach this one's clients by. Default the address listened on. */
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
  /** From when on the log calls something slow. */
  slow?: SlowLimits;
  /**
   * The backend may grow to this many bytes; beyond it the NOSPACE alarm goes on. 0 is etcd's
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
   * Between two comparisons of the members' data, made by the leader (etcd's --corrupt-check-time);
   * 0 for none. Default one hour.
   */
  corruptCheckInterval_ms?: number;
  /** Between progress notices of quiet watches that asked for them. Default 10 minutes. */
  watchProgressInterval_ms?: number;
  /** Much was written, and then nothing for a second: a moment to give memory back. */
  onQuiet?: () => void;
  clock?: Clock;
  random?: Random;
  /**
   * The store had to end: a failed sync, a full disk, a broken invariant. What it acknowledged is
   * safe; the process must not go on as if nothing had happened. By default it is thrown outside
   * of any call, which ends the process.
   */
  onFatal?: (reason: unknown) => void;
}

export interface Store {
  /** The same API as over the network, without it. */
  client: EtcdClient;
  /** Where gRPC is served: `host:port` or `unix:///path`. */
  address: string | undefined;
  /** The same for each address, as clients are told: `http://host:port`, `unix:///path`. */
  endpoints: string[];
  /** Where HTTP alone is served, in the order of `listenHttp`, then `listenMetrics`. */
  httpAddresses: string[];
  /** Ends calls, writes what is in memory to the backend, closes all files. */
  close(): Promise<void>;
}

const log = logger("store");

/**
 * Starts a member: recovers its log and state, joins the others, serves. Resolves once it has
 * caught up with the cluster, which takes a majority.
 */
export async function startStore(options: StoreOptions): Promise<Store> {
  const { dataDir, clock = systemClock(), random = systemRandom } = options;
  mkdirSync(join(dataDir, "member"), { recursive: true, mode: 0o700 });
  const measures = new Measures(options.slow);
  let assembled: Machine | undefined;
  // What fails before there is a machine fails the start.
  const early = Promise.withResolvers<never>();
  early.promise.catch(() => undefined);
  const fail = (reason: unknown) => {
    if (assembled) assembled.replica.fail(reason);
    else early.reject(reason);
  };
  const reserve = options.keepsDiskReserve ? new DiskReserve(dataDir, clock) : undefined;
  const backends = new Backends(dataDir, { onDamage: fail, measures });
  const folders = { backends, snapshots: new SnapshotFolder(dataDir) };
  const opening = openMember({
    ...{ dataDir, clock, random, measures, ...folders },
    forceNewCluster: options.forceNewCluster ?? false,
    walDir: options.walDir,
    timing: options.timing ?? DEFAULT_TIMING,
    bootstrap: () => bootstrap(bootstrapOptions(options)),
    onFatal: fail,
  });
  const opened = await Promise.race([opening, early.promise]).catch(async (thrown: unknown) => {
    await reserve?.close();
    throw thrown;
  });
  const machineOptions = { ...options, ...folders, clock, random, measures, reserve };
  let ended: { reason: unknown } | undefined;
  const onFatal = fatalHandler(options);
  const machine = assemble(opened, machineOptions, (reason) => {
    ended = { reason };
    opened.mark.end();
    onFatal(reason);
  });
  assembled = machine;
  const servers: RpcServer[] = [];
  try {
    refuseAlone(opened, options);
    servers.push(...(await listenForPeers(options, machine, clock)));
    await machine.start();
    // Nobody is served before there is a leader and this member has applied what it knows.
    await caughtUp(machine.context);
    // What it acknowledges from now on must not meet the lost members at the next start.
    if (options.forceNewCluster) await machine.flusher.settled();
    if (options.initialCorruptCheck) await checkAtStart(machine.context);
    const { grpc, http } = await listenForClients(options, machine);
    servers.push(...grpc, ...http);
    await publish(machine.context, presence(options, grpc));
    machine.recordCheck.start();
    const { revision } = opened.state;
    const addresses = grpc.map(({ address }) => address);
    log.info("store is up", { addresses, dataDir, revision });
    return {
      client: embeddedClient(machine.context),
      address: addresses[0],
      endpoints: endpointsOf(options, grpc),
      httpAddresses: http.map(({ address }) => address),
      close: () => machine.close(servers),
    };
  } catch (thrown) {
    await machine.close(servers);
    // A call of the start finds the member stopped; why it did is what the caller needs.
    throw ended ? ended.reason : thrown;
  }
}

function bootstrapOptions(options: StoreOptions) {
  const { name = "default", clusterToken: token = "etcd-cluster", peers } = options;
  return { name, token, cluster: peers, tls: peers?.tls, fetchMembers };
}

/** A member of several cannot do without the others. */
function refuseAlone({ state }: OpenedMember, { peers }: StoreOptions): void {
  const count = state.members.values().length;
  if (peers || count < 2) return;
  throw new CodedError("NO_PEERS", `the cluster has ${count} members, and this one no peer URL`, {
    remedy: "start it with --listen-peer-urls; or --force-new-cluster, when the others are lost",
  });
}

function presence(options: StoreOptions, servers: RpcServer[]) {
  const { name = "default", advertiseClientUrls, peers } = options;
  const clientURLs = advertiseClientUrls ?? endpointsOf(options, servers);
  return { name, clientURLs, peerURLs: peers?.advertiseUrls ?? [] };
}

function endpointsOf({ listenClient }: StoreOptions, servers: RpcServer[]): string[] {
  return listed(listenClient).map((listen, i) => urlOf(listen, servers[i]!));
}

function fatalHandler({ onFatal }: StoreOptions): (reason: unknown) => void {
  return (reason) => {
    log.error("store has to end", { err: reason, reason: messageOf(reason) });
    if (onFatal) return onFatal(reason);
    process.nextTick(() => {
      throw reason;
    });
  };
}
