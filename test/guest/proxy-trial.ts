import assert from "node:assert/strict";
import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import type { Rules, RulesOptions } from "@raft2kube/proxy/apply/rules.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ADDRESSES, createNodeNetwork, TARGETS } from "../../testing/network/node-network.ts";
import { servicePort } from "../../testing/service-port.ts";

/** The network of the guest's node. */
export const net = await createNodeNetwork();

/** Tries a rule and prints `FOUND {"mode", "rule", "error"}`. */
export async function report(mode: string, rule: string, run: () => Promise<void>): Promise<void> {
  const error = await run().then(() => undefined, messageOf);
  process.stdout.write(`FOUND ${JSON.stringify({ mode, rule, error })}\n`);
}

/** A Service port of the second pod. */
export function port(ip: string): ServicePort {
  return servicePort({
    key: "default/tcp:p/TCP",
    clusterIps: [ip],
    allEndpoints: [{ address: ADDRESSES.two, port: TARGETS.http }],
  });
}

/** Runs `work` while a mode serves one port, and removes the mode's rules. */
export async function during(
  mode: ModeName,
  served: ServicePort,
  work: (rules: Rules) => Promise<void>,
  options: Pick<RulesOptions, "ipvsScheduler" | "strictArp"> = {},
  isLast = true,
): Promise<void> {
  const log = logger("guest");
  const rules = modeNamed(mode).create({ clock: systemClock(), log, ...options });
  try {
    await rules.rebuild([served], []);
    assert.equal(await rules.intact(), true);
    await work(rules);
  } finally {
    await rules.close();
    if (isLast) await modeNamed(mode).remove();
  }
}
