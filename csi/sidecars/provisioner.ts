import { logger } from "@raft2kube/observe/log.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest.ts";
import { connectGrpc, type Channel } from "@raft2kube/rpc/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { identifyDriver, type DriverIdentity } from "./driver-identity.ts";
import { DRIVER_RETRY_MS } from "./limits.ts";
import { Provisioner } from "./provision-loop.ts";

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
 * Starts the provisioner beside a driver. Driver and apiserver may come later: it waits for both in
 * the background. `ready` resolves when it works; `close` ends it at any time.
 */
export function startProvisioner(
  options: ProvisionerOptions,
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  const { client, driverSocket, nodeName, clock } = options;
  const closed = new AbortController();
  const channel = connectGrpc(`unix://${driverSocket}`);
  let provisioner: Provisioner | undefined;
  const ready = (async () => {
    const driver = await awaitDriver(channel, clock, closed.signal);
    if (!driver) return;
    provisioner = new Provisioner({ client, driver, nodeName, clock });
    const started = provisioner.start();
    const ended = new Promise<void>((resolve) => {
      closed.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([started, ended]);
    log.info("provisioning", { driver: driver.name, nodeName: nodeName ?? "(all)" });
  })();
  return Promise.resolve({
    ready,
    async close() {
      closed.abort();
      await ready;
      await provisioner?.close();
      channel.close();
    },
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
