import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { validateNonSpecialIp } from "@raft2kube/api/validation/addresses.ts";
import { readAdmissionConfiguration } from "@raft2kube/apiserver/admission/configuration.ts";
import { type AdmissionFlags, checkSwitches } from "@raft2kube/apiserver/admission/plugins.ts";
import { startApiserver } from "@raft2kube/apiserver/main.ts";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { readRuntimeConfig } from "@raft2kube/apiserver/resource/runtime-config.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { type Encryption, NO_ENCRYPTION, readEncryption } from "@raft2kube/encryption/config.ts";
import { followEncryption } from "@raft2kube/encryption/reload.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Store } from "@raft2kube/store/main.ts";
import type { Command } from "commander";
import { portNumber, wholeNumber } from "../flag-numbers.ts";
import {
  commandWith,
  type FlagsOf,
  type FlagTable,
  falseUnlessTrue,
  only,
  required,
} from "../flags.ts";
import { etcdRemedy, readEtcdTls, unreachableEtcd } from "../observe/etcd-servers.ts";
import { followTrust } from "../pki/followed-trust.ts";
import type { Parts } from "../process/started-parts.ts";
import { CommandError } from "../terminal.ts";
import { ACCESS_FLAGS, accessOf } from "./apiserver-access.ts";
import { AUDIT_FLAGS, auditOptionsOf } from "./apiserver-audit.ts";
import { duration_ms } from "./flag-duration.ts";
import { flagValues } from "./flag-values.ts";
import { runPart, startTogether } from "./run-part.ts";

const log = logger("apiserver");

/** How long an apiserver waits for its store before it ends, as upstream's. */
const ETCD_TIMEOUT_MS = 20_000;
const ETCD_RETRY_MS = 1_000;

