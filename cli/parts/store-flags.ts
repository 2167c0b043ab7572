import { readFileSync } from "node:fs";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import type { ServerTls } from "@raft2kube/rpc/server.ts";
import type { PeersOptions, StoreOptions } from "@raft2kube/store/main.ts";
import type { Command } from "commander";
import { CommandError } from "../terminal.ts";

export interface StoreFlags {
  name: string;
  dataDir?: string;
  listenClientUrls: string;
  advertiseClientUrls?: string;
  listenPeerUrls?: string;
  initialAdvertisePeerUrls?: string;
  initialCluster?: string;
  initialClusterState: string;
  initialClusterToken: string;
  forceNewCluster?: boolean;
  certFile?: string;
  keyFile?: string;
  trustedCaFile?: string;
  clientCertAuth?: boolean;
  peerCertFile?: string;
  peerKeyFile?: string;
  peerTrustedCaFile?: string;
  peerClientCertAuth?: boolean;
  maxTxnOps: string;
  quotaBackendBytes: string;
  experimentalInitialCorruptCheck?: boolean;
  experimentalCorruptCheckTime?: string;
  corruptCheckTime?: string;
  watchProgressNotifyInterval?: string;
}

/** etcd's flags, as far as the store has what they set. */
export function addStoreFlags(command: Command): Command {
  return command
    .option("--name <name>", "the member's name", "default")
    .option("--data-dir <dir>", "where log and state live (default NAME.etcd)")
    .option("--listen-client-urls <url>", "where clients are served", "http://localhost:2379")
    .option("--advertise-client-urls <urls>", "what clients are told, comma-separated")
    .option("--listen-peer-urls <url>", "where other members are served (default: nowhere)")
    .option("--initial-advertise-peer-urls <urls>", "what other members are told")
    .option("--initial-cluster <members>", "all members at the first start: a=URL,b=URL")
    .option("--initial-cluster-state <state>", "new, or existing to join one", "new")
    .option("--initial-cluster-token <token>", "makes the cluster's id", "etcd-cluster")
    .option("--force-new-cluster", "go on alone: the other members are lost")
    .option("--cert-file <file>", "the server's certificate, PEM")
    .option("--key-file <file>", "its key, PEM")
    .option("--trusted-ca-file <file>", "the CA of client certificates, PEM")
    .option("--client-cert-auth", "demand a client certificate")
    .option("--peer-cert-file <file>", "this member's certificate for others, PEM")
    .option("--peer-key-file <file>", "its key, PEM")
    .option("--peer-trusted-ca-file <file>", "the CA of other members' certificates, PEM")
    .option("--peer-client-cert-auth", "demand a certificate of other members")
    .option("--max-txn-ops <number>", "operations in one transaction", "128")
    .option("--quota-backend-bytes <bytes>", "raises NOSPACE beyond (0: 2 GiB, below 0: none)", "0")
    .option("--experimental-initial-corrupt-check", "compare with other members before serving")
    .option("--corrupt-check-time <duration>", "between comparisons of the members' data, or 0")
    .option("--experimental-corrupt-check-time <duration>", "the same, by its name before 3.6")
    .option("--watch-progress-notify-interval <duration>", "between notices, as 10m or 5s");
}

export function storeOptions(flags: StoreFlags): StoreOptions {
  const interval = flags.watchProgressNotifyInterval;
  const checkTime = flags.corruptCheckTime ?? flags.experimentalCorruptCheckTime;
  const peers = peersOptions(flags);
  return {
    name: flags.name,
    dataDir: flags.dataDir ?? `${flags.name}.etcd`,
    clusterToken: flags.initialClusterToken,
    forceNewCluster: flags.forceNewCluster === true,
    listenClient: listen("--listen-client-urls", flags.listenClientUrls, CLIENT_PORT, () =>
      serverTls(flags, ""),
    ),
    transactionOperations_max: wholeNumber("--max-txn-ops", flags.maxTxnOps),
    quotaBackendBytes: quotaBytes(flags.quotaBackendBytes),
    initialCorruptCheck: flags.experimentalInitialCorruptCheck === true,
    ...(checkTime === undefined ? {} : { corruptCheckInterval_ms: duration(checkTime) }),
    ...(peers ? { peers } : {}),
    ...(flags.advertiseClientUrls
      ? { advertiseClientUrls: flags.advertiseClientUrls.split(",") }
      : {}),
    ...(interval === undefined ? {} : { watchProgressInterval_ms: duration(interval) }),
  };
}

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const DEFAULT_PEER_URL = `http://localhost:${PEER_PORT}`;

