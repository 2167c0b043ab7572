import { existsSync, readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CommandError, type Progress } from "../terminal.ts";
import type { MachineNames } from "./certificates.ts";
import type { KubeadmConfig } from "./config/kubeadm.ts";
import { kubeconfigPath } from "./layout.ts";
import type { Component } from "./release-images.ts";

/** The machine and the settings that phases of `init` and `join` act on. */
export interface MachineContext extends MachineNames {
  readonly config: KubeadmConfig;
  readonly bindPort: number;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly ignored: ReadonlySet<string>;
  /** The build in a component's tag, as after an upgrade to another build of one version. */
  buildOf?(component: Component): string;
  /** Makes the archive of the release's images where it is not, and returns its path. */
  releaseImages(repository: string): Promise<string>;
}

/** The server that others reach the cluster by. */
export function endpointOf({ config, address, bindPort }: MachineContext): string {
  const endpoint = config.cluster.controlPlaneEndpoint;
  if (endpoint === undefined) return `${address}:${bindPort}`;
  return /:\d+$/.test(endpoint) ? endpoint : `${endpoint}:${bindPort}`;
}

/**
 * A client with every right: super-admin's, which needs no object of the cluster; admin's on
 * machines that joined it; or that of another kubeconfig of this machine.
 */
export async function adminClient(
  { clock }: Pick<MachineContext, "clock">,
  user?: string,
): Promise<KubeClient> {
  const admin = existsSync(kubeconfigPath("super-admin")) ? "super-admin" : "admin";
  const connection = await kubeConnection(kubeconfigPath(user ?? admin));
  return new KubeClient({ ...connection, clock, userAgent: "r2k-init" });
}

/** The machine's name in the cluster. */
export function nodeNameOf(given: string | undefined): string {
  return (given ?? hostname()).toLowerCase();
}

/** The address of this machine on the link of its default route, or on its first link. */
export function ownAddress(given: string | undefined): string {
  const all = networkInterfaces();
  if (given !== undefined) {
    if (
      Object.values(all)
        .flat()
        .some((one) => one?.address === given)
    )
      return given;
    throw new CommandError("ADDRESS", `no interface of this machine has the address ${given}`);
  }
  const route = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .map((line) => line.split("\t"))
    .find(([, to, , , , , , mask]) => to === "00000000" && mask === "00000000");
  const links = route ? [route[0]!] : Object.keys(all);
  const found = links
    .flatMap((link) => all[link] ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal);
  if (found) return found.address;
  throw new CommandError("ADDRESS", "this machine has no IPv4 address but loopback", {
    remedy: "give one: --apiserver-advertise-address",
  });
}
