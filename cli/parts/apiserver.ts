import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { readAdmissionConfiguration } from "@raft2kube/apiserver/admission/configuration.ts";
import { type AdmissionFlags, checkSwitches } from "@raft2kube/apiserver/admission/plugins.ts";
import { startApiserver } from "@raft2kube/apiserver/main.ts";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { readRuntimeConfig } from "@raft2kube/apiserver/resource/runtime-config.ts";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import { EncryptionFile } from "@raft2kube/encryption/reload.ts";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { validateNonSpecialIp } from "@raft2kube/api/validation/addresses.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { Command } from "commander";
import { etcdRemedy, readEtcdTls, unreachableEtcd } from "../observe/etcd-servers.ts";
import { CommandError } from "../terminal.ts";
import { flagValues } from "./flag-values.ts";
import { runPart } from "./run-part.ts";

const log = logger("apiserver");

/** How long an apiserver waits for its store before it ends, as upstream's. */
const ETCD_TIMEOUT_MS = 20_000;
const ETCD_RETRY_MS = 1_000;

interface Flags {
  etcdServers: string;
  etcdCafile?: string;
  etcdCertfile?: string;
  etcdKeyfile?: string;
  bindAddress: string;
  securePort: string;
  advertiseAddress: string;
  tlsCertFile: string;
  tlsPrivateKeyFile: string;
  clientCaFile: string;
  serviceAccountIssuer: string;
  serviceAccountSigningKeyFile: string;
  serviceAccountKeyFile: string[];
  apiAudiences?: string;
  serviceClusterIpRange: string;
  serviceNodePortRange: string;
  kubeletClientCertificate: string;
  kubeletClientKey: string;
  kubeletCertificateAuthority: string;
  enableBootstrapTokenAuth?: boolean;
  enableAdmissionPlugins?: string;
  disableAdmissionPlugins?: string;
  admissionControlConfigFile?: string;
  encryptionProviderConfig?: string;
  encryptionProviderConfigAutomaticReload?: boolean;
  runtimeConfig: string;
  maxRequestsInflight: string;
  maxMutatingRequestsInflight: string;
}

/** `r2k apiserver`: the apiserver alone, with kube-apiserver's flags. */
export function command(): Command {
  return new Command("apiserver")
    .description("Serve the Kubernetes API from an etcd (kube-apiserver).")
    .requiredOption("--etcd-servers <urls>", "the store's addresses, comma-separated")
    .option("--etcd-cafile <file>", "the CA of the store's certificate, PEM")
    .option("--etcd-certfile <file>", "client certificate for the store, PEM")
    .option("--etcd-keyfile <file>", "its key, PEM")
    .option("--bind-address <ip>", "where to listen", "127.0.0.1")
    .option("--secure-port <port>", "the port", "6443")
    .requiredOption("--advertise-address <ip>", "by which pods and others reach this server")
    .requiredOption("--tls-cert-file <file>", "the server's certificate, PEM")
    .requiredOption("--tls-private-key-file <file>", "its key, PEM")
    .requiredOption("--client-ca-file <file>", "CAs of client certificates, PEM")
    .requiredOption("--service-account-issuer <url>", "the issuer of service account tokens")
    .requiredOption("--service-account-signing-key-file <file>", "the key that signs them, PEM")
    .requiredOption("--service-account-key-file <files...>", "public keys that verify them, PEM")
    .option("--api-audiences <names>", "audiences of tokens, comma-separated (default the issuer)")
    .option("--service-cluster-ip-range <cidr>", "addresses of Services", "10.96.0.0/16")
    .option("--service-node-port-range <from-to>", "node ports of Services", "30000-32767")
    .requiredOption("--kubelet-client-certificate <file>", "client certificate for kubelets, PEM")
    .requiredOption("--kubelet-client-key <file>", "its key, PEM")
    .requiredOption("--kubelet-certificate-authority <file>", "the CA of kubelets, PEM")
    .option("--enable-bootstrap-token-auth", "accept bootstrap tokens (Secrets of kube-system)")
    .option("--enable-admission-plugins <names>", "run these too, comma-separated")
    .option("--disable-admission-plugins <names>", "do not run these, comma-separated")
    .option("--admission-control-config-file <file>", "configuration of admission plugins, YAML")
    .option("--encryption-provider-config <file>", "how values are encrypted in the store, YAML")
    .option("--encryption-provider-config-automatic-reload", "read that file again when it changes")
    .option("--runtime-config <switches>", "versions and resources served: apps/v1=false,...", "")
    .option("--max-requests-inflight <n>", "reads at a time, 0 for any number", "400")
    .option("--max-mutating-requests-inflight <n>", "writes at a time, 0 for any number", "200")
    .action(run);
}

async function run(flags: Flags, command: Command): Promise<void> {
  const etcd = await connectWhenReachable(flags);
  let encryption: GivenEncryption | undefined;
  try {
    encryption = await encryptionOf(flags);
    const overrides = {
      admission: await admissionOf(flags),
      flags: flagValues(command),
      ...encryption.option,
    };
    const onIdle = () => void giveMemoryBack();
    const options = { etcd, ...optionsOf(flags), ...overrides, onIdle };
    await runPart("apiserver", () => startApiserver(options));
  } finally {
    await encryption?.close();
    await etcd.close();
  }
}

/**
 * Large answers leave room behind that malloc keeps, and the start code that is not used again. V8
 * is left to collect when it sees fit: made to, it would hold requests for 40 ms.
 */
