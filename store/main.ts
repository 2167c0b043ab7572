import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import { type RpcServer, type ServerOptions, serveGrpc } from "@raft2kube/rpc/server.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import type { AuthOptions } from "./auth/setup.ts";
import { embeddedClient } from "./embedded.ts";
import { httpPages } from "./etcd/http.ts";
import { LEADER_VERBS } from "./etcd/leader-verbs.ts";
import { membersOf } from "./etcd/member-list.ts";
import { answerAsLeader } from "./etcd/on-leader.ts";
import { caughtUp, publish } from "./etcd/presence.ts";
import { etcdServices } from "./etcd/services.ts";
import { GRPC_OVERHEAD_BYTES, REQUEST_BYTES_MAX } from "./limits.ts";
import { type Machine, assemble } from "./machine.ts";
import { type ClusterOptions, bootstrap } from "./node/bootstrap.ts";
import { Backends } from "./node/backends.ts";
import { type OpenedMember, openMember } from "./node/open.ts";
import { SnapshotFolder } from "./snapshot/folder.ts";
import { checkAtStart } from "./scrub/scrub.ts";
import { fetchMembers } from "./transport/fetch-members.ts";
import { PEER_PROTOCOL } from "./transport/hello.ts";
import { Peers } from "./transport/peers.ts";
import { peerService, refuseForeign } from "./transport/serve.ts";

/** The other members: where they reach this one, and how it finds them at its first start. */
export interface PeersOptions extends ClusterOptions {
  listen: ServerOptions["listen"];
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
  listenClient?: ServerOptions["listen"];
  /** What members are told to reach this one's clients by. Default the address listened on. */
  advertiseClientUrls?: string[];
  transactionOperations_max?: number;
  auth?: AuthOptions;
  /**
   * The backend may grow to this many bytes; beyond it the NOSPACE alarm goes on. 0 is etcd's
   * default of 2 GiB, less than 0 no bound.
   */
  quotaBackendBytes?: number;
  /**
   * Compares this member's data with the others' before it serves (etcd's InitialCorruptCheck).
   * Default false.
   */
  initialCorruptCheck?: boolean;
  /**
   * Between two comparisons of the members' data, made by the leader (etcd's --corrupt-check-time);
   * 0 for none. Default one hour.
   */
  corruptCheckInterval_ms?: number;
  /** Between progress notices of quiet watches that asked for them. Default 10 minutes. */
  watchProgressInterval_ms?: number;
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
  const folders = { backends: new Backends(dataDir), snapshots: new SnapshotFolder(dataDir) };
  const opened = await openMember({
    ...{ dataDir, clock, random, ...folders },
    forceNewCluster: options.forceNewCluster ?? false,
    bootstrap: () => bootstrap(bootstrapOptions(options)),
    onFatal: (reason) => machine?.replica.fail(reason),
  });
  const machineOptions = { ...options, ...folders, clock, random };
  const machine = assemble(opened, machineOptions, fatalHandler(options));
  const servers: RpcServer[] = [];
  try {
    refuseAlone(opened, options);
    servers.push(...(await listenForPeers(options, machine, clock)));
    await machine.start();
    // Nobody is served before there is a leader and this member has applied what it knows.
    await caughtUp(machine.context);
    if (options.initialCorruptCheck) await checkAtStart(machine.context);
    const [server] = await listenForClients(options, machine);
    if (server) servers.push(server);
    await publish(machine.context, presence(options, server?.address));
    const { revision } = opened.state;
    log.info("store is up", { address: server?.address, dataDir, revision });
    return {
      client: embeddedClient(machine.context),
      address: server?.address,
      close: () => machine.close(servers),
    };
  } catch (thrown) {
    await machine.close(servers);
    throw thrown;
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

function presence(options: StoreOptions, address: string | undefined) {
  const { name = "default", advertiseClientUrls, peers } = options;
  const clientURLs = advertiseClientUrls ?? urls(address, options.listenClient);
  return { name, clientURLs, peerURLs: peers?.advertiseUrls ?? [] };
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

function urls(address: string | undefined, listen: StoreOptions["listenClient"]): string[] {
  if (address === undefined || !listen) return [];
  if ("path" in listen) return [address];
  return [`${listen.tls ? "https" : "http"}://${address}`];
}

async function listenForClients(
  options: StoreOptions,
  { context }: Machine,
): Promise<RpcServer[]> {
  if (!options.listenClient) return [];
  const server = await serveGrpc({
    services: etcdServices(context),
    listen: options.listenClient,
    http: httpPages(context),
    messageBytes_max: REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES,
  });
  return [server];
}

async function listenForPeers(
  { peers }: StoreOptions,
  { self, replica, transport, context, receiver }: Machine,
  clock: Clock,
): Promise<RpcServer[]> {
  if (!peers || !(transport instanceof Peers)) return [];
  const handlers = {
    receive: replica.receive.bind(replica),
    met: transport.met.bind(transport),
    snapshot: receiver.receive.bind(receiver),
    answer: (kind: string, body: Buffer) => answerAsLeader(context, LEADER_VERBS, kind, body),
    members: () => ({
      protocol: PEER_PROTOCOL,
      clusterId: self.clusterId,
      members: membersOf(context.state).map(({ peerURLs, clientURLs, ...member }) => {
        return { ...member, peerUrls: peerURLs, clientUrls: clientURLs };
      }),
    }),
  };
  const services = [peerService(self, handlers, clock)];
  return [await serveGrpc({ services, listen: peers.listen, http: refuseForeign(self) })];
}
