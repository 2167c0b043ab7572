import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ConnectOptions, EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { RpcServer } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { embeddedClient } from "./embedded.ts";
import { caughtUp, publish } from "./etcd/cluster/publish.ts";
import {
  frontOf,
  listed,
  listenForClients,
  listenForPages,
  listenForPeers,
  urlOf,
} from "./listen.ts";
import { assemble, type Machine, type Servers } from "./machine.ts";
import { MemberMetrics } from "./metrics/member.ts";
import { Backends } from "./node/backends.ts";
import { bootstrap } from "./node/bootstrap.ts";
import { refuseForeign } from "./node/data-dir.ts";
import { DiskReserve } from "./node/disk-reserve.ts";
import { type OpenedMember, openMember } from "./node/open.ts";
import { DEFAULT_TIMING } from "./node/timing.ts";
import type { StoreOptions } from "./options.ts";
import { checkAtStart } from "./scrub/scrub.ts";
import { SnapshotFolder } from "./snapshot/folder.ts";
import { fetchMembers } from "./transport/fetch-members.ts";

export interface Store {
  /** The same API as over the network, without it. */
  client: EtcdClient;
  /** Where gRPC is served: `host:port` or `unix:///path`. */
  address: string | undefined;
  /** The same for each address, as an endpoint: `http://host:port`, `unix:///path`. */
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
  refuseForeign(dataDir, options.walDir);
  mkdirSync(join(dataDir, "member"), { recursive: true, mode: 0o700 });
  const metrics = new MemberMetrics(options.slow, clock);
  let assembled: Machine | undefined;
  // An error before there is a machine fails the start.
  const early = Promise.withResolvers<never>();
  early.promise.catch(() => undefined);
  const fail = (reason: unknown) => {
    if (assembled) assembled.replica.fail(reason);
    else early.reject(reason);
  };
  const reserve = options.keepsDiskReserve ? new DiskReserve(dataDir, clock) : undefined;
  const backends = new Backends(dataDir, { onDamage: fail, metrics });
  const folders = { backends, snapshots: new SnapshotFolder(dataDir) };
  const opening = openMember({
    ...{ dataDir, clock, random, metrics, ...folders },
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
  const machineOptions = { ...options, ...folders, clock, random, metrics, reserve };
  let ended: { reason: unknown } | undefined;
  const onFatal = fatalHandler(options);
  const machine = assemble(opened, machineOptions, (reason) => {
    ended = { reason };
    opened.mark.end();
    onFatal(reason);
  });
  assembled = machine;
  const servers: Servers = { clients: [], peers: [] };
  try {
    refuseAlone(opened, options);
    servers.peers.push(...(await listenForPeers(options, machine, clock)));
    await machine.start();
    const front = frontOf(machine);
    const pages = await listenForPages(options, front);
    servers.clients.push(...pages);
    // Nothing else is served before there is a leader and this member has applied what it knows.
    await caughtUp(machine.context);
    // Writes acknowledged from now on must not meet the lost members at the next start.
    if (options.forceNewCluster) await machine.flusher.settled();
    if (options.initialCorruptCheck) await checkAtStart(machine.context);
    const { grpc, http } = await listenForClients(options, machine, front);
    servers.clients.push(...grpc, ...http);
    await publish(machine.context, presence(options, grpc));
    machine.recordCheck.start();
    const endpoints = endpointsOf(options, grpc);
    const addresses = grpc.map(({ address }) => address);
    log.info("store is up", { addresses, dataDir, revision: opened.state.revision });
    return {
      client: embeddedClient(machine.context, plainConnection(endpoints), options.tracer),
      address: addresses[0],
      endpoints,
      httpAddresses: [...http, ...pages].map(({ address }) => address),
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

/** How others reach the store without TLS, for which they would need certificates. */
function plainConnection(endpoints: readonly string[]): ConnectOptions | undefined {
  const plain = endpoints.filter((endpoint) => !endpoint.startsWith("https:"));
  return plain.length > 0 ? { endpoints: plain } : undefined;
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
