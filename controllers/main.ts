import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ControllerContext, ControllerSettings, Running } from "./context.ts";
import { CONTROLLERS } from "./registry.ts";
import { selectControllers } from "./selection.ts";
import { ServiceAccountClients } from "./service-account-clients.ts";

export interface ControllersOptions extends ControllerSettings {
  /** The apiserver, as `system:kube-controller-manager`. */
  connection: KubeConnection;
  /** One of several instances works at a time. Default true. */
  leaderElect?: boolean;
  /** Each controller writes under its own service account. Default true; false only for tests. */
  useServiceAccountCredentials?: boolean;
  /** Which to run (`selectControllers`). Default `["*"]`. */
  controllers?: string[];
  /** Unique among the candidates; by default the host's name and a random part. */
  identity?: string;
  clock?: Clock;
  random?: Random;
}

const LEASE = { namespace: "kube-system", name: "kube-controller-manager" };

/**
 * Starts the controllers, or stands for election to. Fails with `UnknownController` on a bad name.
 */
export async function startControllers(options: ControllersOptions): Promise<Running> {
  const { connection, clock = systemClock() } = options;
  const names = selectControllers(options.controllers ?? ["*"]);
  const client = new KubeClient({ ...connection, clock, userAgent: "r2k-controllers" });
  if (options.leaderElect === false) {
    const running = startSelected(options, client, clock, names);
    return {
      async close() {
        await running.close();
        client.close();
      },
    };
  }
  const election = new LeaderElection({
    client,
    lease: LEASE,
    identity: options.identity ?? `${hostname()}_${randomUUID()}`,
    clock,
    async lead(signal) {
      const running = startSelected(options, client, clock, names);
      await aborted(signal);
      await running.close();
    },
  });
  election.start();
  return {
    async close() {
      await election.close();
      client.close();
    },
  };
}

function startSelected(
  options: ControllersOptions,
  client: KubeClient,
  clock: Clock,
  names: string[],
): Running {
  const informers = new InformerSet(client, clock);
  const accounts =
    options.useServiceAccountCredentials === false
      ? undefined
      : new ServiceAccountClients(client, options.connection, clock);
  const clientOf = (account: string) => accounts?.client(account) ?? client;
  const context: ControllerContext = {
    clock,
    random: options.random ?? systemRandom,
    informers,
    settings: options,
    client: clientOf,
    recorder: (account, component) =>
      new EventRecorder({ client: clientOf(account), component, clock }),
  };
  const running = names.flatMap((name) => CONTROLLERS[name]?.(context) ?? []);
  informers.start();
  logger("controllers").info("started", { controllers: names });
  return {
    async close() {
      await Promise.all(running.map((controller) => controller.close()));
      await informers.close();
      accounts?.close();
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
