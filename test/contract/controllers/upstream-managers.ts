import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { UpstreamProcess } from "../upstream-process.ts";
import type { Others } from "./control-plane.ts";

const PEERS = join(import.meta.dirname, "../../../.peers/bin");
const MANAGER = join(PEERS, "kube-controller-manager");
const SCHEDULER = join(PEERS, "kube-scheduler");

/** Flags of an election as in a cluster, with times that a busy machine does not miss. */
const ELECTED = {
  "leader-elect": "true",
  "leader-elect-lease-duration": "90s",
  "leader-elect-renew-deadline": "60s",
};

/** Whether upstream's programs were built here. */
export const hasUpstreamManagers = (): boolean => existsSync(MANAGER) && existsSync(SCHEDULER);

/** Returns the names of the controllers in `--help`, in the format of `recorded/names.txt`. */
export function upstreamControllers(): string {
  const { stdout } = spawnSync(MANAGER, ["--help"], { encoding: "utf8" });
  const lines = stdout.matchAll(/^ *((?:All|Disabled-by-default) controllers: .*?)(?: \(|$)/gm);
  return [...lines].map(([, text]) => `${text}\n`).join("");
}

/**
 * Upstream's kube-controller-manager, with all controllers of ours and `flags`, and kube-scheduler.
 */
export async function startUpstreamManagers(
  others: Others,
  flags: Readonly<Record<string, string>> = {},
): Promise<{ close(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-managers-"));
  const file = async (name: string, text: string) => {
    await writeFile(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const configFor = async (user: string) => {
    const { token: _none, ...access } = await others.connection(user);
    return file(`${user.replaceAll(":", "-")}.kubeconfig`, kubeconfig("test", access));
  };
  const caFile = await file("ca.crt", others.ca.cert);
  const manager = new UpstreamProcess(MANAGER, join(dir, "manager.log"), {
    kubeconfig: await configFor("system:kube-controller-manager"),
    "use-service-account-credentials": "true",
    "service-account-private-key-file": await file("sa.key", others.serviceAccountKey),
    "root-ca-file": caFile,
    "cluster-signing-cert-file": caFile,
    "cluster-signing-key-file": await file("ca.key", others.ca.key),
    "allocate-node-cidrs": "true",
    "cluster-cidr": "10.244.0.0/16",
    controllers: "*,bootstrap-signer-controller,token-cleaner-controller",
    ...flags,
    ...ELECTED,
    "secure-port": "0",
  });
  const scheduler = new UpstreamProcess(SCHEDULER, join(dir, "scheduler.log"), {
    kubeconfig: await configFor("system:kube-scheduler"),
    ...ELECTED,
    "secure-port": "0",
  });
  return {
    async close() {
      await Promise.all([manager.close(), scheduler.close()]);
      await rm(dir, { recursive: true });
    },
  };
}
