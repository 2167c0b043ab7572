import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { UpstreamProcess } from "../upstream-process.ts";

const BIN = join(import.meta.dirname, "../../../.peers/bin");

/** Retries that a test waits for, and more requests than the few that upstream starts with. */
const COMMON = {
  "retry-interval-start": "100ms",
  "retry-interval-max": "2s",
  "kube-api-qps": "50",
  "kube-api-burst": "100",
};

/** The provisioner beside a driver of each node, as ours is; it claims volumes without delay. */
const OF_NODE = {
  "node-deployment": "true",
  "node-deployment-base-delay": "10ms",
  "node-deployment-max-delay": "100ms",
};

export type UpstreamSidecar = "csi-attacher" | "csi-provisioner" | "csi-resizer";

/** Whether these were built here (`npm run peers -- csi-sidecars`). */
export const hasUpstreamSidecars = (...names: readonly UpstreamSidecar[]): boolean =>
  names.every((name) => existsSync(join(BIN, name)));

/** Starts upstream's sidecars beside a driver, as an administrator of the apiserver. */
export async function startUpstreamSidecars(
  names: readonly UpstreamSidecar[],
  { api, driverSocket, nodeName }: { api: TestApiserver; driverSocket: string; nodeName?: string },
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-sidecars-"));
  const kubeconfig = await api.kubeconfigFor("sidecars", ["system:masters"]);
  const address = { kubeconfig, "csi-address": driverSocket };
  const env = nodeName === undefined ? {} : { NODE_NAME: nodeName };
  const running = names.map((name) => {
    const more = name === "csi-provisioner" && nodeName !== undefined ? OF_NODE : {};
    const flags = { ...COMMON, ...more, ...address };
    return new UpstreamProcess(join(BIN, name), join(dir, `${name}.log`), flags, { env });
  });
  return {
    ready: Promise.resolve(),
    async close() {
      await Promise.all(running.map((each) => each.close()));
      await rm(dir, { recursive: true });
    },
  };
}
