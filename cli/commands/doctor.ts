import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { networkChecks } from "../doctor/network.ts";
import { check, objectChecks } from "../doctor/running.ts";
import { storeChecks } from "../doctor/store.ts";
import { runningClient } from "../observe/running-api.ts";
import { certificateChecks } from "../preflight/certificates.ts";
import { type CheckResult, failed, ok, runChecks } from "../preflight/check.ts";
import { clusterChecks } from "../preflight/cluster.ts";
import { ALL_CHECKS, describe } from "../preflight/preflight.ts";
import { replacedPartChecks } from "../preflight/replaced-parts.ts";
import { checkClusterName, clusterRoots, planCluster, readCluster } from "../spec/config.ts";
import { findLeftovers } from "../spec/leftovers.ts";
import { isStopped, nodeRange, readJoiningNodes } from "../spec/nodes.ts";
import { printResult } from "../terminal.ts";

export function command(): Command {
  return new Command("doctor")
    .description("Check the requirements of a cluster and whether it runs; print remedies.")
    .option("--name <name>", "the cluster's name", "default")
    .option("-o, --output <format>", "json")
    .action(doctor);
}

async function doctor(flags: { name: string; output?: string }): Promise<void> {
  const results = await examine(checkClusterName(flags.name));
  const json = results.map(({ name: check, finding }) => ({ check, ...finding }));
  printResult(flags.output, json, () => describe(results));
  if (results.some((result) => result.finding.state === "failed")) process.exitCode = 2;
}

/** Asks everything that can be asked of this machine and of the cluster of this name. */
export async function examine(name: string): Promise<CheckResult[]> {
  const roots = clusterRoots(process.env);
  const config = (await readCluster(name, roots)) ?? (await planCluster(name, roots));
  using client = await runningClient(config);
  const nodes = await readJoiningNodes(config);
  const now_ms = systemClock().now();
  const certificates = await Promise.all(
    [config, ...nodes].map((each) => certificateChecks(each, now_ms)),
  );
  const stopped = nodes.filter(isStopped).map(({ nodeName }) => nodeName);
  const running = [config, ...nodes.filter((node) => !isStopped(node))];
  const ofObjects =
    client &&
    objectChecks(client, stopped, now_ms).catch((thrown: unknown) => {
      const remedy = `r2k logs control --name ${config.name}`;
      return [check("API", failed(messageOf(thrown), remedy))];
    });
  const leftovers = findLeftovers(roots).map((each) => {
    const remedy = `r2k down --purge --name ${each} removes it`;
    return check(
      `"${each}" without a cluster`,
      ok(`made by hand, or left by a removal; ${remedy}`),
    );
  });
  const ofCluster = [
    ...leftovers,
    ...replacedPartChecks(config),
    ...clusterChecks(config, nodes),
    ...certificates.flat(),
    ...(client ? [...storeChecks(config), ...networkChecks(config, running)] : []),
    ...((await ofObjects) ?? []),
  ];
  return runChecks([...ALL_CHECKS, ...ofCluster], {
    dataDir: config.dataDir,
    runDir: config.runDir,
    apiPort: client ? undefined : config.apiPort,
    ranges: [config.serviceCidr, config.podCidr, nodeRange(config)],
    ...given({ proxyMode: config.proxyMode }),
  });
}
