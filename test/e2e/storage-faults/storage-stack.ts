import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  SERVICE_ACCOUNTS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { httpTransport } from "@raft2kube/client-kube/transport/http.ts";
import { startControllers } from "@raft2kube/controllers/main.ts";
import { Attacher } from "@raft2kube/csi/sidecars/attach-loop.ts";
import type { SidecarLoop } from "@raft2kube/csi/sidecars/beside-driver.ts";
import { Provisioner } from "@raft2kube/csi/sidecars/provision-loop.ts";
import { Resizer } from "@raft2kube/csi/sidecars/resize-loop.ts";
import type { SidecarOptions } from "@raft2kube/csi/sidecars/sidecar-options.ts";
import { detachLoopDevicesBelow } from "@raft2kube/linux/mount/loop-device.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { Controller, Node as NodeService } from "@raft2kube/proto/gen/csi.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ComponentTransport } from "./api-transport.ts";
import { DRIVER_NAME } from "./attaching-driver.ts";
import { ControlPlane } from "./control-plane.ts";
import { DriverHost } from "./driver-host.ts";
import { fasterClock } from "./faster-clock.ts";
import { makeStorageObjects, NODE_NAME } from "./objects.ts";
import { type Component, PHASES, type Phase, Schedule } from "./points.ts";
import { ComponentRun } from "./run-of-component.ts";
import { interruptSystemCalls } from "./system-calls.ts";
import { VolumeKubelet } from "./volume-kubelet.ts";

/** Back-offs and periods pass ten times as fast. */
const SPEED = 10;
const RESTART_MS = 20;

const CONTROLLERS = [
  "serviceaccount-controller",
  "persistentvolume-binder-controller",
  "persistentvolume-attach-detach-controller",
  "persistentvolumeclaim-protection-controller",
  "persistentvolume-protection-controller",
];

/**
 * Every component between a claim and its data: store and apiserver as processes, controllers,
 * sidecars, driver and kubelet in this one. Each is started again whenever it was killed.
 */
export class StorageStack {
  schedule = new Schedule();
  /** Components that did not start again. */
  readonly failures: unknown[] = [];
  readonly dir: string;
  readonly plane: ControlPlane;
  readonly host: DriverHost;
  /** The client of claims and pods. */
  readonly client: KubeClient;
  readonly #clock = fasterClock(systemClock(), SPEED);
  readonly #runs = new Set<ComponentRun>();
  readonly #restore: () => void;
  #isClosed = false;

  private constructor(dir: string, plane: ControlPlane, restore: () => void) {
    this.dir = dir;
    this.plane = plane;
    this.#restore = restore;
    this.host = new DriverHost({
      dataDir: join(dir, "driver"),
      nodeId: NODE_NAME,
      clock: systemClock(),
      schedule: () => this.schedule,
      onCall: (method, state) => this.#follow(method, state),
    });
    this.client = this.#client(new ComponentRun("client", () => this.schedule));
  }

