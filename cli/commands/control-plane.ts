import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { converge } from "../converge.ts";
import { lockNodes } from "../locks/nodes.ts";
import { runningControlPlanes } from "../observe/cluster.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { checkControlPlane, controlPlaneNames } from "../spec/control-planes.ts";
import type { WantedControlPlane } from "../spec/spec.ts";
import { CommandError, terminalProgress } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";
import { onInterrupt } from "./on-interrupt.ts";

type Wanted = WantedControlPlane["wanted"];

export function command(): Command {
  const controlPlane = new Command("control-plane").description(
    "Control planes of a running cluster that was started with --control-planes: each a machine " +
      "with a member of the store, an API server, controllers and a scheduler.",
  );
  const subcommand = (name: string, text: string, wanted: Wanted) =>
    controlPlane
      .command(`${name} <control-plane>`)
      .description(text)
      .option("--name <name>", "the cluster's name", "default")
      .action((place: string, flags: { name: string }) => change(place, flags.name, wanted));
  subcommand("stop", "end it gracefully: no request fails; its data stays", "stopped");
  subcommand("start", "start one that was stopped, or has ended", "running");
  subcommand("remove", "remove it for good, with its data; also one that is lost", "absent");
  subcommand("add", "add one in the place of one that was removed", "added");
  return controlPlane;
}

async function change(place: string, clusterName: string, wanted: Wanted): Promise<void> {
  const clock = systemClock();
  const progress = terminalProgress(clock);
  const found = await clusterOf(clusterName);
  using _lock = await lockNodes(found, clock, progress);
  // Another call may have changed it until the lock was free.
  const cluster = await clusterOf(clusterName);
  const name = checkControlPlane(place, cluster);
  refuse(cluster, name, wanted);
  using interrupt = onInterrupt();
  const spec = { wanted: "kept", cluster: edited(cluster, name, wanted), nodes: [] } as const;
  const { signal } = interrupt;
  await converge({ ...spec, controlPlane: { wanted, name } }, { clock, progress, signal });
}

/** Throws CommandError for a change that the cluster cannot have now. */
function refuse(cluster: ClusterConfig, name: string, wanted: Wanted): void {
  const names = controlPlaneNames(cluster);
  const isOne = names.includes(name);
  if (wanted === "added" && isOne) {
    throw new CommandError("CONTROL_PLANE_EXISTS", `"${cluster.name}" has ${name}`, {
      remedy: `r2k control-plane remove ${name} --name ${cluster.name}, if it is lost`,
    });
  }
  if (wanted !== "added" && !isOne) {
    throw new CommandError("NO_CONTROL_PLANE", `${name} of "${cluster.name}" was removed`, {
      remedy: `r2k control-plane add ${name} --name ${cluster.name}`,
    });
  }
  const running = runningControlPlanes(cluster);
  running.delete(name);
  if (wanted === "running" || 2 * running.size > names.length - (wanted === "absent" ? 1 : 0)) {
    return;
  }
  const what = `${running.size} of the other control planes run, which is no majority without it`;
  throw new CommandError("NO_MAJORITY", what, {
    remedy: `start the others first: r2k start --name ${cluster.name}`,
  });
}

/** The cluster's configuration after the change. */
function edited(cluster: ClusterConfig, name: string, wanted: Wanted): ClusterConfig {
  const { removedControlPlanes: before = [] } = cluster;
  if (wanted === "absent") return { ...cluster, removedControlPlanes: [...before, name] };
  if (wanted !== "added") return cluster;
  return { ...cluster, removedControlPlanes: before.filter((one) => one !== name) };
}
