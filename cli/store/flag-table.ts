/** The type of a flag. `duration` is Go's notation, `list` and `urls` are comma-separated. */
export type FlagKind = "text" | "switch" | "number" | "signed" | "duration" | "list" | "urls";

/** How a flag is handled. */
export type FlagUse =
  /** The store implements the flag. */
  | { does: "acts" }
  /** An older spelling of another flag. */
  | { does: "renamed"; to: string }
  /** An older spelling of a feature gate. */
  | { does: "gate"; gate: string }
  /** The flag is accepted without effect, with a warning that has the reason. */
  | { does: "nothing"; why: string }
  /** Only these values are taken: what another would ask for is not there. */
  | { does: "only"; values: readonly string[]; why: string };

export interface Flag {
  readonly name: string;
  readonly kind: FlagKind;
  /** The default; undefined if it is computed, or there is none. */
  readonly fallback: string | undefined;
  readonly use: FlagUse;
}

const acts = (kind: FlagKind, names: Record<string, string | undefined>): Flag[] =>
  Object.entries(names).map(([name, fallback]) => {
    return { name, kind, fallback, use: { does: "acts" } };
  });

const nothing = (why: string, names: Record<string, FlagKind>): Flag[] =>
  Object.entries(names).map(([name, kind]) => {
    return { name, kind, fallback: undefined, use: { does: "nothing", why } };
  });

const only = (kind: FlagKind, name: string, values: readonly string[], why: string): Flag => {
  return { name, kind, fallback: values[0], use: { does: "only", values, why } };
};

const absent = (why: string, names: readonly string[]): Flag[] =>
  names.map((name) => only("text", name, [], why));

const ACTING: Flag[] = [
  ...acts("text", {
    name: "default",
    "data-dir": undefined,
    "wal-dir": "",
    "initial-cluster": undefined,
    "initial-cluster-state": "new",
    "initial-cluster-token": "etcd-cluster",
    "cert-file": "",
    "key-file": "",
    "trusted-ca-file": "",
    "client-crl-file": "",
    "peer-cert-file": "",
    "peer-key-file": "",
    "peer-client-cert-file": "",
    "peer-client-key-file": "",
    "peer-trusted-ca-file": "",
    "peer-crl-file": "",
    "tls-min-version": "TLS1.2",
    "tls-max-version": "",
    "auth-token": "simple",
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "0",
    "feature-gates": "",
    "log-level": "info",
    "distributed-tracing-address": "localhost:4317",
    "distributed-tracing-service-name": "etcd",
    "distributed-tracing-instance-id": "",
  }),
  ...acts("switch", {
    "force-new-cluster": "false",
    "auto-tls": "false",
    "peer-auto-tls": "false",
    "client-cert-auth": "false",
    "peer-client-cert-auth": "false",
    "strict-reconfig-check": "true",
    "enable-grpc-gateway": "true",
    "enable-distributed-tracing": "false",
  }),
  ...acts("number", {
    "heartbeat-interval": "100",
    "election-timeout": "1000",
    "max-txn-ops": "128",
    "max-request-bytes": "1572864",
    "max-concurrent-streams": "4294967295",
    "bcrypt-cost": "10",
    "auth-token-ttl": "300",
    "snapshot-catchup-entries": "5000",
    "self-signed-cert-validity": "1",
    "distributed-tracing-sampling-rate": "0",
  }),
  ...acts("signed", { "quota-backend-bytes": "0" }),
  ...acts("duration", {
    "corrupt-check-time": undefined,
    "watch-progress-notify-interval": "10m",
    "warning-apply-duration": "100ms",
    "warning-unary-request-duration": "300ms",
  }),
  ...acts("list", {
    "cipher-suites": "",
    "client-cert-allowed-hostname": "",
    "peer-cert-allowed-cn": "",
    "peer-cert-allowed-hostname": "",
    "log-outputs": "default",
  }),
  ...acts("urls", {
    "listen-client-urls": "http://localhost:2379",
    "listen-client-http-urls": "",
    "listen-peer-urls": undefined,
    "listen-metrics-urls": "",
    "advertise-client-urls": undefined,
    "initial-advertise-peer-urls": undefined,
  }),
];

const BBOLT = "it tunes bbolt, and the backend here is LevelDB";
const KEEPS = "the log is compacted once the state is on disk; --snapshot-catchup-entries are kept";

