import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { http1Transport } from "@raft2kube/client-kube/transport/http1.ts";
import { freshOf, replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { Member } from "@raft2kube/proto/gen/etcd.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { pathsOf } from "../pki/identities.ts";
import { MEMBER_CALL, type MemberWork, withMember } from "../store/members.ts";
import { CommandError } from "../terminal.ts";
import { awaited, type MachineContext } from "./context.ts";
import { CERTIFICATES_DIR, manifestPath, storeManifest } from "./layout.ts";
import { CONTROL_PLANE_LABEL, manifestOf } from "./phases/files.ts";
import { flagOf, ONE_PROCESS, staticPods } from "./static-pods.ts";

/** A member catches up with the data of the others first. */
const MEMBERS_TIMEOUT_MS = 120_000;
/** The ports of each member for clients and for other members, as in `static-pods/etcd.yaml`. */
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const PODS_WITH_STORE = `component in (etcd, ${ONE_PROCESS}),tier=control-plane`;
const ANNOTATION = "kubeadm.kubernetes.io/etcd.advertise-client-urls";

/** The pair of a client of etcd's, and the CA of its servers. */
async function credentials(pki: string) {
  const { cert, key } = pathsOf(pki, "etcd/healthcheck-client");
  return {
    cert: await readFile(cert, "utf8"),
    key: await readFile(key, "utf8"),
    ca: await readFile(pathsOf(pki, "etcd/ca").cert, "utf8"),
  };
}

/**
 * Makes this machine a member of the store: a learner, which counts in no majority, then its static
 * pod, then a voter once it has caught up. Another call continues with what is there; a member of
 * this machine whose data is gone is removed first, as it could vote twice. The manifest lies
 * beside its place before the member is announced, so that `reset` finds the member after a kill.
 */
export async function joinEtcd(
  context: MachineContext,
  client: KubeClient,
  manifest = manifestPath(staticPods(context.cluster)[0]!),
): Promise<void> {
  const { address, nodeName, cluster } = context;
  const pod = staticPods(cluster)[0]!;
  const { dataDir } = cluster.etcd.local;
  const own = `https://${address}:${PEER_PORT}`;
  const urls = await memberUrls(client);
  const isOwn = ({ peerURLs }: Pick<Member, "peerURLs">) => peerURLs.includes(own);
  let turn = 0;
  const until = <T>(what: string, work: MemberWork<T>) => {
    const ask = async () => {
      const url = urls[turn++ % Math.max(1, urls.length)];
      if (url === undefined) throw new CommandError("MEMBERS", "no machine has a pod of etcd");
      return withMember(url, work, await credentials(cluster.certificatesDir));
    };
    return awaited(context, what, ask, MEMBERS_TIMEOUT_MS, {
      code: "MEMBERS",
      text: "the members of etcd",
      remedy:
        "see that the other members run, and that none is announced that will not come " +
        "(etcdctl member remove); then r2k reset here, and join again",
    });
  };
  const manifestFor = (members: readonly Member[]) =>
    manifestOf(context, pod, initialClusterOf(members, isOwn, nodeName));
  const all = await until("a further member", async (members, known) => {
    const former = known.find(isOwn);
    if (former?.name === "" || (former && existsSync(join(dataDir, "member")))) return known;
    if (former) {
      if (former.name !== nodeName) {
        throw new CommandError("MEMBERS", `${own} is the member ${former.name}`);
      }
      context.note("[etcd] Removing this machine's former member, whose data is gone");
      await members.memberRemove({ ID: former.ID }, MEMBER_CALL);
    }
    await writeFile(freshOf(manifest), await manifestFor(known), { mode: 0o600 });
    return (await members.memberAdd({ peerURLs: [own], isLearner: true }, MEMBER_CALL)).members;
  });
  context.note("[etcd] Announced new etcd member joining to the existing etcd cluster");
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await replaceFile(manifest, await manifestFor(all), { mode: 0o600 });
  context.note(`[etcd] Creating static Pod manifest for "${pod}"`);
  await until("the new member to catch up", async (members, known) => {
    const member = known.find(isOwn);
    if (member?.isLearner) await members.memberPromote({ ID: member.ID }, MEMBER_CALL);
    return member && true;
  });
  context.note("[etcd] The new member has caught up and votes");
}

/**
 * The members as the flag `--initial-cluster` has them. One that joins meanwhile has no name yet,
 * and is named by its id.
 */
export function initialClusterOf(
  all: readonly Pick<Member, "ID" | "name" | "peerURLs">[],
  isOwn: (member: Pick<Member, "peerURLs">) => boolean,
  nodeName: string,
): string {
  return all
    .flatMap((member) => {
      const name = isOwn(member) ? nodeName : member.name || member.ID.toString(16);
      return member.peerURLs.filter(isHttps).map((url) => `${name}=${url}`);
    })
    .join(",");
}

/** The client URLs of the store's members, from the annotations of their static pods. */
export async function memberUrls(client: KubeClient): Promise<string[]> {
  const nodes = await client.resource(NODES).listAll({ labelSelector: CONTROL_PLANE_LABEL });
  const names = new Set(nodes.items.map(({ metadata }) => metadata.name));
  const pods = await client
    .resource(PODS)
    .listAll({ namespace: "kube-system", labelSelector: PODS_WITH_STORE });
  // A worker, too, may create a mirror pod with these labels.
  return pods.items
    .filter(({ spec }) => names.has(spec.nodeName))
    .flatMap(({ metadata }) => metadata.annotations?.[ANNOTATION] ?? [])
    .filter(isHttps);
}

/**
 * Throws CommandError `FOREIGN_STORE` where the members are etcd's, whose peers speak a protocol of
 * their own: this machine's member would never catch up. Asks the first one that answers.
 */
export async function requireOwnStore(urls: readonly string[], pki: string): Promise<void> {
  const tls = await credentials(pki);
  for (const url of urls) {
    const peer = { server: `https://${new URL(url).hostname}:${PEER_PORT}`, ...tls };
    const transport = http1Transport(peer, systemClock());
    const asked = transport.fetch({ method: "GET", path: "/version", headers: {}, ...MEMBER_CALL });
    // One that does not answer is tried, and named, when a member is added.
    const answer = await asked.catch(() => undefined);
    transport.close();
    // A store of ours refuses plain HTTP there.
    if (answer === undefined) continue;
    if (answer.status !== 200) return;
    const text = `${url} is a member of etcd, which the product's store cannot join`;
    throw new CommandError("FOREIGN_STORE", text, {
      remedy:
        "r2k reset; then name the members and their certificates as etcd.external in the " +
        "ConfigMap kubeadm-config, upload the certificates again, and join; or join as a worker",
    });
  }
}

const isHttps = (url: string) => url.startsWith("https://");

/**
 * Removes this machine's member where there are others; a failure is a line with its remedy. A
 * member that has not caught up answers nothing about members: then another one is asked.
 */
export async function leaveEtcd(
  note: (line: string) => void,
  { manifest = storeManifest(), pki = CERTIFICATES_DIR } = {},
): Promise<void> {
  const text = (await readIfPresent(manifest)) ?? (await readIfPresent(freshOf(manifest)));
  // One process of all components may use a store of others.
  if (text === undefined || (text.includes("- kube-apiserver") && !text.includes("- etcd"))) return;
  const own = flagOf(text, "initial-advertise-peer-urls") ?? "";
  const members = flagOf(text, "initial-cluster")?.match(/(?<==)[^,]+/g) ?? [];
  let why = `${manifest} names no member`;
  for (const peer of [...new Set([own, ...members])].filter(isHttps)) {
    const url = `https://${new URL(peer).hostname}:${CLIENT_PORT}`;
    try {
      const leave: MemberWork<void> = async (members, all) => {
        const member = all.find(({ peerURLs }) => peerURLs.includes(own));
        if (member === undefined || all.length < 2) return;
        note("[reset] Removing this machine's member of etcd");
        await members.memberRemove({ ID: member.ID }, MEMBER_CALL);
      };
      return await withMember(url, leave, await credentials(pki));
    } catch (thrown) {
      why = `${url}: ${messageOf(thrown)}`;
    }
  }
  note(
    `[reset] WARNING: this machine's member of etcd was not removed (${why}); ` +
      "if others go on, remove it there: etcdctl member remove",
  );
}
