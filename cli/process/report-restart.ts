import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { type Restarts, restartsText } from "../observe/processes.ts";
import { clientAs } from "../pki/client-as.ts";
import type { KubeconfigUser } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { logsCommand, type ProcessName } from "../spec/processes.ts";
import type { Closable } from "./started-parts.ts";

/** Both processes may have ended: the API may take as long as the other one's pauses. */
const API_TIMEOUT_MS = 600_000;
const API_INTERVAL_MS = 1_000;

/** The identity that writes the event of a process. */
function identityOf(name: ProcessName): KubeconfigUser {
  if (name === "host") return "proxy";
  return name === "node" ? "kubelet" : "controller-manager";
}

/**
 * Writes an Event about the Node once the API answers: a process of the cluster was started again.
 * Does not wait for it.
 */
export function reportRestart(
  name: ProcessName,
  config: ClusterConfig,
  restarts: Restarts,
  clock: Clock,
): Closable {
  const end = new AbortController();
  const done = report(name, config, restarts, clock, end.signal).catch((thrown: unknown) => {
    if (end.signal.aborted) return;
    logger("supervisor").warn("a restart is not reported", { error: messageOf(thrown) });
  });
  return {
    close() {
      end.abort();
      return done;
    },
  };
}

async function report(
  name: ProcessName,
  config: ClusterConfig,
  restarts: Restarts,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const client = await clientAs(config, identityOf(name), clock);
  const recorder = new EventRecorder({ client, component: `r2k-${name}`, clock });
  try {
    await waitFor("the API", () => client.request<object>({ method: "GET", path: "/version" }), {
      clock,
      signal,
      timeout_ms: API_TIMEOUT_MS,
      interval_ms: API_INTERVAL_MS,
    });
    const message =
      `The ${name} process ${restartsText(restarts)}, and runs again; ` +
      `its log: ${logsCommand(config.name, name, config.joins && config.nodeName)}`;
    // As the kubelet's: by this uid kubectl finds the events of a node.
    const { nodeName } = config;
    const about = { kind: "Node", apiVersion: "v1", name: nodeName, uid: nodeName };
    recorder.record(about, "Warning", "ProcessRestarted", message);
  } finally {
    await recorder.close();
    client.close();
  }
}