const TUNING: Flag[] = [
  ...nothing(KEEPS, {
    "snapshot-count": "number",
    "max-snapshots": "number",
    "max-wals": "number",
  }),
  ...nothing(BBOLT, {
    "backend-bbolt-freelist-type": "text",
    "backend-batch-interval": "duration",
    "backend-batch-limit": "number",
    "bootstrap-defrag-threshold-megabytes": "number",
  }),
  ...nothing("a member waits a whole election timeout at its start", {
    "initial-election-tick-advance": "switch",
  }),
  ...nothing("compaction yields to others after each small batch", {
    "compaction-sleep-interval": "duration",
    "compaction-batch-limit": "number",
  }),
  ...nothing("TCP keep-alive detects dead connections", {
    "grpc-keepalive-min-time": "duration",
    "grpc-keepalive-interval": "duration",
    "grpc-keepalive-timeout": "duration",
  }),
  ...nothing("members detect a silent peer after five seconds", {
    "raft-read-timeout": "duration",
    "raft-write-timeout": "duration",
  }),
  ...nothing("the JSON gateway calls this member's own handlers without a connection", {
    "client-cert-file": "text",
    "client-key-file": "text",
  }),
  ...nothing("etcd ignores it too", { "v2-deprecation": "text" }),
  ...nothing("only `downgrade cancel` ends a downgrade", { "downgrade-check-time": "duration" }),
  ...nothing("addresses of peers are not compared with their certificates", {
    "peer-skip-client-san-verification": "switch",
  }),
  ...nothing("rotate the file from outside", { "log-rotation-config-json": "text" }),
];

const LIMITED: Flag[] = [
  only("switch", "pre-vote", ["true"], "pre-vote is always on"),
  only("number", "max-learners", ["1"], "one learner at a time"),
  only("switch", "memory-mlock", ["false"], "memory is not locked"),
  only("switch", "unsafe-no-fsync", ["false"], "what is acknowledged is always synced"),
  only("switch", "socket-reuse-port", ["false"], "two members cannot share a port"),
  only("switch", "socket-reuse-address", ["true", "false"], ""),
  only("switch", "enable-pprof", ["false"], "there are no Go profiles"),
  only("text", "logger", ["zap"], "the log has one form"),
  only("text", "log-format", ["json"], "the log is JSON"),
  only("switch", "enable-log-rotation", ["false"], "rotate the file from outside"),
  only("text", "metrics", ["basic", "extensive"], ""),
  only("urls", "cors", ["*", ""], "answers carry no CORS headers"),
  only("list", "host-whitelist", ["*", ""], "host names of requests are not looked at"),
  only("duration", "compact-hash-check-time", ["1m0s", "1m"], "see the gate CompactHashCheck"),
  only("text", "discovery-fallback", ["exit"], "there is no discovery service"),
  ...absent(
    "members are found by --initial-cluster",
    (
      "discovery discovery-token discovery-endpoints discovery-dial-timeout " +
      "discovery-request-timeout discovery-keepalive-time discovery-keepalive-timeout " +
      "discovery-insecure-transport discovery-insecure-skip-tls-verify discovery-cert " +
      "discovery-key discovery-cacert discovery-user discovery-password discovery-proxy " +
      "discovery-srv discovery-srv-name"
    ).split(" "),
  ),
];

/** Flags of 3.5 and earlier that have lost the prefix `experimental-`. */
const EXPERIMENTAL = (
  "bootstrap-defrag-threshold-megabytes compact-hash-check-time compaction-batch-limit " +
  "compaction-sleep-interval corrupt-check-time distributed-tracing-address " +
  "distributed-tracing-instance-id distributed-tracing-sampling-rate " +
  "distributed-tracing-service-name downgrade-check-time enable-distributed-tracing " +
  "max-learners memory-mlock peer-skip-client-san-verification snapshot-catchup-entries " +
  "warning-apply-duration warning-unary-request-duration watch-progress-notify-interval"
).split(" ");

const GATES: Record<string, string> = {
  "experimental-initial-corrupt-check": "InitialCorruptCheck",
  "experimental-compact-hash-check-enabled": "CompactHashCheck",
  "experimental-enable-lease-checkpoint": "LeaseCheckpoint",
  "experimental-enable-lease-checkpoint-persist": "LeaseCheckpointPersist",
  "experimental-stop-grpc-service-on-defrag": "StopGRPCServiceOnDefrag",
  "experimental-txn-mode-write-with-shared-buffer": "TxnModeWriteWithSharedBuffer",
};

const CURRENT = new Map([...ACTING, ...TUNING, ...LIMITED].map((flag) => [flag.name, flag]));

const OLDER: Flag[] = [
  ...EXPERIMENTAL.map((to): Flag => {
    const { kind } = CURRENT.get(to)!;
    return { name: `experimental-${to}`, kind, fallback: undefined, use: { does: "renamed", to } };
  }),
  ...Object.entries(GATES).map(([name, gate]): Flag => {
    return { name, kind: "switch", fallback: undefined, use: { does: "gate", gate } };
  }),
];

/** Every flag of etcd 3.4 to 3.6 that the server has, by name. */
export const FLAGS: ReadonlyMap<string, Flag> = new Map(
  [...CURRENT.values(), ...OLDER].map((flag) => [flag.name, flag]),
);
