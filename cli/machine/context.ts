import { existsSync } from "node:fs";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { CommandError } from "../terminal.ts";
import type { MachineNames } from "./certificates.ts";
import type { KubeadmConfig } from "./config/kubeadm.ts";
import { kubeconfigPath } from "./layout.ts";
import type { Component } from "./release-images.ts";

const INTERVAL_MS = 250;

/** The machine and the settings that phases of `init` and `join` act on. */
export interface MachineContext extends MachineNames, KubeadmConfig {
  readonly bindPort: number;
  readonly clock: Clock;
  /** Shows a line of progress. */
  note(line: string): void;
  readonly signal: AbortSignal;
  readonly ignored: ReadonlySet<string>;
  /** The build in a component's tag, as after an upgrade to another build of one version. */
  buildOf?(component: Component): string;
  /** Makes the archive of the release's images where it is not, and returns its path. */
  releaseImages(repository: string): Promise<string>;
}

/** A phase of `init`: run again, it goes on from what is there. */
export interface Phase {
  readonly name: string;
  /** The effect, for the help and the note at its start. */
  readonly text: string;
  run(context: MachineContext): Promise<void>;
}

/** The server that others reach the cluster by. */
export function endpointOf({ cluster, address, bindPort }: MachineContext): string {
  const endpoint = cluster.controlPlaneEndpoint;
  if (endpoint === undefined) return `${address}:${bindPort}`;
  return /:\d+$/.test(endpoint) ? endpoint : `${endpoint}:${bindPort}`;
}

/**
 * A client with every right: super-admin's, which needs no object of the cluster; admin's on
 * machines that joined it; or that of another kubeconfig of this machine.
 */
export async function machineClient(
  { clock }: Pick<MachineContext, "clock">,
  kubeconfig?: string,
): Promise<KubeClient> {
  const admin = existsSync(kubeconfigPath("super-admin")) ? "super-admin" : "admin";
  const connection = await kubeConnection(kubeconfig ?? kubeconfigPath(admin));
  return new KubeClient({ ...connection, clock, userAgent: "r2k-machine" });
}

type Waiting = Pick<MachineContext, "clock"> & Partial<Pick<MachineContext, "signal">>;

/** The limits of a wait for a machine or its cluster, which an interrupt ends. */
export function within({ clock, signal }: Waiting, timeout_ms: number) {
  return { clock, timeout_ms, interval_ms: INTERVAL_MS, ...given({ signal }) };
}

type InVain = { readonly code: string; readonly text: string; readonly remedy: string };

/** Waits as `waitFor` does; in vain it throws `inVain`, followed by the last error. */
export async function awaited<T>(
  context: Waiting,
  what: string,
  probe: () => T | Promise<T>,
  timeout_ms: number,
  { code, text, remedy }: InVain,
) {
  return waitFor(what, probe, within(context, timeout_ms)).catch((cause: unknown) => {
    context.signal?.throwIfAborted();
    throw new CommandError(code, `${text}: ${messageOf(cause)}`, { remedy, cause });
  });
}
