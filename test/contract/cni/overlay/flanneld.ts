import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { type Machine, NETWORK, patience, type Underlay } from "./underlay.ts";

/** flannel's own daemon, where `npm run peers -- flanneld` built it. */
export const FLANNELD = join(import.meta.dirname, "../../../../.peers/bin/flanneld");
export const hasFlanneld = existsSync(FLANNELD);

const OUTPUT_BYTES = 8_192;

/** Starts flanneld on a machine; resolves with what ends it, when it wrote its subnet.env. */
export async function startFlanneld(
  underlay: Underlay,
  machine: Machine,
  backend: object,
  masquerade = false,
): Promise<() => Promise<void>> {
  const { name, netns, dir, subnetFile } = machine;
  const conf = join(dir, "flannel-net-conf.json");
  await mkdir(dir, { recursive: true });
  await writeFile(conf, JSON.stringify({ Network: NETWORK, Backend: backend }));
  const kubeconfig = await underlay.api.kubeconfigFor(`system:node:${name}`, ["system:nodes"]);
  const args = [
    "--kube-subnet-mgr",
    `--kubeconfig-file=${kubeconfig}`,
    `--net-config-path=${conf}`,
    `--subnet-file=${subnetFile}`,
    "--iface=eth0",
    `--ip-masq=${masquerade}`,
  ];
  let output = "";
  let status: number | string | undefined;
  const child = inNetns(netns, () => {
    const env = { ...process.env, NODE_NAME: name };
    return spawn(FLANNELD, args, { env, stdio: ["ignore", "ignore", "pipe"] }).on(
      "error",
      (error) => {
        status = error.message;
      },
    );
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output = (output + text).slice(-OUTPUT_BYTES);
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      status ??= signal ?? code ?? 0;
      resolve();
    });
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  underlay.later(stop);
  await waitFor(
    "flanneld",
    () => {
      if (status !== undefined) throw new Error(`flanneld ended with ${status}: ${output}`);
      return existsSync(subnetFile);
    },
    patience,
  );
  return stop;
}

/** flanneld as an implementation of the contract. */
export function flanneld(backend: object, masquerade = false) {
  return {
    start: (underlay: Underlay, machine: Machine) =>
      startFlanneld(underlay, machine, backend, masquerade),
  };
}
