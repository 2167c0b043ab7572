import type { Command } from "commander";
import { IN_GUEST } from "../guest/init.ts";
import { processCommand } from "./running.ts";

/**
 * The process of a node: all of its parts, in the node's network namespace; of a node that is a
 * guest the machine that it is, in which the same command runs the parts.
 */
export function command(): Command {
  return processCommand("node", async (config, parts) => {
    if (config.guest === undefined || process.env[IN_GUEST] !== undefined) {
      const { startNode } = await import("./node.ts");
      return startNode(config, parts);
    }
    const { startGuest } = await import("./guest.ts");
    await parts.start("guest", () => startGuest(config, config.guest!));
  });
}
