import { spawn } from "node:child_process";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { type ClusterConfig, configPath } from "../spec/config.ts";
import { dueIdentities } from "../pki/node-identities.ts";

/**
 * Lets a node that has no certificates, or old ones, ask for them. Another process does, so that
 * this one, which stays, does not keep the code for it. Throws when the node cannot work without.
 */
export async function ensureJoined(config: ClusterConfig, clock: Clock): Promise<void> {
  const due = await dueIdentities(config, clock.now());
  if (due.length === 0) return;
  const args = [process.argv[1]!, "node-join", "--config", configPath(config.dataDir)];
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  let said = "";
  child.on("error", (error) => (said += messageOf(error)));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code === 0) return;
  const missing = due.filter(({ valid }) => !valid).map(({ identity }) => identity);
  if (missing.length === 0) {
    const names = due.map(({ identity }) => identity);
    logger("process").warn("certificates are not renewed, they end soon", { names, said });
    return;
  }
  throw new CodedError("NOT_JOINED", `no certificate for ${missing.join(", ")}: ${said.trim()}`, {
    remedy: `r2k node start ${config.nodeName} --name ${config.name}`,
  });
}
