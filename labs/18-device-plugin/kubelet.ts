import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { startDevicePlugin } from "@raft2kube/device/lib/device-plugin.ts";
import { DeviceSet } from "@raft2kube/device/lib/device-set.ts";
import type { DevicePluginBehaviour } from "@raft2kube/device/lib/service.ts";
import {
  DevicePlugin,
  type DevicePluginMethods,
  type ListAndWatchResponse,
  type RegisterRequest,
  Registration,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { NOT_WRITTEN } from "../check.ts";
import { type Judgement, judge } from "../judge.ts";
import { QUIET_S, untilQuiet } from "../quiet.ts";

/** How long a plugin may take to answer: one that does not listen is refused immediately. */
const ANSWER_MS = 20_000;

export const RESOURCE = "lab.example/sound";
export const SOCKET = "sound.sock";

/** A registration, and whether the plugin answered when the kubelet connected back. */
export interface Registered {
  readonly request: RegisterRequest;
  /** Why the plugin's socket did not answer; empty if it did. */
  readonly refusal: string;
}

/** The kubelet's side of a device plugin: its registration socket, and calls of the plugin. */
export class LabKubelet {
  readonly #directory: string;
  readonly registrations: Registered[] = [];
  readonly #servers: RpcServer[] = [];
  readonly #channels: Channel[] = [];
  #refusals = 0;
  #isReplaced = false;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(rootDir: string) {
    this.#directory = join(rootDir, "device-plugins");
    mkdirSync(this.#directory, { recursive: true });
  }

  /** Calls of Register that it is still to refuse. */
  refuse(count: number): void {
    this.#refusals = count;
  }

  /** Lets another kubelet replace this one within the next call of Register, before its answer. */
  replaceWithinRegister(): void {
    this.#isReplaced = true;
  }

  /** Lets calls of Register wait for the end of this kubelet. */
  holdRegister(): void {
    this.#held = Promise.withResolvers();
  }

  /** Whether a refusal is still to be given. */
  get isRefusing(): boolean {
    return this.#refusals > 0;
  }

  /** Serves a new `kubelet.sock`; first removes the plugin's socket, as a kubelet does. */
  async start(name = "kubelet.sock"): Promise<void> {
    rmSync(join(this.#directory, SOCKET), { force: true });
    const server = await serveGrpc({
      listen: { path: join(this.#directory, name) },
      services: [serve(Registration, { register: (request) => this.#register(request) })],
    });
    this.#servers.push(server);
  }

  /** Puts a new `kubelet.sock` in the place of the old one: there is one at any time. */
  async replace(): Promise<void> {
    await this.start("next.sock");
    renameSync(join(this.#directory, "next.sock"), join(this.#directory, "kubelet.sock"));
  }

  async stop(): Promise<void> {
    this.#held?.resolve();
    for (const channel of this.#channels.splice(0)) channel.close();
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  /** Returns the plugin that registered last. */
  plugin(): RpcClient<DevicePluginMethods> {
    return client(this.#connect(this.registrations.at(-1)!.request), DevicePlugin);
  }

  #connect({ endpoint }: RegisterRequest): Channel {
    const channel = connectGrpc(`unix://${join(this.#directory, basename(endpoint))}`);
    this.#channels.push(channel);
    return channel;
  }

  /** Registers a plugin as the kubelet does: connects back before it answers. */
  async #register(request: RegisterRequest) {
    if (this.#refusals > 0) {
      this.#refusals--;
      throw new RpcError(Status.UNAVAILABLE, "the kubelet is not ready");
    }
    let refusal = "";
    try {
      const plugin = client(this.#connect(request), DevicePlugin);
      await plugin.getDevicePluginOptions({}, { timeout_ms: ANSWER_MS });
    } catch (thrown) {
      refusal = messageOf(thrown);
    }
    this.registrations.push({ request, refusal });
    await this.#held?.promise;
    if (this.#isReplaced) {
      this.#isReplaced = false;
      await this.replace();
    }
    return {};
  }
}

/** A plugin of the lab's own, for the checks of the library. */
export interface Bench {
  readonly rootDir: string;
  readonly kubelet: LabKubelet;
  readonly devices: DeviceSet;
  /** The plugin's timers run FASTER times as fast. */
  startPlugin(): { close(): Promise<void> };
  /** The plugin's delays until its next look for a kubelet; after a failure they are shorter. */
  readonly looks_ms: readonly number[];
}

const FASTER = 100;

function behaviourOf(devices: DeviceSet): DevicePluginBehaviour {
  return {
    resourceName: RESOURCE,
    devices,
    allocate: (ids) => ({ envs: { SOUND_DEVICES: ids.join(",") } }),
    prefer: ({ availableDeviceIDs, allocationSize }) => availableDeviceIDs.slice(0, allocationSize),
  };
}

/** Runs a check with a kubelet and a plugin of its own folder; all of it ends with the check. */
export async function withBench(body: (bench: Bench) => Promise<void>): Promise<void> {
  const rootDir = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  const kubelet = new LabKubelet(rootDir);
  const devices = new DeviceSet([
    { ID: "a", health: "Healthy" },
    { ID: "b", health: "Healthy" },
  ]);
  const plugins: { close(): Promise<void> }[] = [];
  const looks_ms: number[] = [];
  const startPlugin = () => {
    const own = systemClock();
    const after: Clock["after"] = (delay_ms, fn) => {
      looks_ms.push(delay_ms);
      return own.after(delay_ms / FASTER, fn);
    };
    const clock: Clock = { ...own, after };
    const options = { kubeletDir: rootDir, socketName: SOCKET, clock };
    const plugin = startDevicePlugin({ ...options, behaviour: behaviourOf(devices) });
    plugins.push(plugin);
    return plugin;
  };
  const broken = Promise.withResolvers<never>();
  process.on("unhandledRejection", broken.reject);
  try {
    const bench = { rootDir, kubelet, devices, startPlugin, looks_ms };
    await Promise.race([body(bench), broken.promise]);
  } catch (thrown) {
    const message = messageOf(thrown);
    const text = NOT_WRITTEN.exec(message)?.[0];
    // The stack of a part's own error names the place in the reader's file. A part that is not
    // written yet also answers calls, with an error of gRPC: its place stays with the server, and
    // the call's is none of the reader's.
    if (text === undefined || text === message) throw thrown;
    throw Object.assign(new Error(text, { cause: thrown }), { stack: text });
  } finally {
    process.off("unhandledRejection", broken.reject);
    for (const plugin of plugins) void plugin.close();
    void kubelet.stop();
    rmSync(rootDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** Resolves with a promise's value; judges that it was late, as `untilQuiet` counts. */
export async function soon<T>(
  promise: Promise<T>,
  judgement: { when: string; expected: string; why: string },
): Promise<T> {
  let isSettled = false;
  const settle = () => (isSettled = true);
  promise.then(settle, settle);
  if (
    await untilQuiet(
      () => isSettled,
      () => undefined,
    )
  )
    return promise;
  return judge(false, { ...judgement, happened: `nothing in ${QUIET_S} s` });
}

/** Resolves when a condition holds, else judges that it did not. */
export async function until(
  condition: () => boolean,
  judgement: Omit<Judgement, "happened"> & { happened?: () => string },
): Promise<void> {
  if (await untilQuiet(condition, () => undefined)) return;
  const { happened } = judgement;
  judge(false, { ...judgement, happened: happened?.() ?? `nothing in ${QUIET_S} s` });
}

/** A list as `a Healthy, b Unhealthy`. */
export function listed({ devices }: Pick<ListAndWatchResponse, "devices">): string {
  return devices.map(({ ID, health }) => `${ID} ${health}`).join(", ") || "no devices";
}