  static async start(): Promise<StorageStack> {
    const dir = await realpath(await mkdtemp(join(tmpdir(), "r2k-storage-faults-")));
    await mkdir(join(dir, "kubelet"));
    const plane = await ControlPlane.start(join(dir, "control"));
    const stack = new StorageStack(dir, plane, await interruptSystemCalls());
    await makeStorageObjects(plane.client);
    await stack.#startDriver();
    await stack.#keep("controllers", (run) => stack.#startControllers(run));
    await stack.#keep("provisioner", (run) =>
      stack.#startSidecars(run, PROVISIONER_READS, (options) => [
        new Provisioner(options),
        new Resizer(options),
      ]),
    );
    await stack.#keep("attacher", (run) =>
      stack.#startSidecars(run, ATTACHER_READS, (options) => [new Attacher(options)]),
    );
    await stack.#keep("kubelet", (run) => stack.#startKubelet(run));
    const account = { namespace: "default", name: "default" };
    const there = () => plane.client.resource(SERVICE_ACCOUNTS).get(account);
    await waitFor("the default ServiceAccount", there);
    return stack;
  }

  get kubeletDir(): string {
    return join(this.dir, "kubelet");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const run of this.#runs) run.kill();
    this.host.kill();
    this.#restore();
    await this.plane.close();
    for (const point of mountPointsBelow(this.dir)) unmount(point, { detach: true });
    detachLoopDevicesBelow(this.dir);
    await rm(this.dir, { recursive: true });
  }

  /** Starts the driver again, which then makes volumes of another form. */
  async restartDriver(form: "directory" | "image"): Promise<void> {
    if (this.host.form === form) return;
    this.host.form = form;
    this.host.kill();
    await waitFor("the driver", () => this.host.isOpen);
  }

  /** The phase goes on with the calls of the driver that start the next one. */
  #follow(method: string, state: "begins" | "answered"): void {
    const next = state === "begins" ? BEGINS[method] : ENDS[method];
    const { phase } = this.schedule;
    if (next === undefined || phase === undefined) return;
    const [from, to] = next;
    const at = PHASES.indexOf(phase);
    if (at >= PHASES.indexOf(from) && at < PHASES.indexOf(to)) this.schedule.phase = to;
  }

  async #startDriver(): Promise<void> {
    const started = this.host.start();
    const { died } = this.host.run;
    void died.then(() => this.#again(() => this.#startDriver()));
    // One that is killed while it starts never does.
    await Promise.race([started, died]);
  }

  async #keep(
    component: Component,
    start: (run: ComponentRun) => Promise<() => void>,
  ): Promise<void> {
    const run = new ComponentRun(component, () => this.schedule);
    this.#runs.add(run);
    const abandon = await run.run(() => start(run));
    void run.died.then(() => {
      this.#runs.delete(run);
      abandon();
      return this.#again(() => this.#keep(component, start));
    });
  }

  async #again(start: () => Promise<void>): Promise<void> {
    // Others call it meanwhile.
    await delay(systemClock(), RESTART_MS);
    if (this.#isClosed) return;
    try {
      await start();
    } catch (thrown) {
      this.failures.push(thrown);
    }
  }

  #client(run: ComponentRun): KubeClient {
    return new KubeClient({ ...this.#connection(run), clock: this.#clock, qps: 1e4, burst: 1e4 });
  }

  #connection(run: ComponentRun) {
    const { connection } = this.plane;
    const http = httpTransport(connection, systemClock());
    const kill = (server: "store" | "apiserver", step: string) => {
      if (this.schedule.reach(server, `${run.component}'s ${step}`)) this.plane.kill(server);
    };
    const transport = new ComponentTransport(http, run, {
      before(write) {
        kill("apiserver", `${write}: before it is sent`);
        kill("store", `${write}: before it is sent`);
      },
      during(write) {
        kill("apiserver", `${write}: on its way`);
        kill("store", `${write}: on its way`);
      },
    });
    return { ...connection, transport };
  }

  async #startControllers(run: ComponentRun): Promise<() => void> {
    const connection = this.#connection(run);
    const { ca = "" } = connection;
    const controllers = await startControllers({
      connection,
      clusterCidr: "10.244.0.0/16",
      rootCa: ca,
      clock: this.#clock,
      leaderElect: false,
      useServiceAccountCredentials: false,
      controllers: CONTROLLERS,
    });
    return () => void controllers.close();
  }

  async #startSidecars(
    run: ComponentRun,
    reads: readonly ResourceType[],
    loopsOf: (options: SidecarOptions) => SidecarLoop[],
  ): Promise<() => void> {
    const clock = this.#clock;
    const client = this.#client(run);
    const informers = new InformerSet(client, clock);
    for (const type of reads) informers.of(type);
    const events = new EventRecorder({ client, component: run.component, clock });
    const { capabilities } = await this.host.client(Controller).controllerGetCapabilities({});
    const driver = {
      name: DRIVER_NAME,
      hasTopology: false,
      topology: {},
      controller: this.host.client(Controller, run),
      capabilities: new Set(capabilities.map(({ rpc }) => rpc?.type ?? 0)),
    };
    const loops = loopsOf({
      client,
      driver,
      nodeName: undefined,
      extraCreateMetadata: false,
      informers,
      events,
      clock,
    });
    informers.start();
    await informers.synced();
    for (const loop of loops) loop.start();
    return () => {
      for (const loop of loops) void loop.close();
      void informers.close();
    };
  }

  async #startKubelet(run: ComponentRun): Promise<() => void> {
    const { capabilities } = await this.host.client(NodeService).nodeGetCapabilities({});
    const driver = {
      name: DRIVER_NAME,
      endpoint: "",
      nodeId: NODE_NAME,
      topology: {},
      maxVolumes: 0,
      capabilities: new Set(capabilities.map(({ rpc }) => rpc?.type ?? 0)),
      node: this.host.client(NodeService, run),
    };
    const kubelet = await VolumeKubelet.start({
      client: this.#client(run),
      nodeName: NODE_NAME,
      rootDir: this.kubeletDir,
      drivers: { require: () => driver, list: () => [driver] },
      clock: this.#clock,
    });
    return () => void kubelet.close();
  }
}

const PROVISIONER_READS = [
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_ATTRIBUTES_CLASSES,
];
const ATTACHER_READS = [PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS];

/** Calls that lead from a phase, or one between, to another. */
type Step = readonly [from: Phase, to: Phase];
const BEGINS: Readonly<Record<string, Step>> = {
  NodeStageVolume: ["attach", "stage"],
  NodePublishVolume: ["attach", "publish"],
  NodeUnstageVolume: ["unpublish", "unstage"],
};
const ENDS: Readonly<Record<string, Step>> = { NodeUnstageVolume: ["unpublish", "detach"] };
