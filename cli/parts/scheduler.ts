import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { startScheduler } from "@raft2kube/scheduler/main.ts";
import { Command, Option } from "commander";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeconfig: string;
  leaderElect: string;
}

/** `r2k scheduler`: the scheduler alone, with kube-scheduler's flags. */
export function command(): Command {
  const leaderElect = new Option("--leader-elect [boolean]", "work only while holding the lease");
  return new Command("scheduler")
    .description("Run the scheduler (kube-scheduler).")
    .requiredOption("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .addOption(leaderElect.choices(["true", "false"]).preset("true").default("true"))
    .action(async ({ kubeconfig, leaderElect: elect }: Flags) => {
      const connection = await kubeConnection(kubeconfig);
      const leader = elect === "true";
      await runPart("scheduler", () => startScheduler({ connection, leaderElect: leader }));
    });
}
