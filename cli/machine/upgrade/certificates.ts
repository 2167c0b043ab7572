import { CommandError } from "../../terminal.ts";
import { keptLeaves, renewLeaf } from "../certificates.ts";
import type { MachineContext } from "../context.ts";
import { type Component, ONE_PROCESS, type StaticPod } from "../static-pods.ts";

/** Certificates by the component that uses them, as kubeadm's upgrade renews them. */
const USED_BY: Readonly<Record<Component | "admin", readonly string[]>> = {
  etcd: ["etcd-server", "etcd-peer", "etcd-healthcheck-client"],
  "kube-apiserver": [
    "apiserver",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "apiserver-etcd-client",
  ],
  "kube-controller-manager": ["controller-manager.conf"],
  "kube-scheduler": ["scheduler.conf"],
  admin: ["admin.conf", "super-admin.conf"],
};

/** A machine's context, as far as its certificates depend on it. */
type Certified = Pick<MachineContext, "clock" | "cluster" | "note">;

/**
 * Renews the certificates that a component uses, which has to be started again then. One whose CA's
 * key is elsewhere, or that this CA did not issue, stays as it is, and a note names it.
 */
export async function renewCertificates(
  { clock, cluster, note: show }: Certified,
  user: StaticPod | "admin",
  kubeconfigOf?: (user: string) => string,
): Promise<void> {
  const dir = cluster.certificatesDir;
  const { admin, ...ofAll } = USED_BY;
  const renewed = user === ONE_PROCESS ? Object.values(ofAll).flat() : USED_BY[user];
  const note = (line: string) => show(`[upgrade/staticpods] ${line}`);
  for (const leaf of await keptLeaves(dir, kubeconfigOf)) {
    const { name } = leaf;
    if (!renewed.includes(name)) continue;
    note(`Renewing ${name} certificate`);
    try {
      await renewLeaf(dir, leaf, clock.now());
    } catch (thrown) {
      const code = thrown instanceof CommandError ? thrown.code : "";
      if (code === "EXTERNAL_CA") {
        note(`External CA detected, ${name} certificate can't be renewed`);
      } else if (code === "OTHER_CA") {
        note(`${name} certificate was not issued by ${leaf.authority}.crt, and stays as it is`);
      } else throw thrown;
    }
  }
}
