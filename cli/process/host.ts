import { systemClock } from "@raft2kube/std/clock.ts";
import type { Command } from "commander";
import { startHostParts } from "./host-parts.ts";
import { startRenewals } from "./renewals.ts";
import { processCommand } from "./running.ts";
import { startWayToServers } from "./way-to-servers.ts";

/** The process of the host of a cluster whose control planes are on machines of their own. */
export function command(): Command {
  return processCommand("host", async (config, parts) => {
    await startWayToServers(config, parts);
    await startHostParts(config, parts);
    await parts.start("renewal", () => startRenewals(config, systemClock()));
  });
}
