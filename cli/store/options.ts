import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { goDuration_ms } from "@raft2kube/std/go-values.ts";
import { parseAuthToken } from "@raft2kube/store/auth/jwt-options.ts";
import type { AuthOptions } from "@raft2kube/store/auth/setup.ts";
import {
  BCRYPT_COST_DEFAULT,
  BCRYPT_COST_MAX,
  BCRYPT_COST_MIN,
  LOG_TAIL_ENTRIES_MAX,
  WATCH_PROGRESS_INTERVAL_MS,
  WATCH_PROGRESS_INTERVAL_MS_MIN,
} from "@raft2kube/store/limits.ts";
import type { AutoCompactionOptions } from "@raft2kube/store/node/auto-compaction.ts";
import type { PeersOptions, StoreOptions } from "@raft2kube/store/options.ts";
import { FlagError, SettingError } from "./flag-error.ts";
import { clusterOf } from "./initial-cluster.ts";
import { listenUrls } from "./listen-urls.ts";
import type { Settings } from "./settings.ts";
import { checkTls, peerClientTls, serverTls } from "./tls.ts";

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const METRICS_PORT = 2381;
const DEFAULT_PEER_URL = `http://localhost:${PEER_PORT}`;

/** etcd's bound on an election, and how many heartbeats it must at least be long. */
const ELECTION_MS_MAX = 50_000;
const ELECTION_HEARTBEATS_MIN = 5;
/** The most that HTTP/2 can say of streams. */
const STREAMS_MAX = 2 ** 32 - 1;
/** The size limit of a request: a record of the log contains one. */
const REQUEST_BYTES_MAX = 12 * 1024 * 1024;