/** Any flag about peers makes this one member of several, or one that others can join. */
function peersOptions(flags: StoreFlags): PeersOptions | undefined {
  const { listenPeerUrls, initialAdvertisePeerUrls, initialCluster } = flags;
  if (!listenPeerUrls && !initialAdvertisePeerUrls && !initialCluster) return undefined;
  const state = flags.initialClusterState;
  if (state !== "new" && state !== "existing") {
    throw new CommandError("FLAG", `--initial-cluster-state: new or existing, got ${state}`);
  }
  const listened = listenPeerUrls ?? DEFAULT_PEER_URL;
  const advertised = initialAdvertisePeerUrls ?? listened;
  const tls = peerTls(flags);
  return {
    listen: listen("--listen-peer-urls", listened, PEER_PORT, () => serverTls(flags, "peer-")),
    advertiseUrls: advertised.split(","),
    initialCluster: clusterOf(initialCluster ?? `${flags.name}=${advertised}`),
    initialState: state,
    ...(tls ? { tls } : {}),
  };
}

/** `a=http://x:1,a=http://y:1,b=http://z:1`: a member with several URLs comes several times. */
export function clusterOf(text: string): Record<string, string[]> {
  const members: Record<string, string[]> = {};
  for (const part of text.split(",")) {
    const [name, url] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
    if (!part.includes("=") || name === "" || !/^https?:\/\//.test(url)) {
      throw new CommandError("FLAG", `--initial-cluster: NAME=URL is needed, got ${part}`);
    }
    (members[name] ??= []).push(url);
  }
  return members;
}

function listen(
  flag: string,
  url: string,
  defaultPort: number,
  tls: () => ServerTls,
): NonNullable<StoreOptions["listenClient"]> {
  if (url.includes(",")) throw new CommandError("FLAG", `${flag}: only one address, got ${url}`);
  if (url.startsWith("unix://")) return { path: url.slice("unix://".length) };
  if (!URL.canParse(url)) throw new CommandError("FLAG", `${flag}: no URL: ${url}`);
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new CommandError("FLAG", `${flag}: unknown scheme ${protocol}`);
  }
  const host = hostname.replace(/^\[|\]$/g, "");
  const address = { host, port: Number(port === "" ? defaultPort : port) };
  return protocol === "https:" ? { ...address, tls: tls() } : address;
}

const pem = (file: string) => readFileSync(file, "utf8");

function serverTls(flags: StoreFlags, prefix: "" | "peer-"): ServerTls {
  const peer = prefix === "peer-";
  const certFile = peer ? flags.peerCertFile : flags.certFile;
  const keyFile = peer ? flags.peerKeyFile : flags.keyFile;
  const caFile = peer ? flags.peerTrustedCaFile : flags.trustedCaFile;
  const demand = peer ? flags.peerClientCertAuth : flags.clientCertAuth;
  if (certFile === undefined || keyFile === undefined) {
    const needed = `--${prefix}cert-file and --${prefix}key-file`;
    throw new CommandError("FLAG", `an https address needs ${needed}`);
  }
  if (demand && caFile === undefined) {
    const needed = `--${prefix}trusted-ca-file`;
    throw new CommandError("FLAG", `--${prefix}client-cert-auth needs ${needed}`);
  }
  const server = { cert: pem(certFile), key: pem(keyFile) };
  return demand && caFile ? { ...server, clientCa: pem(caFile) } : server;
}

/** What this member presents to others, and whom it believes. */
function peerTls({ peerCertFile, peerKeyFile, peerTrustedCaFile }: StoreFlags) {
  const tls: { -readonly [K in keyof ClientTls]: ClientTls[K] } = {};
  if (peerTrustedCaFile) tls.ca = pem(peerTrustedCaFile);
  if (peerCertFile) tls.cert = pem(peerCertFile);
  if (peerKeyFile) tls.key = pem(peerKeyFile);
  return Object.keys(tls).length > 0 ? tls : undefined;
}

function wholeNumber(flag: string, text: string): number {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  throw new CommandError("FLAG", `${flag}: a whole number is needed, got ${text}`);
}

function quotaBytes(text: string): number {
  if (/^-?[0-9]{1,15}$/.test(text)) return Number(text);
  throw new CommandError("FLAG", `--quota-backend-bytes: a number of bytes is needed, got ${text}`);
}

const UNITS_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration of one unit in Go's notation, in milliseconds. */
function duration(text: string): number {
  if (text === "0") return 0;
  const match = /^([0-9]+)(ms|s|m|h)$/.exec(text);
  if (!match) throw new CommandError("FLAG", `not a duration such as 5s or 10m: ${text}`);
  return Number(match[1]) * UNITS_MS[match[2]!]!;
}
