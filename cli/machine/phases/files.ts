import { existsSync } from "node:fs";
import { mkdir, rm, symlink } from "node:fs/promises";
import type { Taint } from "@raft2kube/api/gen/core/v1.ts";
import type { NodeRegistrationOptions } from "@raft2kube/api/gen/kubeadm/v1beta4.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { given } from "@raft2kube/std/given.ts";
import { stringify } from "yaml";
import { installPlugins } from "../../apply/plugins.ts";
import { runningPid } from "../../observe/processes.ts";
import { pathsOf } from "../../pki/identities.ts";
import { ensureServiceAccountKey } from "../../pki/pki.ts";
import { CommandError } from "../../terminal.ts";
import { endNodeAgent, startNodeAgent } from "../agent/node-agent.ts";
import { ensureAll, ensureAuthority, issueBy } from "../certificates.ts";
import { addressOf, type KubeadmConfig } from "../config/kubeadm.ts";
import { nodeFlagsText } from "../config/node-flags.ts";
import { endpointOf, type MachineContext, type Phase } from "../context.ts";
import * as layout from "../layout.ts";
import { patchKubelet, patchPod } from "../patches.ts";
import { requireNoOther } from "../preflight.ts";
import { checkExtraArgs, imageFor, type StaticPod, staticPod, staticPods } from "../static-pods.ts";

type Registration = Partial<NodeRegistrationOptions>;

export const CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane";

/** Makes the certificates that are not there; what is there is used. */
export async function certsPhase(context: MachineContext): Promise<void> {
  const { clock, cluster, note } = context;
  for await (const { name, done } of ensureAll(cluster, context, clock.now())) {
    const text = done === "made" ? "Generating" : "Using existing";
    note(`[certs] ${text} "${name}" certificate and key`);
  }
  await ensureServiceAccountKey({ pkiDir: cluster.certificatesDir });
}

/** The users of kubeconfigs, each with the server that it reaches. */
function usersOf(context: MachineContext) {
  const { address, bindPort, nodeName } = context;
  const server = `https://${address}:${bindPort}`;
  const shared = `https://${endpointOf(context)}`;
  const kubelet = `system:node:${nodeName}`;
  return [
    { file: "admin", user: "kubernetes-admin", groups: ["kubeadm:cluster-admins"], server: shared },
    { file: "super-admin", user: "kubernetes-super-admin", groups: ["system:masters"], server },
    { file: "kubelet", user: kubelet, groups: ["system:nodes"], server },
    { file: "controller-manager", user: "system:kube-controller-manager", groups: [], server },
    { file: "scheduler", user: "system:kube-scheduler", groups: [], server },
  ];
}

/** The kubeconfigs of a control plane that joins: its kubelet gets its own by a token. */
export const JOINED_KUBECONFIGS = ["admin", "controller-manager", "scheduler"];

/** Makes the kubeconfigs that are not there; one of another cluster is refused. */
export async function kubeconfigPhase(context: MachineContext, wanted?: readonly string[]) {
  const { clock, cluster, note } = context;
  const ca = await ensureAuthority(cluster.certificatesDir, "ca", clock.now());
  for (const { file, user, groups, server } of usersOf(context)) {
    if (wanted?.includes(file) === false) continue;
    const path = layout.kubeconfigPath(file);
    if ((await readIfPresent(path)) !== undefined) {
      await requireSameCluster(path, ca.cert);
      note(`[kubeconfig] Using existing kubeconfig file: "${path}"`);
      continue;
    }
    const request = { commonName: user, organizations: groups, usages: ["client" as const] };
    const pair = await issueBy(ca, request, clock.now());
    const text = kubeadmKubeconfig(cluster.clusterName, user, { server, ca: ca.cert, ...pair });
    await replaceFile(path, text, { mode: 0o600 });
    note(`[kubeconfig] Writing "${file}.conf" kubeconfig file`);
  }
}

async function requireSameCluster(path: string, ca: string): Promise<void> {
  const { ca: found } = await readKubeconfig(path);
  if (found?.trim() === ca.trim()) return;
  throw new CommandError("KUBECONFIG", `${path} has the CA of another cluster`, {
    remedy: "remove it, and it is made again; or put that cluster's pki/ca.crt and ca.key back",
  });
}

/** Writes the manifests of static pods, complete or not at all. */
export async function writeManifests(context: MachineContext, pods: readonly StaticPod[]) {
  const { cluster, note } = context;
  requireNoOther(pods);
  await mkdir(layout.MANIFESTS_DIR, { recursive: true, mode: 0o700 });
  for (const pod of pods) {
    await replaceFile(layout.manifestPath(pod), await manifestOf(context, pod), { mode: 0o600 });
    const phase = pod === "etcd" ? "etcd" : "control-plane";
    note(`[${phase}] Creating static Pod manifest for "${pod}"`);
  }
  if (cluster.etcd.external || pods[0] !== staticPods(cluster)[0]) return;
  await mkdir(cluster.etcd.local.dataDir, { recursive: true, mode: 0o700 });
}

