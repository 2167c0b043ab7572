import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type Kubelet, type KubeletOptions, startKubelet } from "@raft2kube/kubelet/main.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { IN_GUEST } from "../../../cli/guest/init.ts";
import { waitFor } from "../../../testing/wait.ts";
import { GUEST_ASK_MS, GUEST_WAIT_MS } from "../../guest/guest-wait.ts";
import type { Implementation, Served } from "../cri/implementation.ts";
import { createRuntimeHost, type RuntimeHost } from "../cri/runtime-host.ts";

/** Bounds waits: a pod in a guest may take minutes, and the host ends a guest that hangs. */
const PATIENCE =
  process.env[IN_GUEST] === undefined
    ? { clock: machineClock(), timeout_ms: 90_000 }
    : { clock: systemClock(), timeout_ms: GUEST_WAIT_MS, interval_ms: GUEST_ASK_MS };

/** A kubelet, its static pods, and the runtime beneath it; without an API server by default. */
export class Node {
  readonly host: RuntimeHost;
  readonly served: Served;
  readonly #staticPodDir: string;
  #kubelet: Kubelet | undefined;
  #options: Partial<KubeletOptions> = {};
  /** The node's answer for a pod with an address of its own, before its containers start. */
  admitNetwork: NonNullable<KubeletOptions["admitNetwork"]> = () => Promise.resolve();

  private constructor(host: RuntimeHost, served: Served) {
    this.host = host;
    this.served = served;
    this.#staticPodDir = join(host.dir, "manifests");
    mkdirSync(this.#staticPodDir);
  }

  /** Makes the place and the runtime; the kubelet is started with `options`, asked for there. */
  static async start(
    implementation: Implementation,
    options: () => Promise<Partial<KubeletOptions>> = async () => ({}),
  ): Promise<Node> {
    const host = createRuntimeHost();
    const node = new Node(host, await implementation.start(host));
    node.#options = await options();
    await node.startKubelet();
    return node;
  }

  get kubelet(): Kubelet {
    if (!this.#kubelet) throw new Error("the kubelet is not there");
    return this.#kubelet;
  }

  async startKubelet(): Promise<void> {
    const { dir, cgroupParent } = this.host;
    const sockets = ["cri.sock", "containerd.sock"].map((name) => join(dir, name));
    this.#kubelet = await startKubelet({
      nodeName: "node",
      nodeAddresses: ["127.0.0.1"],
      runtimeEndpoint: `unix://${sockets.find((path) => existsSync(path))}`,
      rootDir: this.rootDir,
      podLogsDir: join(dir, "pod-logs"),
      containerLogsDir: join(dir, "container-logs"),
      staticPodDir: this.#staticPodDir,
      cgroupRoot: cgroupParent,
      clusterDns: ["10.96.0.10"],
      clusterDomain: "cluster.local",
      admitNetwork: (pod, ...more) => this.admitNetwork(pod, ...more),
      ...this.#options,
    });
  }

  async stopKubelet(): Promise<void> {
    await this.#kubelet?.close();
    this.#kubelet = undefined;
  }

  get rootDir(): string {
    return join(this.host.dir, "kubelet");
  }

  /** Writes a pod's manifest atomically. Its name on the node is `<name>-node`. */
  put(name: string, spec: Pod["spec"]): void {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { name } }, spec };
    const file = join(this.#staticPodDir, `${name}.yaml`);
    writeFileSync(`${file}.new`, JSON.stringify(pod));
    renameSync(`${file}.new`, file);
  }

  remove(name: string): void {
    rmSync(join(this.#staticPodDir, `${name}.yaml`));
  }

  pod(name: string): Pod | undefined {
    return this.#kubelet?.pods().find(({ metadata }) => metadata.name === `${name}-node`);
  }

  /** Waits until a pod is as wanted, and gives it. */
  until(what: string, name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
    const probe = () => {
      const pod = this.pod(name);
      return pod && wanted(pod) ? pod : undefined;
    };
    return waitFor(`${name} to ${what}`, probe, PATIENCE);
  }

  untilReady(name: string): Promise<Pod> {
    return this.until("be ready", name, isReady);
  }

  /** Removes a pod's manifest and waits until nothing of the pod is left. */
  async take(name: string): Promise<void> {
    const uid = this.pod(name)?.metadata.uid ?? "";
    this.remove(name);
    await this.untilGone(name, uid);
  }

  /** Waits until nothing of a pod is left: worker, containers, directories, mounts. */
  async untilGone(name: string, uid: string): Promise<void> {
    await waitFor(`nothing to be left of ${name}`, () => this.#isGone(name, uid), PATIENCE);
  }

  async #isGone(name: string, uid: string): Promise<boolean> {
    const filter = { labelSelector: { "io.kubernetes.pod.uid": uid } };
    const { containers } = await this.served.runtime.listContainers({ filter });
    const { items } = await this.served.runtime.listPodSandbox({ filter });
    const dirs = readdirSync(join(this.rootDir, "pods")).filter((dir) => dir === uid);
    const mounts = mountPointsBelow(join(this.rootDir, "pods", uid));
    const left = [...containers, ...items, ...dirs, ...mounts];
    return !this.pod(name) && left.length === 0;
  }

  /** Returns the output of a command in a container. */
  async exec(name: string, container: string, ...cmd: string[]): Promise<string> {
    const pod = this.pod(name);
    const status = pod && statusOf(pod, container);
    const containerId = status?.containerID?.split("://")[1] ?? "";
    const { stdout, stderr, exitCode } = await this.served.runtime.execSync({ containerId, cmd });
    if (exitCode !== 0) throw new Error(`${cmd.join(" ")}: ${exitCode}: ${stderr.toString()}`);
    return stdout.toString();
  }

  async close(): Promise<void> {
    await this.stopKubelet();
    await this.served.close();
    await this.host.close();
  }
}

export function statusOf(pod: Pod, container: string): ContainerStatus | undefined {
  const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = pod.status ?? {};
  return [containerStatuses, initContainerStatuses, ephemeralContainerStatuses]
    .flatMap((statuses) => statuses ?? [])
    .find(({ name }) => name === container);
}

export function isReady(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some(
    ({ type, status }) => type === "Ready" && status === "True",
  );
}
