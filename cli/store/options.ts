import { parseAuthToken } from "@raft2kube/store/auth/jwt-options.ts";
import type { AuthOptions } from "@raft2kube/store/auth/setup.ts";
import { BCRYPT_COST_MAX, BCRYPT_COST_MIN } from "@raft2kube/store/limits.ts";
import type { PeersOptions, StoreOptions } from "@raft2kube/store/main.ts";
import type { AutoCompactionOptions } from "@raft2kube/store/node/auto-compaction.ts";
import { FlagError } from "./flag-error.ts";
import { goDuration_ms } from "./go-values.ts";
import { clusterOf } from "./initial-cluster.ts";
import { listenUrls } from "./listen-urls.ts";
import type { Settings } from "./settings.ts";
import { peerClientTls, serverTls } from "./tls.ts";

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const METRICS_PORT = 2381;
const DEFAULT_PEER_URL = `http://localhost:${PEER_PORT}`;

/** etcd's bound on an election, and how many heartbeats it must at least be long. */
const ELECTION_MAX_MS = 50_000;
const ELECTION_HEARTBEATS_MIN = 5;
/** What a request may be made of: a record of the log holds one. */
const REQUEST_BYTES_MAX = 12 * 1024 * 1024;

/** What a member's settings mean to the store. */
export function storeOptions(settings: Settings): StoreOptions {
  const name = settings.text("name");
  const tls = once(() => serverTls(settings, ""));
  const listen = (flag: string, port: number) => listenUrls(settings, flag, port, tls);
  const http = listen("listen-client-http-urls", CLIENT_PORT);
  const peers = peersOptions(settings, name);
  const compaction = autoCompaction(settings);
  const walDir = settings.path("wal-dir");
  return {
    name,
    dataDir: settings.path("data-dir") ?? `${name}.etcd`,
    ...(walDir === undefined ? {} : { walDir }),
    clusterToken: settings.text("initial-cluster-token"),
    forceNewCluster: settings.on("force-new-cluster"),
    listenClient: listen("listen-client-urls", CLIENT_PORT),
    listenHttp: [...http, ...listen("listen-metrics-urls", METRICS_PORT)],
    httpApart: http.length > 0,
    ...(peers ? { peers } : {}),
    ...(settings.has("advertise-client-urls")
      ? { advertiseClientUrls: settings.list("advertise-client-urls") }
      : {}),
    transactionOperations_max: positive(settings, "max-txn-ops"),
    requestBytes_max: positive(settings, "max-request-bytes", REQUEST_BYTES_MAX),
    streams_max: positive(settings, "max-concurrent-streams"),
    quotaBackendBytes: settings.number("quota-backend-bytes"),
    catchUpEntries_max: positive(settings, "snapshot-catchup-entries"),
    watchProgressInterval_ms: settings.duration_ms("watch-progress-notify-interval"),
    looseReconfiguration: !settings.on("strict-reconfig-check"),
    timing: timingOf(settings),
    auth: authOptions(settings),
    slow: {
      apply_ms: settings.duration_ms("warning-apply-duration"),
      unary_ms: settings.duration_ms("warning-unary-request-duration"),
    },
    initialCorruptCheck: settings.gate("InitialCorruptCheck"),
    stopsServiceOnDefragment: settings.gate("StopGRPCServiceOnDefrag"),
    ...(settings.has("corrupt-check-time")
      ? { corruptCheckInterval_ms: settings.duration_ms("corrupt-check-time") }
      : {}),
    ...(compaction ? { autoCompaction: compaction } : {}),
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function positive(settings: Settings, flag: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = settings.number(flag);
  if (value >= 1 && value <= max) return value;
  throw new FlagError(`--${flag}: between 1 and ${max}, got ${value}`);
}

/** etcd's checks of its two times. */
function timingOf(settings: Settings) {
  const tick_ms = positive(settings, "heartbeat-interval");
  const election_ms = positive(settings, "election-timeout", ELECTION_MAX_MS);
  if (election_ms < tick_ms * ELECTION_HEARTBEATS_MIN) {
    const message = `--election-timeout[${election_ms}ms] should be at least as 5 times as`;
    throw new FlagError(`${message} --heartbeat-interval[${tick_ms}ms]`);
  }
  return { tick_ms, electionTicks: Math.floor(election_ms / tick_ms) };
}

function authOptions(settings: Settings): AuthOptions {
  const bcryptCost = settings.number("bcrypt-cost");
  if (bcryptCost < BCRYPT_COST_MIN || bcryptCost > BCRYPT_COST_MAX) {
    const range = `between ${BCRYPT_COST_MIN} and ${BCRYPT_COST_MAX}`;
    throw new FlagError(`--bcrypt-cost: ${range}, got ${bcryptCost}`);
  }
  const ttl = (text: string) => {
    const ttl_ms = goDuration_ms(text);
    if (ttl_ms === undefined || ttl_ms <= 0) throw new FlagError(`--auth-token: ttl=${text}`);
    return ttl_ms;
  };
  return {
    bcryptCost,
    jwt: parseAuthToken(settings.text("auth-token"), ttl),
    tokenTtl_ms: positive(settings, "auth-token-ttl") * 1000,
    clientCertAuth: settings.on("client-cert-auth"),
  };
}

const MS_PER_HOUR = 3_600_000;

/** A bare number is hours by time, and revisions by revision. */
function autoCompaction(settings: Settings): AutoCompactionOptions | undefined {
  const mode = settings.text("auto-compaction-mode");
  const retention = settings.text("auto-compaction-retention");
  const wrong = (what: string) =>
    new FlagError(`--auto-compaction-retention: ${what} is needed, got ${retention}`);
  if (mode !== "periodic" && mode !== "revision") {
    throw new FlagError(`--auto-compaction-mode: periodic or revision, got ${mode}`);
  }
  const number = /^[0-9]{1,15}$/.test(retention) ? Number(retention) : undefined;
  if (number === 0) return undefined;
  if (mode === "revision") {
    if (number === undefined) throw wrong("a number of revisions");
    return { mode, keepRevisions: number };
  }
  const keep_ms = number === undefined ? goDuration_ms(retention) : number * MS_PER_HOUR;
  if (keep_ms === undefined) throw wrong("a duration");
  return keep_ms === 0 ? undefined : { mode, keep_ms };
}

/** Any flag about peers makes this one member of several, or one that others can join. */
function peersOptions(settings: Settings, name: string): PeersOptions | undefined {
  const flags = ["listen-peer-urls", "initial-advertise-peer-urls", "initial-cluster"];
  if (!flags.some((flag) => settings.has(flag))) return undefined;
  const initialState = settings.text("initial-cluster-state");
  if (initialState !== "new" && initialState !== "existing") {
    throw new FlagError(`--initial-cluster-state: new or existing, got ${initialState}`);
  }
  const listened = settings.has("listen-peer-urls")
    ? settings.list("listen-peer-urls")
    : [DEFAULT_PEER_URL];
  const advertised = settings.has("initial-advertise-peer-urls")
    ? settings.list("initial-advertise-peer-urls")
    : listened;
  const tls = once(() => serverTls(settings, "peer-"));
  const own = advertised.map((url) => `${name}=${url}`).join(",");
  const clientTls = peerClientTls(settings);
  return {
    listen: settings.has("listen-peer-urls")
      ? listenUrls(settings, "listen-peer-urls", PEER_PORT, tls)
      : { host: "localhost", port: PEER_PORT },
    advertiseUrls: advertised,
    initialCluster: clusterOf(settings.path("initial-cluster") ?? own),
    initialState,
    ...(clientTls ? { tls: clientTls } : {}),
  };
}
