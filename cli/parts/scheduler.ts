import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { startScheduler } from "@raft2kube/scheduler/main.ts";
import { portNumber } from "../flag-numbers.ts";
import { commandWith, type FlagsOf, type FlagTable, required, trueUnlessFalse } from "../flags.ts";
import { requireOneKubeconfig } from "./one-kubeconfig.ts";
import { runPart } from "./run-part.ts";

export const FLAGS = {
  "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
  "--authentication-kubeconfig <file>": "as whom tokens are reviewed: the same as --kubeconfig",
  "--authorization-kubeconfig <file>": "as whom access is reviewed: the same as --kubeconfig",
  "--bind-address <address>": ["where to serve health and metrics", "127.0.0.1"],
  "--secure-port <port>": ["of health and metrics over HTTPS; 0 serves none", "0"],
  "--leader-elect [boolean]": trueUnlessFalse("work only while holding the lease"),
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k scheduler`: the scheduler alone, with kube-scheduler's flags. */
export const command = () =>
  commandWith("scheduler", "Run the scheduler (kube-scheduler).", FLAGS, (flags) =>
    runPart("scheduler", () => start(flags)),
  );

/** Starts what parsed flags say. */
export async function start(flags: Flags) {
  requireOneKubeconfig(flags);
  const { kubeconfig, leaderElect, bindAddress: host, securePort } = flags;
  const port = portNumber("--secure-port", securePort);
  const connection = await kubeConnection(kubeconfig);
  return startScheduler({
    connection,
    leaderElect: leaderElect === "true",
    ...(port === 0 ? {} : { serve: { host, port, optional: true } }),
  });
}
