import { X509Certificate } from "node:crypto";
import { Agent } from "node:https";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { answeredError, KubeError } from "@raft2kube/client-kube/errors.ts";
import { http1Transport } from "@raft2kube/client-kube/transport/http1.ts";
import { detachedSignature } from "@raft2kube/controllers/bootstrapsigner/plan.ts";
import { readClusterAlone, readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { Backoff } from "@raft2kube/reconcile/backoff.ts";
import { certificatesIn } from "@raft2kube/std/costly-certificate.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { parseDocument } from "yaml";
import { CommandError, onOneLine } from "../terminal.ts";
import type { MachineContext } from "./context.ts";
import { tableIn } from "./texts.ts";
import { caHash, parseToken } from "./tokens.ts";

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
export type Discovered = { readonly server: string; readonly ca: string; readonly token: string };

function refused(text: string, remedy: string, code = "DISCOVERY"): CommandError {
  return new CommandError(code, `discovery: ${text}`, { remedy });
}

type Surroundings = Pick<MachineContext, "join" | "clock" | "signal" | "note">;

const NEW_TOKEN = "on a control plane machine: r2k token create --print-join-command";

/**
 * Finds the cluster: by the file, or at its API server, which is believed when the token has signed
 * `cluster-info` and the CA in it has one of the hashes. Throws CommandError `DISCOVERY`, or
 * `UNREACHED` when no server has answered for `DISCOVERY_MS_MAX`.
 */
export async function discover(context: Surroundings): Promise<Discovered> {
  const { bootstrapToken, file, tlsBootstrapToken } = context.join.discovery;
  if (file !== undefined) return fromFile(file.kubeConfigPath, tlsBootstrapToken);
  if (bootstrapToken === undefined) throw refused("neither a token nor a file is given", NEW_TOKEN);
  const { token, caCertHashes = [], unsafeSkipCAVerification } = bootstrapToken;
  parseToken(token);
  if (caCertHashes.length === 0 && !unsafeSkipCAVerification) {
    throw refused(
      "no hash of the cluster's CA is given",
      "--discovery-token-ca-cert-hash sha256:..., or " +
        "--discovery-token-unsafe-skip-ca-verification",
    );
  }
  const endpoint = bootstrapToken.apiServerEndpoint?.replace(/^https:\/\//, "") ?? "";
  const server = `https://${endpoint}${/:\d+$/.test(endpoint) ? "" : ":6443"}`;
  const ask = (ca?: string) =>
    signedInfo(() => clusterInfo({ server, ...given({ ca }) }, context), token, context);
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
  { clock, signal, note }: Surroundings,
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
      note(`[discovery] ${messageOf(thrown)}; trying again`);
      pause_ms = backoff.next();
    }
    await delay(clock, pause_ms, signal);
  }
}

const signatureOf = (id: string) => `jws-kubeconfig-${id}`;

/** Checks the signature of a `cluster-info`; of its CAs only those with one of the hashes stay. */
export function checkInfo({ data = {} }: ConfigMap, token: string, hashes: readonly string[]) {
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
  const value = parseDocument(kubeconfig).getIn(["clusters", 0, "cluster", field]);
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
  if (trusted.length > 0) return trusted.map((cert) => new X509Certificate(cert)).join("");
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

/** The text and the remedy of a refused certificate, by a pattern of Node's codes. */
type Unverified = { readonly codes: string; readonly text: string; readonly remedy: string };

/** Codes of connections that another moment may bring about; every other failure is final. */
const UNREACHABLE = /^(EAI_AGAIN|ECONN(ABORTED|REFUSED|RESET)|E(HOST|NET)UNREACH|EPIPE|ETIMEDOUT)$/;

/** Reads `cluster-info`; without a CA it trusts any server that answers. */
export async function clusterInfo(
  { server, ca }: { readonly server: string; readonly ca?: string },
  { clock, signal }: Pick<Surroundings, "clock" | "signal">,
  timeout_ms = TIMEOUT_MS,
): Promise<ConfigMap> {
  const agent = new Agent(ca === undefined ? { rejectUnauthorized: false } : { ca });
  try {
    const transport = http1Transport({ server }, clock, agent);
    const limits = { timeout_ms, bytes_max: ANSWER_BYTES_MAX, signal };
    const answer = await transport.fetch({ method: "GET", path: PATH, headers: {}, ...limits });
    const text = answer.body.toString();
    if (answer.status !== 200) throw answeredError(answer.status, text, "cluster-info");
    return decodeJson<ConfigMap>("core/v1.ConfigMap", JSON.parse(text)).object;
  } catch (thrown) {
    const code = codeOf(thrown) ?? "";
    const refusals = tableIn<Unverified[]>("unverified.yaml");
    const { text, remedy } = refusals.find(({ codes }) => new RegExp(codes).test(code)) ?? {
      text: onOneLine(messageOf(thrown)),
      remedy: "see that the API server runs, and is reached",
    };
    // A server, or a balancer before it, may give another answer later.
    const mayPass =
      thrown instanceof KubeError
        ? thrown.http === 429 || thrown.http >= 500
        : UNREACHABLE.test(code);
    throw refused(`${server}: ${text}`, remedy, mayPass ? UNREACHED : undefined);
  } finally {
    agent.destroy();
  }
}
