import { logger } from "@raft2kube/observe/log.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import {
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { connectGrpc, type Channel } from "@raft2kube/rpc/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { identifyDriver, type DriverIdentity } from "./driver-identity.ts";
import { DRIVER_RETRY_MS } from "./limits.ts";
import { Provisioner } from "./provision-loop.ts";
import { Resizer } from "./resize-loop.ts";

const log = logger("csi-provisioner");

export interface ProvisionerOptions {
  /** Under an identity that may read claims and classes and write volumes; not closed here. */
  client: KubeClient;
  /** The driver's Unix socket. */
  driverSocket: string;
  /**
   * The node that the driver is on, where each node has its own driver and provisioner. Left out,
   * one provisioner serves all nodes.
   */
  nodeName?: string;
  clock: Clock;
}

/**
 * Starts the provisioner beside a driver: claims become volumes, released volumes are deleted, and
 * volumes grow where the driver can. Driver and apiserver may come later: it waits for both in the
 * background. `ready` resolves when it works; `close` ends it at any time.
 */
export function startProvisioner(
  options: ProvisionerOptions,
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  const closed = new AbortController();
  const channel = connectGrpc(`unix://${options.driverSocket}`);
  let sidecars: Sidecars | undefined;
  const ready = (async () => {
    const driver = await awaitDriver(channel, options.clock, closed.signal);
    if (!driver) return;
    sidecars = makeSidecars(options, driver);
    await Promise.race([sidecars.informers.synced(), abortOf(closed.signal)]);
    if (closed.signal.aborted) return;
    for (const loop of sidecars.loops) loop.start();
    log.info("provisioning", { driver: driver.name, nodeName: options.nodeName ?? "(all)" });
  })();
  return Promise.resolve({
    ready,
    async close() {
      closed.abort();
      await ready;
      await Promise.all(sidecars?.loops.map((loop) => loop.close()) ?? []);
      await sidecars?.informers.close();
      await sidecars?.events.close();
      channel.close();
    },
  });
}

interface Sidecars {
  informers: InformerSet;
  events: EventRecorder;
  loops: { start(): void; close(): Promise<void> }[];
}

/** Creates the sidecars that the driver supports and starts their informers. */
function makeSidecars(options: ProvisionerOptions, driver: DriverIdentity): Sidecars {
  const { client, nodeName, clock } = options;
  const informers = new InformerSet(client, clock);
  const events = new EventRecorder({ client, component: driver.name, clock });
  for (const type of [PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES]) {
    informers.of(type);
  }
  informers.start();
  const common = { client, driver, nodeName, informers, events, clock };
  const loops: Sidecars["loops"] = [new Provisioner(common)];
  if (driver.capabilities.has(Rpc.EXPAND_VOLUME)) loops.push(new Resizer(common));
  return { informers, events, loops };
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function awaitDriver(
  channel: Channel,
  clock: Clock,
  closed: AbortSignal,
): Promise<DriverIdentity | undefined> {
  while (!closed.aborted) {
    try {
      return await identifyDriver(channel);
    } catch (thrown) {
      log.info("waiting for the driver", { error: messageOf(thrown) });
    }
    await delay(clock, DRIVER_RETRY_MS, closed);
  }
  return undefined;
}
