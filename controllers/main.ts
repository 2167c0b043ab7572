import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { type ServeOptions, serveWherePossible } from "@raft2kube/client-kube/serving/server.ts";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import type { ControllerContext, ControllerSettings, RequestRate, Running } from "./context.ts";
import { ControllerMetrics } from "./metrics/metrics.ts";
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
  /** Where to serve health and metrics. Default nowhere. */
  serve?: ServeOptions;
  clock?: Clock;
  random?: Random;
}

/** Controllers at work, or in wait for it. */
export interface RunningControllers extends Running {
  /** Where health and metrics are served. */
  readonly served?: { readonly host: string; readonly port: number } | undefined;
}

const LEASE = { namespace: "kube-system", name: "kube-controller-manager" };

/**
 * Starts the controllers, or stands for election to. Fails with `UnknownController` on a bad name.
 */
export async function startControllers(options: ControllersOptions): Promise<RunningControllers> {
  const { clock = systemClock() } = options;
  const names = selectControllers(options.controllers ?? ["*"]);
  const metrics = new ControllerMetrics(options.connection.server, clock);
  const client = managerClient(options, clock, metrics);
  const served =
    options.serve &&
    (await serveWherePossible(options.serve, client, { "/metrics": metrics.registry }, () =>
      metrics.healthChecks(),
    ));
  const parts = { client, clock, metrics };
  const working =
    options.leaderElect === false
      ? startSelected(options, parts, names)
      : elect(options, parts, names);
  return {
    served: served?.address,
    async close() {
      await working.close();
      await served?.close();
      metrics.close();
      client.close();
    },
  };
}

interface Parts {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly metrics: ControllerMetrics;
}

const managerClient = (
  { connection }: ControllersOptions,
  clock: Clock,
  { requests: observer }: ControllerMetrics,
): KubeClient => new KubeClient({ ...connection, clock, observer, userAgent: "r2k-controllers" });

/**
 * Stands for election, and runs the controllers while it leads, with clients of their own: when the
 * lease is lost, these end first, so that no reconcile under way writes beside the next leader.
 */
function elect(options: ControllersOptions, parts: Parts, names: string[]): Running {
  const election = new LeaderElection({
    client: parts.client,
    lease: LEASE,
    identity: options.identity ?? `${hostname()}_${randomUUID()}`,
    clock: parts.clock,
    async lead(stop, lost) {
      const client = managerClient(options, parts.clock, parts.metrics);
      const running = startSelected(options, { ...parts, client }, names);
      lost.addEventListener("abort", () => running.disconnect(), { once: true });
      await aborted(stop);
      await running.close();
      running.disconnect();
    },
  });
  parts.metrics.election(() => election.leading);
  election.start();
  return election;
}

interface Selected extends Running {
  /** Ends all clients: requests under way fail, and no more are sent. */
  disconnect(): void;
}

function startSelected(
  options: ControllersOptions,
  { client, clock, metrics }: Parts,
  names: string[],
): Selected {
  const informers = new InformerSet(client, clock);
  const accounts =
    options.useServiceAccountCredentials === false
      ? undefined
      : new ServiceAccountClients(client, options.connection, clock, metrics.requests);
  const clientOf = (account: string, rate?: RequestRate) =>
    accounts?.client(account, rate) ?? client;
  const context: ControllerContext = {
    clock,
    random: options.random ?? systemRandom,
    informers,
    settings: options,
    metrics,
    manager: client,
    client: clientOf,
    recorder: (account, component) =>
      new EventRecorder({ client: clientOf(account), component, clock }),
  };
  const running = names.flatMap((name) => CONTROLLERS[name]?.(context) ?? []);
  informers.start();
  metrics.running(names);
  logger("controllers").info("started", { controllers: names });
  return {
    async close() {
      metrics.running([]);
      await Promise.all(running.map((controller) => controller.close()));
      await informers.close();
      accounts?.close();
    },
    disconnect() {
      client.close();
      accounts?.close();
    },
  };
}
