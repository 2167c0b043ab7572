import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BootstrapToken } from "@raft2kube/api/gen/bootstraptoken/v1.ts";
import { newToken } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { certificatesIn } from "@raft2kube/std/costly-certificate.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { stringify } from "yaml";
import { applyFile } from "../../apply/add-ons.ts";
import { ADDONS_DIR, MACHINE_ADDONS_DIR } from "../../assets.ts";
import { readAuthority } from "../certificates.ts";
import { checked } from "../config/fields.ts";
import { addressOf, clusterDocument } from "../config/kubeadm.ts";
import { PROXY_RULES } from "../config/proxy-config.ts";
import {
  awaited,
  endpointOf,
  type MachineContext,
  machineClient,
  type Phase,
  within,
} from "../context.ts";
import { CLIENT_FILES, writeClient } from "../kubelet-client.ts";
import { KUBELET_CLIENT_PEM, KUBELET_KUBECONFIG } from "../layout.ts";
import { type Component, imageOf } from "../release-images.ts";
import { uploadCertificates } from "../shared-certificates.ts";
import { filledText } from "../texts.ts";
import { caHash, createToken, listTokens } from "../tokens.ts";
import { CONTROL_PLANE_LABEL, kubeletConfigOf, taintsOf } from "./files.ts";

/** How long the control plane, and the machine's Node, may take. */
const CONTROL_PLANE_TIMEOUT_MS = 240_000;
const EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers";

/** Waits until this machine's API server answers the user of a kubeconfig; default: super-admin. */
export async function waitControlPlane(context: MachineContext, kubeconfig?: string) {
  using client = await machineClient(context, kubeconfig);
  const ask = () => client.request({ method: "GET", path: "/api/v1/namespaces/kube-system" });
  await awaited(context, "the control plane", ask, CONTROL_PLANE_TIMEOUT_MS, {
    code: "CONTROL_PLANE",
    text: "the API does not answer",
    remedy:
      "see /var/log/pods/kube-system_* and the node agent's log; then run init again " +
      "with --skip-phases=preflight, or r2k reset",
  });
}

/** Stores the configuration, which `join` and `upgrade` read. */
export async function uploadConfig(context: MachineContext): Promise<void> {
  using client = await machineClient(context);
  // RBAC is an administrator's to give; super-admin has it from the start.
  await applyFile(client, join(MACHINE_ADDONS_DIR, "05-access.yaml"), {});
  // Nodes wait for these to connect their pods.
  for (const file of ["06-overlay.yaml", "07-network-policy.yaml"]) {
    await applyFile(client, join(ADDONS_DIR, file), {});
  }
  // JSON: the text of a file is one value of the manifest.
  const values = {
    clusterConfig: JSON.stringify(clusterDocument(context.cluster)),
    kubeletConfig: JSON.stringify(stringify(kubeletConfigOf(context))),
  };
  await applyFile(client, join(MACHINE_ADDONS_DIR, "kubeadm-config.yaml"), values);
}

/** Stores what control planes share, encrypted, where a key or `--upload-certs` asks for it. */
async function uploadCerts(context: MachineContext): Promise<void> {
  const { cluster, note } = context;
  const { certificateKey } = context.init;
  if (certificateKey === undefined) {
    return note("[upload-certs] Skipping phase. Please see --upload-certs");
  }
  using client = await machineClient(context);
  await uploadCertificates(client, cluster, certificateKey);
  note(`[upload-certs] Using certificate key:\n${certificateKey}`);
}

export async function markControlPlane(context: MachineContext): Promise<void> {
  const { nodeName: name, init } = context;
  const taints = taintsOf(init.nodeRegistration);
  const keys = new Set(taints.map(({ key }) => key));
  using client = await machineClient(context);
  const nodes = client.resource(NODES);
  const mark = async () => {
    const found = await nodes.get({ name });
    const labels = { ...found.metadata.labels, [CONTROL_PLANE_LABEL]: "", [EXCLUDE]: "" };
    const others = (found.spec?.taints ?? []).filter(({ key }) => !keys.has(key));
    const spec = { ...found.spec, taints: [...others, ...taints] };
    return nodes.update({ ...found, metadata: { ...found.metadata, labels }, spec });
  };
  // The kubelet is about to register it, and updates it too.
  await waitFor(`the Node ${name}`, mark, within(context, CONTROL_PLANE_TIMEOUT_MS));
}

