import { request } from "node:https";
import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { detachedSignature } from "@raft2kube/controllers/bootstrapsigner/plan.ts";
import { readClusterAlone, readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { Backoff } from "@raft2kube/reconcile/backoff.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { parseAllDocuments } from "yaml";
import { CommandError } from "../terminal.ts";
import type { JoinSection } from "./config/kubeadm.ts";
import type { MachineContext } from "./context.ts";
import { caHash, certificatesIn, parseToken } from "./tokens.ts";

const TIMEOUT_MS = 10_000;
/** The default of kubeadm's `timeouts.discovery`, and its pause between attempts as the longest. */
const DISCOVERY_MS_MAX = 300_000;
const PAUSES = { first_ms: 250, most_ms: 5_000 };
/** The code of a question that may be answered later. */
const UNREACHED = "UNREACHED";
const SIGNED_MS_MAX = 10_000;
const SIGNED_RETRY_MS = 250;
const ANSWER_BYTES_MAX = 1 << 20;
const PATH = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

/** Names the server and the CA of a cluster that is trusted. */
export interface Discovered {
  readonly server: string;
  readonly ca: string;
  /** The token to join with. */
  readonly token: string;
}

function refused(text: string, remedy: string, code = "DISCOVERY"): CommandError {
  return new CommandError(code, `discovery: ${text}`, { remedy });
}

type Surroundings = Pick<MachineContext, "clock" | "signal" | "progress">;

const NEW_TOKEN = "on a control plane machine: r2k token create --print-join-command";

/**
 * Finds the cluster: by the file, or at its API server, which is believed when the token has signed
 * `cluster-info` and the CA in it has one of the hashes. Throws CommandError `DISCOVERY`, or
 * `UNREACHED` when no server has answered for `DISCOVERY_MS_MAX`.
 */
export async function discover(
  { discovery }: JoinSection,
  context: Surroundings,
): Promise<Discovered> {
  const { bootstrapToken, file, tlsBootstrapToken } = discovery;
  if (file !== undefined) return fromFile(file.kubeConfigPath, tlsBootstrapToken);
  if (bootstrapToken === undefined) throw refused("neither a token nor a file is given", NEW_TOKEN);
  const { token, apiServerEndpoint, caCertHashes = [], unsafeSkipCAVerification } = bootstrapToken;
  parseToken(token);
  if (caCertHashes.length === 0 && !unsafeSkipCAVerification) {
    throw refused(
      "no hash of the cluster's CA is given",
      "--discovery-token-ca-cert-hash sha256:..., or " +
        "--discovery-token-unsafe-skip-ca-verification",
    );
  }
  const [host = "", port = "6443"] = apiServerEndpoint.replace(/^https:\/\//, "").split(":");
  const ask = (ca?: string) => signedInfo(() => clusterInfo(host, port, ca), token, context);
  const info = await ask();
  const found = checkInfo(info, token, caCertHashes);
  // Once more, over a connection that the CA vouches for: no one in between has made it up.
  const again = await ask(found.ca);
  if (again.data?.["kubeconfig"] === info.data?.["kubeconfig"]) {
    return { ...found, token: tlsBootstrapToken ?? token };
  }
  throw refused("cluster-info is another one over a verified connection", NEW_TOKEN);
}

/**
 * Asks until a server answers, as kubeadm does: servers restart, and balancers take a moment; then
 * until the token has signed: a controller does so a moment after it was made. Resolves with the
 * last answer else.
 */
async function signedInfo(
  ask: () => Promise<ConfigMap>,
  token: string,
  { clock, signal, progress }: Surroundings,
): Promise<ConfigMap> {
  const name = signatureOf(parseToken(token).id);
  const end_ms = clock.monotonic() + DISCOVERY_MS_MAX;
  const backoff = new Backoff(PAUSES);
  let signed_ms: number | undefined;
  for (;;) {
    let pause_ms = SIGNED_RETRY_MS;
    try {
      const info = await ask();
      // From the first answer on, however long it was waited for.
      signed_ms ??= clock.monotonic() + SIGNED_MS_MAX;
      if (info.data?.[name] !== undefined || clock.monotonic() >= signed_ms) return info;
    } catch (thrown) {
      signal.throwIfAborted();
      if (codeOf(thrown) !== UNREACHED || clock.monotonic() >= end_ms) throw thrown;
      progress.note(`[discovery] ${messageOf(thrown)}; trying again`);
      pause_ms = backoff.next();
    }
    await delay(clock, pause_ms, signal);
  }
}

const signatureOf = (id: string) => `jws-kubeconfig-${id}`;

/** Checks the signature of a `cluster-info`; of its CAs only those with one of the hashes stay. */
export function checkInfo(
  { data = {} }: ConfigMap,
  token: string,
  hashes: readonly string[],
): { server: string; ca: string } {
  const { id, secret } = parseToken(token);
  const { kubeconfig = "", [signatureOf(id)]: signature } = data;
  if (signature === undefined) {
    const text = `the token with the id ${id} is not known to the cluster, or has ended`;
    throw refused(text, NEW_TOKEN);
  }
  if (signature !== detachedSignature(kubeconfig, { id, secret })) {
    throw refused("the token's secret is wrong: it has not signed cluster-info", NEW_TOKEN);
  }
  const ca = Buffer.from(textAt(kubeconfig, "certificate-authority-data"), "base64").toString();
  const server = textAt(kubeconfig, "server");
  if (ca === "") throw refused("cluster-info names no CA", NEW_TOKEN);
  requireHttps("cluster-info", server);
  return { server, ca: trustedOf(ca, hashes) };
}

/** A text of the first cluster in a kubeconfig; empty if there is none. */
function textAt(kubeconfig: string, field: string): string {
  const [document] = parseAllDocuments(kubeconfig);
  const value =
    document?.errors.length === 0 ? document.getIn(["clusters", 0, "cluster", field]) : undefined;
  return typeof value === "string" ? value : "";
}

/** The token is sent to no server without TLS. */
function requireHttps(where: string, server: string): void {
  if (URL.canParse(server) && new URL(server).protocol === "https:") return;
  throw refused(`${where} names no server by https`, "have it name https://HOST:PORT");
}

function trustedOf(bundle: string, hashes: readonly string[]): string {
  const all = certificatesIn(bundle);
  const trusted = hashes.length === 0 ? all : all.filter((cert) => hashes.includes(caHash(cert)));
  if (trusted.length > 0) return `${trusted.join("\n")}\n`;
  const found = all.map(caHash).join(" and ") || "none";
  throw refused(
    `the cluster's CA has the hash ${found}, not ${hashes.join(" or ")}`,
    "compare it on a control plane machine: another cluster, or one in between, has answered",
  );
}

async function fromFile(path: string, token: string | undefined): Promise<Discovered> {
  const { server, ca, token: own } = (await readClusterAlone(path)) ?? (await readKubeconfig(path));
  const joins = token ?? own;
  requireHttps(path, server);
  if (ca === undefined) throw refused(`${path} has no certificate authority`, "take another file");
  if (joins !== undefined) return { server, ca, token: joins };
  throw refused(`${path} has no token`, "--tls-bootstrap-token TOKEN");
}

const OTHER_TIME = [
  "its certificate is not valid at this machine's time",
  "set the clocks of both machines (date -u, NTP); if they agree: r2k certs check-expiration on " +
    "the control plane",
] as const;
const OTHER_CA = [
  "another machine answers in its place: its certificate is not of the cluster's CA",
  "find out who is between; nothing was sent to it, and nothing written here",
] as const;
const OTHER_NAME = [
  "its certificate is not valid for the name or address by which it was asked",
  "join by one that the certificate has, or add this one to the control plane's certSANs",
] as const;
/** Texts and remedies of failed verifications, by Node's codes. */
const UNVERIFIED: Readonly<Record<string, readonly [text: string, remedy: string]>> = {
  CERT_NOT_YET_VALID: OTHER_TIME,
  CERT_HAS_EXPIRED: OTHER_TIME,
  DEPTH_ZERO_SELF_SIGNED_CERT: OTHER_CA,
  SELF_SIGNED_CERT_IN_CHAIN: OTHER_CA,
  CERT_SIGNATURE_FAILURE: OTHER_CA,
  UNABLE_TO_GET_ISSUER_CERT: OTHER_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: OTHER_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: OTHER_CA,
  ERR_TLS_CERT_ALTNAME_INVALID: OTHER_NAME,
};
/** Codes of connections that another moment may bring about; every other failure is final. */
const UNREACHABLE =
  "EAI_AGAIN ECONNABORTED ECONNREFUSED ECONNRESET EHOSTUNREACH ENETUNREACH EPIPE ETIMEDOUT".split(
    " ",
  );
const REACH = "see that the API server runs and can be reached from here";
/** Answers of a server, or of a balancer before it, that may be another later. */
const mayPass = (status = 0) => status === 429 || status >= 500;

/** Whether an answer, which no one has vouched for yet, has the form that is read of it. */
function isConfigMap(value: unknown): value is ConfigMap {
  if (!isRecord(value)) return false;
  const { data = {} } = value;
  return isRecord(data) && Object.values(data).every((each) => typeof each === "string");
}

/** Reads `cluster-info`; without a CA it trusts any server that answers. */
export function clusterInfo(
  host: string,
  port: string,
  ca: string | undefined,
  timeout_ms = TIMEOUT_MS,
): Promise<ConfigMap> {
  const signal = AbortSignal.timeout(timeout_ms);
  const verify = ca === undefined ? { rejectUnauthorized: false } : { ca };
  return new Promise((resolve, reject) => {
    const fail = (text: string, { remedy = REACH, code = "DISCOVERY" } = {}) =>
      reject(refused(`${host}:${port}: ${text}`, remedy, code));
    const failBy = (error: Error) => {
      const [text, remedy] = UNVERIFIED[codeOf(error) ?? ""] ?? [];
      if (text !== undefined) return fail(text, { remedy });
      const why = signal.aborted ? `no whole answer in ${timeout_ms} ms` : messageOf(error);
      const isPassing = signal.aborted || UNREACHABLE.includes(codeOf(error) ?? "");
      fail(why, { code: isPassing ? UNREACHED : undefined });
    };
    const options = { host, port, path: PATH, signal, ...verify };
    const call = request(options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
        if (body.length <= ANSWER_BYTES_MAX) return;
        fail("the answer is too long");
        call.destroy();
      });
      response.on("error", failBy); // also an answer that ends before its length
      response.on("end", () => {
        const { statusCode } = response;
        const code = mayPass(statusCode) ? UNREACHED : undefined;
        if (statusCode !== 200) return fail(`cluster-info: HTTP ${statusCode}`, { code });
        try {
          const info: unknown = JSON.parse(body);
          if (isConfigMap(info)) resolve(info);
          else fail("the answer is no ConfigMap");
        } catch (thrown) {
          fail(messageOf(thrown));
        }
      });
    });
    call.on("error", failBy);
    call.end();
  });
}