export const FLAGS = {
  "--etcd-servers <urls>": required("the store's addresses, comma-separated"),
  "--etcd-cafile <file>": "the CA of the store's certificate, PEM",
  "--etcd-certfile <file>": "client certificate for the store, PEM",
  "--etcd-keyfile <file>": "its key, PEM",
  "--bind-address <ip>": ["where to listen", "127.0.0.1"],
  "--secure-port <port>": ["the port", "6443"],
  "--advertise-address <ip>": required("by which pods and others reach this server"),
  "--tls-cert-file <file>": required("the server's certificate, PEM"),
  "--tls-private-key-file <file>": required("its key, PEM"),
  "--client-ca-file <file>": required("CAs of client certificates, PEM"),
  "--service-account-issuer <url>": required("the issuer of service account tokens"),
  "--service-account-signing-key-file <file>": required("the key that signs them, PEM"),
  "--service-account-key-file <files...>": required("public keys that verify them, PEM"),
  "--api-audiences <names>": "audiences of tokens, comma-separated (default the issuer)",
  "--service-cluster-ip-range <cidr>": ["addresses of Services", "10.96.0.0/16"],
  "--service-node-port-range <from-to>": ["node ports of Services", "30000-32767"],
  "--kubelet-client-certificate <file>": required("client certificate for kubelets, PEM"),
  "--kubelet-client-key <file>": required("its key, PEM"),
  "--kubelet-certificate-authority <file>": "the CA of kubelets, PEM; unverified without",
  "--kubelet-preferred-address-types <types>": only(
    "the order of a node's addresses",
    "InternalIP,ExternalIP,Hostname",
  ),
  "--proxy-client-cert-file <file>": "client certificate for aggregated API servers, PEM",
  "--proxy-client-key-file <file>": "its key, PEM",
  "--requestheader-client-ca-file <file>": "CAs of proxies that name users in headers, PEM",
  "--requestheader-allowed-names <names>": ["their names; none for any", ""],
  "--requestheader-username-headers <names>": ["headers of the user's name", ""],
  "--requestheader-uid-headers <names>": ["headers of the user's uid", ""],
  "--requestheader-group-headers <names>": ["headers of the user's groups", ""],
  "--requestheader-extra-headers-prefix <starts>": ["starts of headers of extra", ""],
  "--enable-bootstrap-token-auth [boolean]": falseUnlessTrue(
    "accept bootstrap tokens (Secrets of kube-system)",
  ),
  "--allow-privileged [boolean]": only("privileged containers are always allowed", "true"),
  "--enable-admission-plugins <names>": "run these too, comma-separated",
  "--disable-admission-plugins <names>": "do not run these, comma-separated",
  "--admission-control-config-file <file>": "configuration of admission plugins, YAML",
  "--encryption-provider-config <file>": "how values are encrypted in the store, YAML",
  "--encryption-provider-config-automatic-reload": "read that file again when it changes",
  "--runtime-config <switches>": ["versions and resources served: apps/v1=false,...", ""],
  "--tracing-config-file <file>": "TracingConfiguration: where traces go, and how many, YAML",
  ...ACCESS_FLAGS,
  ...AUDIT_FLAGS,
  "--max-requests-inflight <n>": ["reads at a time, 0 for any number", "400"],
  "--max-mutating-requests-inflight <n>": ["writes at a time, 0 for any number", "200"],
  "--shutdown-delay-duration <duration>": ["how long it serves on SIGTERM, not ready", "0s"],
  "--shutdown-send-retry-after": "then refuse requests on old connections with a 429",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k apiserver`: the apiserver alone, with kube-apiserver's flags. */
export const command = () =>
  commandWith(
    "apiserver",
    "Serve the Kubernetes API from an etcd (kube-apiserver).",
    FLAGS,
    (_, command) => runPart("apiserver", () => start(command)),
  );

/** A store of this process. */
type OwnStore = Pick<Store, "client" | "endpoints">;

/** Starts what parsed flags say; `own` is used where they name it. */
export const start = (command: Command, own?: OwnStore) =>
  startTogether((parts) => startIn(parts, command, own));

async function startIn(parts: Parts, command: Command, own: OwnStore | undefined): Promise<void> {
  const flags = command.opts<Flags>();
  const etcd = parts.keep("client of the store", await connectWhenReachable(flags, own));
  const encryption = parts.keep("encryption", await encryptionOf(flags));
  const accessing = accessOf(flags, [flags.serviceAccountIssuer], systemClock());
  const access = parts.keep("access", await accessing);
  const paths = {
    cert: flags.tlsCertFile,
    key: flags.tlsPrivateKeyFile,
    clientCa: flags.clientCaFile,
    proxyCa: flags.requestheaderClientCaFile,
    kubeletClient: {
      cert: flags.kubeletClientCertificate,
      key: flags.kubeletClientKey,
      ca: flags.kubeletCertificateAuthority,
    },
    proxyClient: proxyClientOf(flags),
  };
  const trust = parts.keep("trust", await followTrust(paths, systemClock()));
  const tracer = await tracerOf(flags);
  if (tracer) parts.keep("tracer", tracer);
  const overrides = {
    trust,
    tracer,
    admission: await admissionOf(flags),
    audit: await auditOptionsOf(flags),
    flags: flagValues(command),
    encryption,
    ...access.options,
  };
  parts.keep("server", await startApiserver({ etcd, ...optionsOf(flags), ...overrides }));
}

const read = (path: string): string => readFileSync(path, "utf8");

/** Whether an endpoint is one of a store. */
export const isNamed = (endpoints: readonly string[], store: readonly string[] = []): boolean =>
  endpoints.some((each) => store.includes(each.replace(/\/$/, "")));

/** Waits for an etcd that is being started beside this server, as upstream's does. */
async function connectWhenReachable(flags: Flags, own?: OwnStore): Promise<EtcdClient> {
  const endpoints = flags.etcdServers.split(",");
  const { etcdCafile: ca, etcdCertfile: cert, etcdKeyfile: key } = flags;
  const tls = readEtcdTls({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  const clock = systemClock();
  const end_ms = clock.monotonic() + ETCD_TIMEOUT_MS;
  for (;;) {
    const failures = await unreachableEtcd(endpoints, tls);
    if (failures.length < endpoints.length) {
      const connection = { endpoints, tls };
      if (!isNamed(endpoints, own?.endpoints)) return connectEtcd(connection);
      // Threads have no other way to it.
      return { ...own!.client, connection };
    }
    const what = `--etcd-servers: ${failures.join("; ")}`;
    const remedy = etcdRemedy(endpoints);
    if (clock.monotonic() >= end_ms) throw new CommandError("ETCD", what, { remedy });
    log.warn("the store does not answer, trying again", { failures });
    await delay(clock, ETCD_RETRY_MS);
  }
}

function optionsOf(flags: Flags): Omit<ApiserverOptions, "etcd"> {
  const port = portNumber("--secure-port", flags.securePort);
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
    bootstrapTokens: flags.enableBootstrapTokenAuth === "true",
    policyStatuses: true,
    advertisePort: port,
    inFlightMax: {
      reading: atATime("--max-requests-inflight", flags.maxRequestsInflight),
      writing: atATime("--max-mutating-requests-inflight", flags.maxMutatingRequestsInflight),
    },
    shutdown: {
      delay_ms: duration_ms(flags, "shutdownDelayDuration"),
      sendRetryAfter: flags.shutdownSendRetryAfter ?? false,
    },
    serves: flagged(() => readRuntimeConfig(flags.runtimeConfig, KINDS)),
    kubeletClient: {
      cert: read(flags.kubeletClientCertificate),
      key: read(flags.kubeletClientKey),
      ...kubeletCaOf(flags),
    },
    ...frontProxyOf(flags),
  };
}

function kubeletCaOf({ kubeletCertificateAuthority: file }: Flags): { ca?: string } {
  return file === undefined ? {} : { ca: read(file) };
}

/** The files of the certificate for aggregated servers. */
function proxyClientOf(flags: Flags): { cert: string; key: string } | undefined {
  const { proxyClientCertFile: cert, proxyClientKeyFile: key } = flags;
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === key) return undefined;
  const text = "--proxy-client-cert-file and --proxy-client-key-file are given together";
  throw new CommandError("FLAG", text);
}

function frontProxyOf(flags: Flags): Pick<ApiserverOptions, "proxyClient" | "requestHeader"> {
  const pair = proxyClientOf(flags);
  const { requestheaderClientCaFile: ca } = flags;
  return {
    ...(pair && { proxyClient: { cert: read(pair.cert), key: read(pair.key) } }),
    ...(ca === undefined
      ? {}
      : {
          requestHeader: {
            clientCa: read(ca),
            allowedNames: words(flags.requestheaderAllowedNames),
            usernameHeaders: words(flags.requestheaderUsernameHeaders),
            uidHeaders: words(flags.requestheaderUidHeaders),
            groupHeaders: words(flags.requestheaderGroupHeaders),
            extraHeaderPrefixes: words(flags.requestheaderExtraHeadersPrefix),
          },
        }),
  };
}

const words = (text: string | undefined): string[] =>
  text
    ?.split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "") ?? [];

async function admissionOf(flags: Flags): Promise<AdmissionFlags> {
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

async function tracerOf({ tracingConfigFile: file }: Flags): Promise<Tracer | undefined> {
  if (file === undefined) return undefined;
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const { apiserverTracer } = await import("./tracing.ts");
  return apiserverTracer(yamlValue(read(file)));
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

async function encryptionOf(flags: Flags): Promise<Encryption> {
  const { encryptionProviderConfig: file, encryptionProviderConfigAutomaticReload: reload } = flags;
  if (file === undefined) {
    if (!reload) return NO_ENCRYPTION;
    const flag = "--encryption-provider-config";
    throw new CommandError("FLAG", `${flag}-automatic-reload is nothing without ${flag}`);
  }
  const clock = systemClock();
  if (reload) return await followEncryption(() => readFile(file, "utf8"), clock);
  return await readEncryption(read(file), clock);
}

/** The endpoint of `kubernetes`, which has to be what an endpoint may be. */
function advertised(address: string): string {
  const [wrong] = validateNonSpecialIp(address, "--advertise-address");
  if (wrong === undefined) return address;
  const remedy = "give the address of an interface by which pods reach this machine";
  throw new CommandError("FLAG", `${wrong.field} ${address}: ${wrong.detail}`, { remedy });
}

function portRange(text: string): { from: number; to: number } {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2]);
  if (match && from <= to && to <= 65_535) return { from, to };
  throw new CommandError("FLAG", `--service-node-port-range: not a range of ports: ${text}`);
}
