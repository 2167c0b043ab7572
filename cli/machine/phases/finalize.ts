import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { MachineContext } from "../context.ts";
import { KUBELET_CLIENT_PEM, KUBELET_KUBECONFIG } from "../layout.ts";

/** Lets the kubelet's kubeconfig name the file that the kubelet renews. */
export async function kubeletFinalize(context: MachineContext): Promise<void> {
  const { nodeName, progress } = context;
  const { cluster } = context.config;
  progress.note(
    `[kubelet-finalize] Updating "${KUBELET_KUBECONFIG}" to point to a rotatable ` +
      "kubelet client certificate and key",
  );
  if ((await readFile(KUBELET_KUBECONFIG, "utf8")).includes(KUBELET_CLIENT_PEM)) return;
  const { server, ca, cert = "", key = "" } = await readKubeconfig(KUBELET_KUBECONFIG);
  await mkdir(dirname(KUBELET_CLIENT_PEM), { recursive: true, mode: 0o700 });
  await replaceFile(KUBELET_CLIENT_PEM, `${cert}${key}`, { mode: 0o600 });
  const access = {
    server,
    ...(ca === undefined ? {} : { ca }),
    certFile: KUBELET_CLIENT_PEM,
    keyFile: KUBELET_CLIENT_PEM,
  };
  const text = kubeadmKubeconfig(cluster.clusterName, `system:node:${nodeName}`, access);
  await replaceFile(KUBELET_KUBECONFIG, text, { mode: 0o600 });
}