/** The text of a static pod's manifest, as the folder of patches changes it. */
export async function manifestOf(context: MachineContext, pod: StaticPod, initialCluster?: string) {
  const { cluster, init, nodeName, address, bindPort } = context;
  checkExtraArgs(cluster);
  const paths = pathsOf(cluster.certificatesDir, "ca");
  // An external CA has a certificate and no key here.
  const signs = !existsSync(paths.cert) || existsSync(paths.key);
  const own = given({ initialCluster, build: context.buildOf?.(imageFor(pod)) });
  const values = { cluster, nodeName, address, bindPort, signs, ...own };
  const manifest = await patchPod(init.patches?.directory, pod, staticPod(pod, values));
  // As the kubelet reads it, of which YAML 1.1 takes a plain `yes` for a boolean.
  return stringify(manifest, { lineWidth: 0, version: "1.1" });
}

/** The static pods that a phase writes: one of all components is the control plane's. */
export const podsOf = (phase: string, { cluster }: MachineContext): StaticPod[] =>
  staticPods(cluster).filter((pod) => phase === (pod === "etcd" ? pod : "control-plane"));

function podsPhase(name: string, text: string): Phase {
  return { name, text, run: (context) => writeManifests(context, podsOf(name, context)) };
}

/**
 * The KubeletConfiguration of a cluster: kubeadm's, and RuntimeDefault for containers that name no
 * seccomp profile, as else they can make user namespaces.
 */
export function kubeletConfigOf({ cluster, kubelet }: KubeadmConfig): object {
  const { certificatesDir, networking } = cluster;
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { x509: { clientCAFile: `${certificatesDir}/ca.crt` } },
    authorization: { mode: "Webhook" },
    clusterDNS: [addressOf(networking.serviceSubnet, 10)],
    clusterDomain: networking.dnsDomain,
    rotateCertificates: true,
    seccompDefault: true,
    staticPodPath: layout.MANIFESTS_DIR,
    ...kubelet,
  };
}

/** The taints that a machine's Node is registered with. */
export const taintsOf = ({ taints }: Registration, isControlPlane = true): readonly Taint[] =>
  taints ?? (isControlPlane ? [{ key: CONTROL_PLANE_LABEL, effect: "NoSchedule" }] : []);

export async function kubeletStart(
  context: MachineContext,
  config: object,
  isControlPlane: boolean,
): Promise<void> {
  const { cluster, init, address, nodeName, clock, signal, note } = context;
  const { nodeRegistration } = init;
  const taints = taintsOf(nodeRegistration, isControlPlane).map(({ key, value, effect }) => {
    return `${key}${value ? `=${value}` : ""}:${effect}`;
  });
  const text = nodeFlagsText([
    { name: "container-runtime-endpoint", value: layout.NODE_AGENT.criEndpoint },
    { name: "hostname-override", value: nodeName },
    { name: "node-ip", value: address },
    ...(taints.length > 0 ? [{ name: "register-with-taints", value: taints.join(",") }] : []),
    ...(nodeRegistration.kubeletExtraArgs ?? []),
  ]);
  await replaceFile(layout.KUBELET_FLAGS, text);
  const kubelet = await patchKubelet(init.patches?.directory, config);
  await replaceFile(layout.KUBELET_CONFIG, stringify(kubelet));
  // The product's overlay is the pods' network; without its file another one is expected.
  const network = { Network: cluster.networking.podSubnet, Backend: { Type: "vxlan" } };
  await mkdir(layout.NODE_AGENT.dataDir, { recursive: true, mode: 0o700 });
  await replaceFile(layout.NODE_AGENT.netConf, JSON.stringify(network));
  await installPlugins(layout.NODE_AGENT.cniBinDir);
  await placeImages(context);
  note("[kubelet-start] Starting the kubelet");
  if (runningPid(layout.NODE_AGENT.runDir, "machine") !== undefined) return;
  // An init or join that was killed may have left one that is not ready yet.
  await endNodeAgent(clock);
  await startNodeAgent(signal);
}

export async function placeImages(context: MachineContext): Promise<void> {
  const archive = await context.releaseImages(context.cluster.imageRepository);
  const place = layout.NODE_AGENT.releaseArchive;
  await mkdir(layout.NODE_AGENT.imagesDir, { recursive: true });
  await rm(place, { force: true });
  await symlink(archive, place);
}

/** The phases of `init` that write files and start the kubelet, in kubeadm's order. */
export const FILE_PHASES: readonly Phase[] = [
  { name: "certs", text: "Certificate generation", run: certsPhase },
  { name: "kubeconfig", text: "Generate all kubeconfig files", run: kubeconfigPhase },
  podsPhase("etcd", "Generate the static Pod manifest of etcd"),
  podsPhase("control-plane", "Generate the static Pod manifests"),
  {
    name: "kubelet-start",
    text: "Write kubelet settings and start it",
    run: (context) => kubeletStart(context, kubeletConfigOf(context), true),
  },
];