/** Returns the store's options for a member's settings. */
export function storeOptions(settings: Settings): StoreOptions {
  const name = settings.text("name");
  checkTls(settings);
  const tls = once(() => serverTls(settings, ""));
  const listen = (flag: string, port: number) => listenUrls(settings, flag, port, tls);
  const peers = peersOptions(settings, name);
  const compaction = autoCompaction(settings);
  const walDir = settings.path("wal-dir");
  return {
    name,
    dataDir: dataDirOf(settings),
    ...(walDir === undefined ? {} : { walDir }),
    clusterToken: settings.text("initial-cluster-token"),
    forceNewCluster: settings.on("force-new-cluster"),
    listenClient: listen("listen-client-urls", CLIENT_PORT),
    listenHttp: listen("listen-client-http-urls", CLIENT_PORT),
    listenMetrics: listen("listen-metrics-urls", METRICS_PORT),
    grpcGateway: settings.on("enable-grpc-gateway"),
    ...(peers ? { peers } : {}),
    ...(settings.has("advertise-client-urls")
      ? { advertiseClientUrls: settings.list("advertise-client-urls") }
      : {}),
    transactionOperations_max: settings.number("max-txn-ops"),
    requestBytes_max: positive(settings, "max-request-bytes", REQUEST_BYTES_MAX),
    // As with gRPC in Go, 0 is no bound of its own.
    streams_max: settings.number("max-concurrent-streams") || STREAMS_MAX,
    quotaBackendBytes: settings.number("quota-backend-bytes"),
    catchUpEntries_max: settings.number("snapshot-catchup-entries") || LOG_TAIL_ENTRIES_MAX,
    watchProgressInterval_ms: progressInterval_ms(settings),
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

/** Returns the tracer of `--enable-distributed-tracing`. Connections are without TLS, as etcd's. */
export function tracingOf(settings: Settings): Tracer | undefined {
  if (!settings.on("enable-distributed-tracing")) return undefined;
  const service = {
    name: settings.text("distributed-tracing-service-name"),
    instance: settings.path("distributed-tracing-instance-id"),
  };
  const endpoint = settings.text("distributed-tracing-address");
  const rate = numberOf(settings, "distributed-tracing-sampling-rate", 0, SAMPLING_RATE_MAX);
  return startTracing(service, { endpoint, samplingRatePerMillion: rate });
}

/** The data directory, by default one of the member's name. */
export function dataDirOf(settings: Settings): string {
  return settings.path("data-dir") ?? `${settings.text("name")}.etcd`;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const positive = (settings: Settings, flag: string, max?: number): number =>
  numberOf(settings, flag, 1, max);

function numberOf(settings: Settings, flag: string, min: number, max = Number.MAX_SAFE_INTEGER) {
  const value = settings.number(flag);
  if (value >= min && value <= max) return value;
  throw new SettingError(`--${flag}: between ${min} and ${max}, got ${value}`);
}

/**
 * The interval as etcd takes it: 0 or less is its default, and a shorter one than its minimum that
 * minimum.
 */
function progressInterval_ms(settings: Settings): number {
  const interval_ms = settings.duration_ms("watch-progress-notify-interval");
  if (interval_ms <= 0) return WATCH_PROGRESS_INTERVAL_MS;
  return Math.max(interval_ms, WATCH_PROGRESS_INTERVAL_MS_MIN);
}

/** etcd's checks of its two times. */
function timingOf(settings: Settings) {
  const tick_ms = positive(settings, "heartbeat-interval");
  const election_ms = positive(settings, "election-timeout", ELECTION_MS_MAX);
  if (election_ms < tick_ms * ELECTION_HEARTBEATS_MIN) {
    const message = `--election-timeout[${election_ms}ms] should be at least as 5 times as`;
    throw new SettingError(`${message} --heartbeat-interval[${tick_ms}ms]`);
  }
  return { tick_ms, electionTicks: Math.floor(election_ms / tick_ms) };
}

function authOptions(settings: Settings): AuthOptions {
  const ttl = (text: string) => {
    const ttl_ms = goDuration_ms(text);
    if (ttl_ms === undefined || ttl_ms <= 0) throw new SettingError(`--auth-token: ttl=${text}`);
    return ttl_ms;
  };
  const tokenTtl_s = settings.number("auth-token-ttl");
  return {
    bcryptCost: bcryptCost(settings),
    jwt: parseAuthToken(settings.text("auth-token"), ttl),
    // 0 is the store's default, as etcd's.
    ...(tokenTtl_s > 0 ? { tokenTtl_ms: tokenTtl_s * 1000 } : {}),
    clientCertAuth: settings.on("client-cert-auth"),
  };
}

/** The cost as etcd takes it: an invalid one becomes the default, with a warning. */
function bcryptCost(settings: Settings): number {
  const cost = settings.number("bcrypt-cost");
  if (cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX) return cost;
  const range = `between ${BCRYPT_COST_MIN} and ${BCRYPT_COST_MAX}`;
  settings.warnings.push(`--bcrypt-cost=${cost} is not ${range}: using ${BCRYPT_COST_DEFAULT}`);
  return BCRYPT_COST_DEFAULT;
}

const MS_PER_HOUR = 3_600_000;
const NS_PER_MS = 1_000_000;

/**
 * A bare number is hours by time, and revisions by revision. By revision a duration counts one
 * revision for each of its nanoseconds, as with etcd.
 */
function autoCompaction(settings: Settings): AutoCompactionOptions | undefined {
  const mode = settings.text("auto-compaction-mode");
  const retention = settings.text("auto-compaction-retention");
  const wrong = (what: string) =>
    new SettingError(`--auto-compaction-retention: ${what} is needed, got ${retention}`);
  if (mode !== "periodic" && mode !== "revision") {
    throw new SettingError(`--auto-compaction-mode: periodic or revision, got ${mode}`);
  }
  const number = /^[0-9]{1,15}$/.test(retention) ? Number(retention) : undefined;
  if (number === 0) return undefined;
  const given_ms = goDuration_ms(retention);
  if (number === undefined && (given_ms === undefined || given_ms < 0)) throw wrong("a duration");
  if (mode === "revision") {
    return { mode, keepRevisions: number ?? Math.round(given_ms! * NS_PER_MS) };
  }
  const keep_ms = number === undefined ? given_ms! : number * MS_PER_HOUR;
  return keep_ms === 0 ? undefined : { mode, keep_ms };
}

/** Any flag about peers makes this one member of several, or one that others can join. */
function peersOptions(settings: Settings, name: string): PeersOptions | undefined {
  const flags = ["listen-peer-urls", "initial-advertise-peer-urls", "initial-cluster"];
  const initialState = settings.text("initial-cluster-state");
  if (initialState !== "new" && initialState !== "existing") {
    throw new FlagError(`--initial-cluster-state: new or existing, got ${initialState}`);
  }
  if (!flags.some((flag) => settings.has(flag))) return undefined;
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
