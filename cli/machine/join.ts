import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ClusterConfiguration } from "@raft2kube/api/gen/kubeadm/v1beta4.ts";
import { isForbidden, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CONFIG_MAPS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { isNodeReady } from "@raft2kube/controllers/node-state.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { certificatesIn } from "@raft2kube/std/costly-certificate.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { parse } from "yaml";
import { ADDONS_DIR } from "../assets.ts";
import { pathsOf } from "../pki/identities.ts";
import { CommandError } from "../terminal.ts";
import { API_LEVEL } from "../version.ts";
import { otherCluster } from "./certificates.ts";
import type { Fields } from "./config/fields.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import { checkKubeletConfig } from "./config/kubelet-config.ts";
import { type MachineContext, machineClient } from "./context.ts";
import { type Discovered, discover } from "./discovery.ts";
import { joinEtcd, memberUrls, requireOwnStore } from "./etcd-members.ts";
import { BOOTSTRAP_KUBECONFIG, kubeconfigPath, MANIFESTS_DIR } from "./layout.ts";
import { checkPatches } from "./patches.ts";
import { markControlPlane, waitControlPlane } from "./phases/cluster.ts";
import * as files from "./phases/files.ts";
import { checksOf, runPreflight, storeChecks } from "./preflight.ts";
import { downloadCertificates, requireShared } from "./shared-certificates.ts";
import { staticPods } from "./static-pods.ts";
import { KUBELET_SKEW_MAX, parseVersion } from "./upgrade/versions.ts";

/**
 * Joins this machine to a cluster, as a worker or as a further control plane. Nothing is written
 * before the cluster is found and trusted; a bootstrap kubeconfig goes when the kubelet has its
 * certificate, or could not get it.
 */
export async function joinMachine(context: MachineContext): Promise<void> {
  const { nodeName, clock, note } = context;
  const isControlPlane = context.join.controlPlane !== undefined;
  note("[preflight] Running pre-flight checks");
  await runPreflight(context, checksOf(context, "join"));
  const found = await discover(context);
  const { server, ca, token } = found;
  using client = new KubeClient({ server, ca, token, clock, userAgent: "r2k-join" });
  note("[preflight] Reading the ConfigMap kubeadm-config");
  const stored = await dataOf(client, "kubeadm-config", "ClusterConfiguration");
  const { cluster } = parseKubeadmConfig(stored, "kubeadm-config", !isControlPlane);
  requirePodSubnet(parse(stored) as Partial<ClusterConfiguration>);
  requireSkew(cluster.kubernetesVersion);
  await requireSameCa(cluster.certificatesDir, found.ca);
  const kubelet = parse(await dataOf(client, "kubelet-config", "kubelet")) as Fields;
  await requireFreeName(client, nodeName);
  await requireNodeRights(client);
  // A socket in the cluster's file is another machine's.
  const { containerRuntimeEndpoint: _, ...shared } = kubelet;
  const own = { ...shared, ...context.kubelet };
  checkKubeletConfig("kubelet-config", own);
  const { patches, nodeRegistration } = context.join;
  const init = { ...context.init, ...given({ patches }), nodeRegistration };
  const joined = { ...context, cluster, init };
  if (isControlPlane) await prepareControlPlane(joined, client);
  await requireSameCa(cluster.certificatesDir, found.ca);
  await writeBootstrap(found, cluster.certificatesDir);
  try {
    await files.kubeletStart(joined, own, isControlPlane);
    if (isControlPlane) await joinControlPlane(joined);
  } finally {
    await rm(BOOTSTRAP_KUBECONFIG, { force: true });
  }
}

/** Gets what control planes share, and makes this one's certificates and kubeconfigs. */
async function prepareControlPlane(context: MachineContext, client: KubeClient): Promise<void> {
  const { cluster, note } = context;
  const certificateKey = context.join.controlPlane?.certificateKey;
  if (cluster.controlPlaneEndpoint === undefined) {
    const text = "the cluster has no controlPlaneEndpoint, which names all its API servers";
    throw new CommandError("CONTROL_PLANE_ENDPOINT", text, {
      remedy: "r2k init --control-plane-endpoint HOST:PORT, with the name or address of a balancer",
    });
  }
  if (cluster.etcd.external === undefined) await runPreflight(context, storeChecks(cluster));
  if (certificateKey !== undefined) {
    note("[download-certs] Downloading the Secret kubeadm-certs");
    await downloadCertificates(client, cluster, certificateKey);
  }
  requireShared(cluster);
  await checkPatches(context.init.patches?.directory, staticPods(cluster));
  await files.certsPhase(context);
  await files.kubeconfigPhase(context, files.JOINED_KUBECONFIGS);
  if (cluster.etcd.external === undefined) {
    using admin = await machineClient(context);
    await requireOwnStore(await memberUrls(admin), cluster.certificatesDir);
  }
}

/** The store first: an API server uses the member on its own machine. */
async function joinControlPlane(context: MachineContext): Promise<void> {
  await mkdir(MANIFESTS_DIR, { recursive: true, mode: 0o700 });
  let pods = staticPods(context.cluster);
  if (context.cluster.etcd.external === undefined) {
    using client = await machineClient(context);
    await joinEtcd(context, client);
    pods = pods.slice(1);
  }
  await files.writeManifests(context, pods);
  context.note("[wait-control-plane] Wait for the control plane");
  await waitControlPlane(context, kubeconfigPath("controller-manager"));
  await markControlPlane(context);
}

/** A machine has one cluster: a CA that is there is never overwritten by another's. */
async function requireSameCa(dir: string, ca: string): Promise<void> {
  const path = pathsOf(dir, "ca").cert;
  const own = await readIfPresent(path);
  if (own === undefined) return;
  const here = certificatesIn(own);
  if (certificatesIn(ca).every((each) => here.some((one) => one.equals(each)))) return;
  throw otherCluster(`${path} is the CA of another cluster`);
}

/** A value of a ConfigMap that `upload-config` has stored. */
export async function dataOf(client: KubeClient, name: string, key: string): Promise<string> {
  const maps = client.resource(CONFIG_MAPS);
  const found = await maps.get({ namespace: "kube-system", name }).catch((cause: unknown) => {
    const remedy = "the token may have ended: r2k token create --print-join-command";
    const text = `the ConfigMap ${name}: ${messageOf(cause)}`;
    throw new CommandError("CONFIG", text, { remedy, cause });
  });
  const text = found.data?.[key];
  if (text !== undefined) return text;
  throw new CommandError("CONFIG", `the ConfigMap ${name} has no ${key}`, {
    remedy: "on a control plane machine: r2k init phase upload-config",
  });
}

/** The overlay is made of the nodes' parts of a range, which kubeadm may leave to others. */
function requirePodSubnet({ networking }: Partial<ClusterConfiguration>): void {
  if (networking?.podSubnet) return;
  throw new CommandError("CONFIG", "the ConfigMap kubeadm-config: networking has no podSubnet", {
    remedy:
      "let the controller manager give nodes parts of a range (--allocate-node-cidrs, " +
      "--cluster-cidr), and name the range there",
  });
}

/** A kubelet is at most three minor versions older than its API servers, and never newer. */
function requireSkew(version: string): void {
  const older = parseVersion(version).minor - parseVersion(API_LEVEL).minor;
  if (older >= 0 && older <= KUBELET_SKEW_MAX) return;
  throw new CommandError("SKEW", `the cluster is ${version}, and this r2k is ${API_LEVEL}`, {
    remedy: "a node is of the cluster's version, or at most three minor versions older",
  });
}

async function requireFreeName(client: KubeClient, name: string): Promise<void> {
  const node = await undefinedIfNotFound(client.resource(NODES).get({ name }));
  if (node === undefined || !isNodeReady(node)) return;
  const text = `a Node with name "${name}" and status "Ready" already exists in the cluster`;
  const remedy = `give this machine another name (--node-name), or kubectl delete node ${name}`;
  throw new CommandError("NODE", text, { remedy });
}

async function writeBootstrap({ server, ca, token }: Discovered, dir: string): Promise<void> {
  const path = pathsOf(dir, "ca").cert;
  // One that is there may have further CAs of the cluster.
  if (!existsSync(path)) await replaceFile(path, ca, { mode: 0o644 });
  const text = kubeadmKubeconfig("kubernetes", "tls-bootstrap-token-user", { server, ca, token });
  await replaceFile(BOOTSTRAP_KUBECONFIG, text, { mode: 0o600 });
}

/** Lists that a node needs beside upstream's rights of nodes, to connect its pods. */
const NEEDED = [
  "/api/v1/nodes",
  "/apis/networking.k8s.io/v1/networkpolicies",
  "/apis/discovery.k8s.io/v1/endpointslices",
];

/** The manifests that give nodes these rights, and tokens too, by which they are seen. */
const MANIFESTS = ["06-overlay.yaml", "07-network-policy.yaml"];

/**
 * Asks with a token's client whether the cluster has the manifests that nodes of this product need:
 * a cluster of kubeadm's has them by hand. Throws CommandError `RIGHTS` with the remedy.
 */
export async function requireNodeRights(client: KubeClient): Promise<void> {
  const missing: string[] = [];
  for (const path of NEEDED) {
    const listed = client.requestText({ method: "GET", path: `${path}?limit=1` });
    if ((await tolerate(listed, isForbidden)) === undefined) missing.push(basename(path));
  }
  if (missing.length === 0) return;
  const lists = missing.join(", ");
  const text = `the cluster does not let nodes list ${lists}: pods here would have no network`;
  const applied = MANIFESTS.map((name) => `-f ${join(ADDONS_DIR, name)}`).join(" ");
  const remedy = `as an administrator of the cluster: kubectl apply ${applied}`;
  throw new CommandError("RIGHTS", text, { remedy });
}
