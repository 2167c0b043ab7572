import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type ContainerConfig,
  ContainerState,
  NamespaceMode,
  type PodSandboxConfig,
} from "@raft2kube/proto/gen/cri.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { Served } from "./implementation.ts";
import type { RuntimeHost } from "./runtime-host.ts";

/** The fields of a pod that tests choose: the others have defaults. */
export interface PodSpec {
  hostNetwork?: boolean;
  /** Share the pid namespace among the pod's containers. */
  sharePids?: boolean;
  config?: Init<PodSandboxConfig>;
}

export type ContainerSpec = { command?: string[]; image?: string; config?: Init<ContainerConfig> };

/** Pods of one runtime, with names that never meet, and their removal. */
export class Pods {
  readonly #served: Served;
  readonly #host: RuntimeHost;
  readonly #configs = new Map<string, Init<PodSandboxConfig>>();

  constructor(served: Served, host: RuntimeHost) {
    this.#served = served;
    this.#host = host;
  }

  get runtime(): Served["runtime"] {
    return this.#served.runtime;
  }

  namespaceOptions(spec: PodSpec) {
    return {
      network: spec.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD,
      pid: spec.sharePids ? NamespaceMode.POD : NamespaceMode.CONTAINER,
      ipc: NamespaceMode.POD,
    };
  }

  async run(spec: PodSpec = {}): Promise<string> {
    const uid = randomUUID();
    const config: Init<PodSandboxConfig> = {
      metadata: { name: `pod-${uid.slice(0, 8)}`, namespace: "contract", uid, attempt: 0 },
      logDirectory: join(this.#host.logDirectory, uid),
      ...spec.config,
      linux: {
        cgroupParent: `${this.#host.cgroupParent}/${uid}`,
        securityContext: { namespaceOptions: this.namespaceOptions(spec) },
        ...spec.config?.linux,
      },
    };
    const { podSandboxId } = await this.runtime.runPodSandbox({ config });
    this.#configs.set(podSandboxId, config);
    return podSandboxId;
  }

  logFile(podSandboxId: string, name = "main"): string {
    return join(this.#configs.get(podSandboxId)!.logDirectory!, `${name}.log`);
  }

  async create(podSandboxId: string, spec: ContainerSpec = {}): Promise<string> {
    const sandboxConfig = this.#configs.get(podSandboxId)!;
    const name = spec.config?.metadata?.name ?? "main";
    const options = sandboxConfig.linux?.securityContext?.namespaceOptions;
    const config: Init<ContainerConfig> = {
      metadata: { name, attempt: 0 },
      image: { image: spec.image ?? "r2k.local/busybox:1" },
      command: spec.command ?? ["sleep", "1000"],
      logPath: `${name}.log`,
      ...spec.config,
      linux: {
        ...spec.config?.linux,
        securityContext: { namespaceOptions: options, ...spec.config?.linux?.securityContext },
      },
    };
    const request = { podSandboxId, config, sandboxConfig };
    return (await this.runtime.createContainer(request)).containerId;
  }

  /** A container that runs. */
  async start(podSandboxId: string, spec: ContainerSpec = {}): Promise<string> {
    const containerId = await this.create(podSandboxId, spec);
    await this.runtime.startContainer({ containerId });
    return containerId;
  }

  async status(containerId: string) {
    return (await this.runtime.containerStatus({ containerId })).status!;
  }

  /** The container's status once it has ended. */
  exited(containerId: string) {
    const ended = async () => {
      const status = await this.status(containerId);
      return status.state === ContainerState.CONTAINER_EXITED && status;
    };
    return waitFor("the container's end", ended);
  }

  /** Runs a shell command in a container; its output without the last line end. */
  async shell(containerId: string, script: string): Promise<string> {
    const cmd = ["sh", "-c", script];
    const answer = await this.runtime.execSync({ containerId, cmd, timeout: 20 });
    if (answer.exitCode !== 0) throw new Error(`${script}: ${answer.exitCode} ${answer.stderr}`);
    return answer.stdout.toString().replace(/\n$/, "");
  }

  /**
   * Waits until a shell command's output has the words. A container that has started is the OCI
   * runtime's own program for a moment yet.
   */
  async says(containerId: string, script: string, words: string): Promise<void> {
    const said = async () => (await this.shell(containerId, script)).includes(words);
    await waitFor(`"${words}" of ${script}`, said);
  }

  /** Stops and removes the pods of a test, those that it has not removed itself. */
  async removeAll(): Promise<void> {
    for (const { id: podSandboxId } of (await this.runtime.listPodSandbox({})).items) {
      await this.runtime.stopPodSandbox({ podSandboxId });
      await this.runtime.removePodSandbox({ podSandboxId });
    }
    this.#configs.clear();
  }
}
