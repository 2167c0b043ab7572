import { readFileSync } from "node:fs";
import { type Store, type StoreOptions, startStore } from "@raft2kube/store/main.ts";
import { Command } from "commander";
import { CommandError, reportFailure } from "../terminal.ts";

interface Flags {
  name: string;
  dataDir?: string;
  listenClientUrls: string;
  advertiseClientUrls?: string;
  initialClusterToken: string;
  certFile?: string;
  keyFile?: string;
  trustedCaFile?: string;
  clientCertAuth?: boolean;
  maxTxnOps: string;
  watchProgressNotifyInterval?: string;
}

/**
 * `r2k store`: etcd's server flags, as far as the store has what they set; any other flag is an
 * error.
 */
export function command(): Command {
  return new Command("store")
    .description("serve etcd v3 from a durable store of one member")
    .option("--name <name>", "the member's name", "default")
    .option("--data-dir <dir>", "where log and state live (default NAME.etcd)")
    .option("--listen-client-urls <url>", "where clients are served", "http://localhost:2379")
    .option("--advertise-client-urls <urls>", "what clients are told, comma-separated")
    .option("--initial-cluster-token <token>", "makes the cluster's id", "etcd-cluster")
    .option("--cert-file <file>", "the server's certificate, PEM")
    .option("--key-file <file>", "its key, PEM")
    .option("--trusted-ca-file <file>", "the CA of client certificates, PEM")
    .option("--client-cert-auth", "demand a client certificate")
    .option("--max-txn-ops <number>", "operations in one transaction", "128")
    .option("--watch-progress-notify-interval <duration>", "between progress notices, as 10m or 5s")
    .action((flags: Flags) => run(flags));
}

async function run(flags: Flags): Promise<void> {
  const store = await startStore({ ...storeOptions(flags), onFatal: end });
  process.stdout.write(`serving etcd v3 on ${store.address}\n`);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop(store));
}

function stop(store: Store): void {
  store.close().then(
    () => process.exit(0),
    (thrown: unknown) => process.exit(reportFailure(thrown)),
  );
}

function end(reason: unknown): void {
  process.exit(reportFailure(reason));
}

function storeOptions(flags: Flags): StoreOptions {
  const interval = flags.watchProgressNotifyInterval;
  return {
    name: flags.name,
    dataDir: flags.dataDir ?? `${flags.name}.etcd`,
    clusterToken: flags.initialClusterToken,
    listenClient: listenAddress(flags),
    transactionOperations_max: wholeNumber("--max-txn-ops", flags.maxTxnOps),
    ...(flags.advertiseClientUrls
      ? { advertiseClientUrls: flags.advertiseClientUrls.split(",") }
      : {}),
    ...(interval === undefined ? {} : { watchProgressInterval_ms: duration(interval) }),
  };
}

function listenAddress(flags: Flags): NonNullable<StoreOptions["listenClient"]> {
  const given = flags.listenClientUrls;
  if (given.includes(",")) {
    throw new CommandError("FLAG", `--listen-client-urls: only one address, got ${given}`);
  }
  if (given.startsWith("unix://")) return { path: given.slice("unix://".length) };
  if (!URL.canParse(given)) {
    throw new CommandError("FLAG", `--listen-client-urls: no URL: ${given}`);
  }
  const { protocol, hostname, port } = new URL(given);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new CommandError("FLAG", `--listen-client-urls: unknown scheme ${protocol}`);
  }
  const host = hostname.replace(/^\[|\]$/g, "");
  const address = { host, port: Number(port === "" ? 2379 : port) };
  return protocol === "https:" ? { ...address, tls: tls(flags) } : address;
}

function tls(flags: Flags) {
  const { certFile, keyFile, trustedCaFile, clientCertAuth } = flags;
  if (certFile === undefined || keyFile === undefined) {
    throw new CommandError("FLAG", "an https address needs --cert-file and --key-file");
  }
  if (clientCertAuth && trustedCaFile === undefined) {
    throw new CommandError("FLAG", "--client-cert-auth needs --trusted-ca-file");
  }
  const pem = (file: string) => readFileSync(file, "utf8");
  const server = { cert: pem(certFile), key: pem(keyFile) };
  return clientCertAuth && trustedCaFile ? { ...server, clientCa: pem(trustedCaFile) } : server;
}

function wholeNumber(flag: string, text: string): number {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  throw new CommandError("FLAG", `${flag}: a whole number is needed, got ${text}`);
}

const UNITS_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration of one unit in Go's notation, in milliseconds. */
function duration(text: string): number {
  const match = /^([0-9]+)(ms|s|m|h)$/.exec(text);
  if (!match) throw new CommandError("FLAG", `not a duration such as 5s or 10m: ${text}`);
  return Number(match[1]) * UNITS_MS[match[2]!]!;
}