async function giveMemoryBack(): Promise<void> {
  // Native code that a start has no use for.
  const memory = await import("@raft2kube/linux/process/memory.ts");
  timed("memory: give back", () => {
    memory.returnFreedMemory();
    memory.returnUnusedCode();
  });
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}

/** Waits for an etcd that is being started beside this server, as upstream's does. */
async function connectWhenReachable(flags: Flags): Promise<EtcdClient> {
  const endpoints = flags.etcdServers.split(",");
  const { etcdCafile: ca, etcdCertfile: cert, etcdKeyfile: key } = flags;
  const tls = readEtcdTls({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  const clock = systemClock();
  const end_ms = clock.monotonic() + ETCD_TIMEOUT_MS;
  for (;;) {
    const failures = await unreachableEtcd(endpoints, tls);
    if (failures.length < endpoints.length) return connectEtcd({ endpoints, tls });
    const what = `--etcd-servers: ${failures.join("; ")}`;
    const remedy = etcdRemedy(endpoints);
    if (clock.monotonic() >= end_ms) throw new CommandError("ETCD", what, { remedy });
    log.warn("the store does not answer, trying again", { failures });
    await delay(clock, ETCD_RETRY_MS);
  }
}

function optionsOf(flags: Flags): Omit<ApiserverOptions, "etcd"> {
  const port = wholeNumber("--secure-port", flags.securePort);
  const audiences = flags.apiAudiences?.split(",");
  return {
    listen: [{ host: flags.bindAddress, port }],
    tls: { cert: read(flags.tlsCertFile), key: read(flags.tlsPrivateKeyFile) },
    clientCa: read(flags.clientCaFile),
    serviceAccountKey: {
      privateKey: read(flags.serviceAccountSigningKeyFile),
      publicKeys: flags.serviceAccountKeyFile.map(read),
      issuer: flags.serviceAccountIssuer,
      ...(audiences ? { audiences } : {}),
    },
    serviceCidr: flags.serviceClusterIpRange,
    nodePortRange: portRange(flags.serviceNodePortRange),
    advertiseAddress: advertised(flags.advertiseAddress),
    bootstrapTokens: flags.enableBootstrapTokenAuth ?? false,
    advertisePort: port,
    inFlightMax: {
      reading: atATime("--max-requests-inflight", flags.maxRequestsInflight),
      writing: atATime("--max-mutating-requests-inflight", flags.maxMutatingRequestsInflight),
    },
    serves: flagged(() => readRuntimeConfig(flags.runtimeConfig, KINDS)),
    kubeletClient: {
      cert: read(flags.kubeletClientCertificate),
      key: read(flags.kubeletClientKey),
      ca: read(flags.kubeletCertificateAuthority),
    },
  };
}

async function admissionOf(flags: Flags): Promise<AdmissionFlags> {
  const words = (text: string | undefined) => text?.split(",").filter((each) => each !== "") ?? [];
  const switches = {
    enable: words(flags.enableAdmissionPlugins),
    disable: words(flags.disableAdmissionPlugins),
  };
  flagged(() => checkSwitches(switches));
  const { admissionControlConfigFile: file } = flags;
  if (file === undefined) return switches;
  // Files that it names lie beside it.
  const beside = (path: string) => read(resolve(dirname(file), path));
  return { ...switches, configuration: await readAdmissionConfiguration(read(file), beside) };
}

/** A bound of concurrent requests; 0 is none, as upstream. */
function atATime(flag: string, text: string): number {
  return wholeNumber(flag, text) || Number.MAX_SAFE_INTEGER;
}

/** Converts the RangeError of a flag's parser to a CommandError. */
function flagged<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new CommandError("FLAG", thrown.message);
    throw thrown;
  }
}

/** How values are encrypted, and how to stop looking for changes of that. */
interface GivenEncryption {
  readonly option: Pick<ApiserverOptions, "encryption" | "encryptionReloads">;
  close(): Promise<void>;
}

async function encryptionOf(flags: Flags): Promise<GivenEncryption> {
  const { encryptionProviderConfig: file, encryptionProviderConfigAutomaticReload: reload } = flags;
  const close = () => Promise.resolve();
  if (file === undefined) {
    if (!reload) return { option: {}, close };
    const flag = "--encryption-provider-config";
    throw new CommandError("FLAG", `${flag}-automatic-reload is nothing without ${flag}`);
  }
  if (!reload) return { option: { encryption: await readEncryption(read(file)) }, close };
  const following = await EncryptionFile.follow(() => readFile(file, "utf8"), systemClock());
  const { encryption, reloads } = following;
  return { option: { encryption, encryptionReloads: reloads }, close: () => following.close() };
}

/** The endpoint of `kubernetes`, which has to be what an endpoint may be. */
function advertised(address: string): string {
  const [wrong] = validateNonSpecialIp(address, "--advertise-address");
  if (wrong === undefined) return address;
  const remedy = "give the address of an interface by which pods reach this machine";
  throw new CommandError("FLAG", `${wrong.field} ${address}: ${wrong.detail}`, { remedy });
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new CommandError("FLAG", `${flag}: not a number: ${text}`);
}

function portRange(text: string): { from: number; to: number } {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2]);
  if (match && from <= to && to <= 65_535) return { from, to };
  throw new CommandError("FLAG", `--service-node-port-range: not a range of ports: ${text}`);
}
