import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { clientAs } from "../pki/client-as.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { apiProcess } from "../spec/processes.ts";
import { runningPid } from "./processes.ts";

/** An administrator's client of the API; undefined while no process of it runs. To be closed. */
export async function runningClient(config: ClusterConfig): Promise<KubeClient | undefined> {
  if (runningPid(config.runDir, apiProcess(config)) === undefined) return undefined;
  return clientAs(config, "admin", systemClock());
}
