import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { startScheduler } from "@raft2kube/scheduler/main.ts";
import { type FlagsOf, type FlagTable, commandWith, required, trueUnlessFalse } from "../flags.ts";
import { runPart } from "./run-part.ts";

const FLAGS = {
  "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
  "--leader-elect [boolean]": trueUnlessFalse("work only while holding the lease"),
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k scheduler`: the scheduler alone, with kube-scheduler's flags. */
export const command = () =>
  commandWith("scheduler", "Run the scheduler (kube-scheduler).", FLAGS, run);

async function run({ kubeconfig, leaderElect }: Flags): Promise<void> {
  const connection = await kubeConnection(kubeconfig);
  await runPart("scheduler", () => {
    return startScheduler({ connection, leaderElect: leaderElect === "true" });
  });
}