/** Lets machines join: a token, what it may do, and where the cluster is found. */
async function bootstrapToken(context: MachineContext): Promise<void> {
  const { cluster, init, note } = context;
  const { cert: ca } = await readAuthority(cluster.certificatesDir, "ca");
  using client = await machineClient(context);
  await applyFile(client, join(ADDONS_DIR, "05-join.yaml"), {});
  const wanted: readonly Partial<BootstrapToken>[] =
    init.bootstrapTokens.length > 0 ? init.bootstrapTokens : [{}];
  const known = await listTokens(client);
  // The one that ends the Secret of upload-certs signs nothing.
  const signs = known.some(({ usages }) => usages.includes("signing"));
  for (const { token: named, ...rest } of wanted) {
    if (named === undefined && signs) continue;
    if (known.some(({ token }) => token === named)) continue;
    const token = named ?? newToken();
    const description = "The default bootstrap token generated by 'r2k init'.";
    await createToken(client, { description, ...rest, token });
    note(`[bootstrap-token] Using token: ${token}`);
  }
  const values = { ca: Buffer.from(ca).toString("base64"), endpoint: endpointOf(context) };
  await applyFile(client, join(MACHINE_ADDONS_DIR, "cluster-info.yaml"), values);
}

export const addonImage = ({ cluster, buildOf }: MachineContext, name: Component) =>
  imageOf(name, cluster.imageRepository, buildOf?.(name));

/**
 * Applies proxy and DNS. In between it waits for `proxied`: while a node's proxy is replaced, its
 * rules follow no change, and would lead to pods of DNS that are gone.
 */
export async function addonPhase(
  context: MachineContext,
  proxied?: (client: KubeClient) => Promise<void>,
): Promise<void> {
  const { cluster, proxy, note } = context;
  const { dnsDomain, serviceSubnet, podSubnet } = cluster.networking;
  const proxyConfig = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration" as const,
    clusterCIDR: podSubnet,
    ...proxy,
    clientConnection: { kubeconfig: "/var/lib/kube-proxy/kubeconfig.conf" },
  };
  checked("the configuration", proxyConfig, proxyConfig.kind, PROXY_RULES);
  const values = {
    proxyConfig: JSON.stringify(stringify(proxyConfig)),
    endpoint: endpointOf(context),
    proxyImage: addonImage(context, "kube-proxy"),
    corednsImage: addonImage(context, "coredns"),
    dnsAddress: addressOf(serviceSubnet, 10),
    dnsDomain,
  };
  using client = await machineClient(context);
  await applyFile(client, join(MACHINE_ADDONS_DIR, "kube-proxy.yaml"), values);
  note("[addons] Applied essential addon: kube-proxy");
  await proxied?.(client);
  await applyFile(client, join(MACHINE_ADDONS_DIR, "coredns.yaml"), values);
  note("[addons] Applied essential addon: CoreDNS");
}

export function joinLine(endpoint: string, token: string, ca: string): string {
  const hashes = certificatesIn(ca).map(
    (cert) => ` --discovery-token-ca-cert-hash ${caHash(cert)}`,
  );
  return `r2k join ${endpoint} --token ${token}${hashes.join("")}`;
}

async function showJoinCommand(context: MachineContext): Promise<void> {
  const { certificateKey } = context.init;
  using client = await machineClient(context);
  const { cert: ca } = await readAuthority(context.cluster.certificatesDir, "ca");
  const tokens = await listTokens(client);
  const { token = "TOKEN" } = tokens.find(({ usages }) => usages.includes("signing")) ?? {};
  const line = joinLine(endpointOf(context), token, ca);
  const planes =
    certificateKey === undefined
      ? ""
      : "You can now join any number of control-plane nodes by running the following on each " +
        `as root:\n\n${line} --control-plane --certificate-key ${certificateKey}\n\n`;
  const valueOf = (name: string) => (name === "line" ? line : planes);
  process.stdout.write(filledText("initialized.txt", valueOf));
}

/** Lets the kubelet's kubeconfig name the file that the kubelet renews. */
async function kubeletFinalize({ nodeName, cluster }: MachineContext): Promise<void> {
  if ((await readFile(KUBELET_KUBECONFIG, "utf8")).includes(KUBELET_CLIENT_PEM)) return;
  const access = await readKubeconfig(KUBELET_KUBECONFIG);
  await writeClient(CLIENT_FILES, cluster.clusterName, nodeName, access);
}

/** The phases of `init` that act on the API, in kubeadm's order. */
export const CLUSTER_PHASES: readonly Phase[] = [
  { name: "wait-control-plane", text: "Wait for the control plane", run: waitControlPlane },
  { name: "upload-config", text: "Upload the configuration to ConfigMaps", run: uploadConfig },
  { name: "upload-certs", text: "Upload what control planes share", run: uploadCerts },
  { name: "mark-control-plane", text: "Mark a node as a control-plane", run: markControlPlane },
  { name: "bootstrap-token", text: "Make a token by which nodes join", run: bootstrapToken },
  { name: "kubelet-finalize", text: "Let the kubelet renew its certificate", run: kubeletFinalize },
  { name: "addon", text: "Install kube-proxy and CoreDNS", run: addonPhase },
  { name: "show-join-command", text: "Show the join command", run: showJoinCommand },
];
