import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type RpcServer, type ServerOptions, serveGrpc } from "@raft2kube/rpc/server.ts";
import { type Clock, type Timer, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type Random, randomInteger, systemRandom } from "@raft2kube/std/random.ts";
import type { Backend } from "./backend/backend.ts";
import { levelBackend } from "./backend/level.ts";
import { embeddedClient } from "./embedded.ts";
import { type EtcdContext, readBarrier } from "./etcd/context.ts";
import { httpPages } from "./etcd/http.ts";
import { etcdServices } from "./etcd/services.ts";
import {
  GRPC_OVERHEAD_BYTES,
  REQUEST_BYTES_MAX,
  TXN_OPERATIONS_MAX,
  WATCH_PROGRESS_INTERVAL_MS,
} from "./limits.ts";
import { Compactor } from "./mvcc/compactor.ts";
import { Flusher } from "./mvcc/flusher.ts";
import { WatchHub } from "./mvcc/watch/hub.ts";
import { LeaseExpiry } from "./node/lease-expiry.ts";
import { type OpenedMember, openMember } from "./node/open.ts";
import { Replica } from "./node/replica.ts";
import { soleMemberTransport } from "./transport/transport.ts";

export interface StoreOptions {
  /** Made when it is not there. One process at a time. */
  dataDir: string;
  /** The member's name. Default `default`, as etcd's. */
  name?: string;
  /** Makes the cluster's id differ from others of the same name. Default `etcd-cluster`. */
  clusterToken?: string;
  /** Serves etcd's gRPC there; without it only the embedded client reaches the store. */
  listenClient?: ServerOptions["listen"];
  /** What members are told to reach this one's clients by. Default the address listened on. */
  advertiseClientUrls?: string[];
  transactionOperations_max?: number;
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

/** Starts a store of one member: recovers its log and state, elects itself, serves. */
export async function startStore(options: StoreOptions): Promise<Store> {
  const { dataDir, clock = systemClock(), random = systemRandom } = options;
  mkdirSync(join(dataDir, "member"), { recursive: true, mode: 0o700 });
  const onFatal = fatalHandler(options);
  const backend = await levelBackend(join(dataDir, "member", "db"));
  let opened: OpenedMember;
  try {
    const { name = "default", clusterToken: token = "etcd-cluster" } = options;
    const member = { dataDir, backend, name, token, clock, random };
    opened = await openMember({ ...member, onFatal: (reason) => machine?.replica.fail(reason) });
  } catch (thrown) {
    await backend.close();
    throw thrown;
  }
  const machine = assemble(opened, { ...options, clock, random }, onFatal);
  let server: RpcServer | undefined;
  try {
    // Nobody is served before this member has elected itself and applied what its log holds.
    await readBarrier(machine.context);
    server = await listen(options, machine.context);
  } catch (thrown) {
    await shutDown(machine, opened, backend, undefined);
    throw thrown;
  }
  machine.address = server?.address;
  log.info("store is up", { address: server?.address, dataDir, revision: opened.state.revision });
  const client = embeddedClient(machine.context);
  return {
    client,
    address: server?.address,
    close: () => shutDown(machine, opened, backend, server),
  };
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

interface Machine {
  replica: Replica;
  flusher: Flusher;
  compactor: Compactor;
  watches: WatchHub;
  expiry: LeaseExpiry;
  context: EtcdContext;
  address: string | undefined;
  progressTimer: Timer | undefined;
}

/** Puts the rooms together and sets them going. */
function assemble(
  { state, wal, raft }: OpenedMember,
  options: StoreOptions & { clock: Clock; random: Random },
  onFatal: (reason: unknown) => void,
): Machine {
  const { clock, random } = options;
  const fail = (reason: unknown) => replica.fail(reason);
  const watches = new WatchHub(state, fail);
  const compactor = new Compactor(state, fail);
  state.onCompact = () => compactor.start();
  const flusher = new Flusher(
    state,
    clock,
    ({ appliedIndex, appliedTerm, membership }) => {
      raft.compact({ index: appliedIndex, term: appliedTerm, membership }, 0);
      wal.cut(appliedIndex);
    },
    fail,
  );
  const replica = new Replica({
    raft,
    wal,
    state,
    clock,
    transport: soleMemberTransport(),
    session: randomInteger(random, 1, 2 ** 32),
    onApplied: () => flusher.changed(),
    onLeadership: (leads) => expiry.leads(leads),
    onFatal,
  });
  const expiry = new LeaseExpiry(state, replica, clock);
  const context: EtcdContext = {
    state,
    replica,
    compactor,
    watches,
    clock,
    transactionOperations_max: options.transactionOperations_max ?? TXN_OPERATIONS_MAX,
    member: {
      name: options.name ?? "default",
      peerURLs: [],
      clientURLs: () => options.advertiseClientUrls ?? urls(machine.address, options.listenClient),
    },
    newLeaseId: () => randomLeaseId(random),
  };
  const machine: Machine = {
    replica,
    flusher,
    compactor,
    watches,
    expiry,
    context,
    address: undefined,
    progressTimer: undefined,
  };
  noticeProgress(machine, clock, options.watchProgressInterval_ms ?? WATCH_PROGRESS_INTERVAL_MS);
  compactor.start();
  replica.start();
  return machine;
}

function urls(address: string | undefined, listen: StoreOptions["listenClient"]): string[] {
  if (address === undefined || !listen) return [];
  if ("path" in listen) return [address];
  return [`${listen.tls ? "https" : "http"}://${address}`];
}

/** 63 bits, never 0, which means no lease. */
function randomLeaseId(random: Random): bigint {
  const high = BigInt(randomInteger(random, 0, 2 ** 31));
  const low = BigInt(randomInteger(random, 1, 2 ** 32));
  return (high << 32n) | low;
}

function noticeProgress(machine: Machine, clock: Clock, interval_ms: number): void {
  machine.progressTimer = clock.after(interval_ms, () => {
    machine.watches.notifyProgress();
    noticeProgress(machine, clock, interval_ms);
  });
}

function listen(options: StoreOptions, context: EtcdContext): Promise<RpcServer> | undefined {
  if (!options.listenClient) return undefined;
  return serveGrpc({
    services: etcdServices(context),
    listen: options.listenClient,
    http: httpPages(context),
    messageBytes_max: REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES,
  });
}

/**
 * From the outside in: no new calls, no new entries, then what is in memory to disk, then the
 * files.
 */
async function shutDown(
  machine: Machine,
  { wal }: OpenedMember,
  backend: Backend,
  server: RpcServer | undefined,
): Promise<void> {
  machine.progressTimer?.cancel();
  machine.expiry.stop();
  machine.watches.close(etcdError("stopped"));
  machine.replica.stop();
  await server?.close();
  await machine.compactor.stop();
  await machine.flusher.stop();
  await wal.close();
  await backend.close();
}
