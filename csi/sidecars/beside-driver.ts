import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Channel, connectGrpc } from "@raft2kube/rpc/client.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { aborted, delay } from "@raft2kube/std/wait.ts";
import { type DriverIdentity, identifyDriver } from "./driver-identity.ts";
import { DRIVER_ANSWER_BYTES_MAX, DRIVER_RETRY_MS } from "./limits.ts";
import type { SidecarOptions } from "./sidecar-options.ts";

export interface BesideDriverOptions {
  /** Client under an identity with the rights of the sidecars; not closed here. */
  client: KubeClient;
  /** The driver's Unix socket. */
  driverSocket: string;
  /** The node that the driver is on, where each node has its own driver and sidecars. */
  nodeName?: string;
  /** Passes the names of claim and volume to CreateVolume; drivers may refuse parameters. */
  extraCreateMetadata?: boolean;
  clock: Clock;
}

export interface SidecarLoop {
  start(): void;
  close(): Promise<void>;
}

/** Sidecars of one process. */
export interface SidecarSet {
  /** The name in logs. */
  name: string;
  /** The resources that they read. */
  reads: ResourceType[];
  /** Throws if the driver is not one for them: it is asked again until it is. */
  check(driver: DriverIdentity): void;
  /** The loops that the driver supports. */
  loops(options: SidecarOptions): SidecarLoop[];
}

/**
 * Starts sidecars beside a driver. Driver and apiserver may come later: it waits for both in the
 * background. `ready` resolves when they work; `close` ends them at any time.
 */
export function startBesideDriver(
  options: BesideDriverOptions,
  set: SidecarSet,
): { ready: Promise<void>; close(): Promise<void> } {
  const closed = new AbortController();
  const channel = connectDriver(options.driverSocket);
  let sidecars: Sidecars | undefined;
  const ready = (async () => {
    const driver = await awaitDriver(channel, set, options.clock, closed.signal);
    if (!driver) return;
    sidecars = makeSidecars(options, set, driver);
    await Promise.race([sidecars.informers.synced(), aborted(closed.signal)]);
    if (closed.signal.aborted) return;
    for (const loop of sidecars.loops) loop.start();
    const fields = { driver: driver.name, nodeName: options.nodeName ?? "(all)" };
    logger(set.name).info("working", fields);
  })();
  return {
    ready,
    async close() {
      closed.abort();
      await ready;
      await Promise.all(sidecars?.loops.map((loop) => loop.close()) ?? []);
      await sidecars?.informers.close();
      await sidecars?.events.close();
      channel.close();
    },
  };
}

/** The turns that all drivers share. */
const turns = new InputTurns(systemClock());

/** A channel to a driver's socket; a driver may answer anything, and any amount of it. */
export const connectDriver = (socket: string): Channel =>
  connectGrpc(`unix://${socket}`, { messageBytes_max: DRIVER_ANSWER_BYTES_MAX, turns });

type Sidecars = { informers: InformerSet; events: EventRecorder; loops: SidecarLoop[] };

/** Creates the sidecars and starts their informers. */
function makeSidecars(
  { client, nodeName, clock, extraCreateMetadata = false }: BesideDriverOptions,
  set: SidecarSet,
  driver: DriverIdentity,
): Sidecars {
  const informers = new InformerSet(client, clock);
  const events = new EventRecorder({ client, component: driver.name, clock });
  for (const type of set.reads) informers.of(type);
  informers.start();
  const loops = set.loops({
    client,
    driver,
    nodeName,
    extraCreateMetadata,
    informers,
    events,
    clock,
  });
  return { informers, events, loops };
}

async function awaitDriver(
  channel: Channel,
  { name, check }: SidecarSet,
  clock: Clock,
  closed: AbortSignal,
): Promise<DriverIdentity | undefined> {
  while (!closed.aborted) {
    try {
      const driver = await identifyDriver(channel);
      check(driver);
      return driver;
    } catch (thrown) {
      logger(name).info("waiting for the driver", { error: messageOf(thrown) });
    }
    await delay(clock, DRIVER_RETRY_MS, closed);
  }
  return undefined;
}
