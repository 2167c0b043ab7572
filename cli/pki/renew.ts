import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { otherUser } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { type KeyPair, renewCertificate } from "@raft2kube/pki/certificate.ts";
import { withServer } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";
import {
  certificatePath,
  isIssuedBy,
  type KeptCertificate,
  keptCertificates,
  replaceCertificate,
} from "./certificates.ts";
import { endsSoon } from "./ends-soon.ts";
import { clusterFiles, isNodePart, KUBECONFIG_USERS, serverFor } from "./identities.ts";
import { CERTIFICATE_DAYS } from "./key-pair.ts";
import { followChange } from "./merge-kubeconfig.ts";

/** Throws CommandError `FOREIGN` naming all certificates that the cluster's CA did not issue. */
export async function refuseForeign(config: ClusterConfig, ca: KeyPair): Promise<void> {
  const kept = await keptCertificates(config);
  const issuer = new X509Certificate(ca.cert);
  const foreign = kept.filter(({ cert }) => !isIssuedBy(cert, issuer));
  if (foreign.length === 0) return;
  const paths = foreign.map(certificatePath);
  const pair = clusterFiles(config).pair("ca");
  throw new CommandError("FOREIGN", `${pair.cert} did not issue ${paths.join(", ")}`, {
    remedy:
      `put back the ${pair.cert} and ${pair.key} that did, or remove these files ` +
      "(and the .key beside each .crt): the next start makes them",
  });
}

/**
 * Renews what has ended, ends soon, has not started or is another user's, for the same key, and
 * notes each by name.
 */
export async function renewDue(
  config: ClusterConfig,
  ca: KeyPair,
  now_ms: number,
  note: (line: string) => void,
): Promise<void> {
  const issuer = new X509Certificate(ca.cert);
  const end_ms = Math.min(now_ms + CERTIFICATE_DAYS * MS_PER_DAY, issuer.validToDate.getTime());
  for (const kept of await keptCertificates(config)) {
    const isStarted = kept.cert.validFromDate.getTime() <= now_ms;
    const other =
      kept.kind === "kubeconfig" && isNodePart(kept.user)
        ? otherUser(kept.cert, kept.user, config)
        : undefined;
    if (isStarted && !endsSoon(kept.cert, now_ms, issuer) && !other) continue;
    const subject = other && { commonName: other.name, organizations: [other.group] };
    const options = { days: CERTIFICATE_DAYS, now_ms, subject };
    const renewed = await renewCertificate(ca, String(kept.cert), options);
    const name = relative(config.dataDir, certificatePath(kept));
    const why = other ? `is not of ${other.name}` : stateOf(kept.cert, now_ms);
    note(`  certificate ${name} ${why}; renewed until ${day(end_ms)}`);
    if (kept.kind === "pair") await replaceFile(kept.paths.cert, renewed, { mode: 0o644 });
    else await renewKubeconfig(kept, renewed, note);
  }
}

async function renewKubeconfig(
  { path, user }: Extract<KeptCertificate, { kind: "kubeconfig" }>,
  cert: string,
  note: (line: string) => void,
): Promise<void> {
  const texts = await replaceCertificate(path, cert);
  if (user === "admin") await changeCopies(path, { ...texts, what: "certificate" }, note);
}

/** Notes that copies of a kubeconfig are out of date, and changes the one in ~/.kube/config. */
async function changeCopies(
  path: string,
  { before, after, what }: { before: string; after: string; what: string },
  note: (line: string) => void,
): Promise<void> {
  note(`  copies of ${path} that were made elsewhere have the old ${what}`);
  try {
    await followChange(before, after);
  } catch (thrown) {
    // The file is the user's: a failure to read or write it keeps no cluster from starting.
    note(`  ~/.kube/config may have it too: ${messageOf(thrown)}`);
  }
}

/**
 * Gives the kubeconfigs the API's port of the configuration, which `start --api-port` changes.
 * Another host in a kubeconfig is its user's choice, and stays.
 */
export async function updateServers(
  config: ClusterConfig,
  note: (line: string) => void,
): Promise<void> {
  for (const user of KUBECONFIG_USERS) {
    const path = clusterFiles(config).kubeconfig(user);
    if ((await readIfPresent(path)) === undefined) continue; // a node that joins has a node's only
    const { server } = await readKubeconfig(path);
    const wanted = serverFor(user, config);
    const host = URL.canParse(server) ? new URL(server).hostname : undefined;
    if (server === wanted || host !== new URL(wanted).hostname) continue;
    const before = await readFile(path, "utf8");
    const after = withServer(before, wanted);
    await replaceFile(path, after, { mode: 0o600 });
    if (user === "admin") await changeCopies(path, { before, after, what: "port" }, note);
  }
}

function stateOf(cert: X509Certificate, now_ms: number): string {
  const [from, to] = [cert.validFromDate, cert.validToDate];
  if (from.getTime() > now_ms) return `is valid from ${from.toISOString()} on only`;
  return `${to.getTime() <= now_ms ? "expired" : "ends"} on ${day(to.getTime())}`;
}

const day = (time_ms: number): string => new Date(time_ms).toISOString().slice(0, 10);
