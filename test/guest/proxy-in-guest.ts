import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { Ipvs } from "@raft2kube/linux/ipvs.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { servicePort } from "@raft2kube/proxy/testing/service-port.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ours } from "../contract/proxy/ours.ts";
import { RULES } from "../contract/proxy/suite.ts";
import { ADDRESSES, createWorld, TARGETS } from "../../testing/network/node-world.ts";

// Run inside a guest, whose kernel has IPVS: judges the modes, and prints
// `FOUND {"mode", "rule", "error"}` for each rule.

const SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq"];
const world = await createWorld();

async function report(mode: string, rule: string, run: () => Promise<void>): Promise<void> {
  const error = await run().then(() => undefined, messageOf);
  process.stdout.write(`FOUND ${JSON.stringify({ mode, rule, error })}\n`);
}

/** A Service port of the second pod. */
function port(ip: string): ServicePort {
  return servicePort({
    key: "default/tcp:p/TCP",
    clusterIps: [ip],
    allEndpoints: [{ address: ADDRESSES.two, port: TARGETS.http }],
  });
}

/** Runs `work` while a mode serves one port, and removes the mode's rules. */
async function during(
  mode: ModeName,
  served: ServicePort,
  work: () => Promise<void>,
  ipvsScheduler?: string,
): Promise<void> {
  const options = { clock: systemClock(), log: logger("guest"), ipvsScheduler, strictArp: true };
  const rules = modeNamed(mode).create(options);
  try {
    await rules.rebuild([served], []);
    assert.equal(await rules.intact(), true);
    await work();
  } finally {
    await rules.close();
    await modeNamed(mode).remove();
  }
}

async function judgeContract(mode: ModeName): Promise<void> {
  const { refuses, start } = ours(mode);
  const served = await start();
  for (const { name, run } of RULES) {
    if (refuses[name] === undefined) await report(mode, name, () => run(world, served));
  }
  await served.close();
}

async function judgeSchedulers(): Promise<void> {
  for (const scheduler of SCHEDULERS) {
    await report("ipvs", `scheduler ${scheduler}`, () =>
      during("ipvs", port("10.96.5.2"), async () => {
        using ipvs = new Ipvs();
        assert.deepEqual(ipvs.servers().map((server) => server.scheduler), [scheduler]);
        assert.match(await world.one.ask("10.96.5.2", 80), /^two /);
      }, scheduler));
  }
}

/** One SCTP Service port of the second pod, from the other pod and from outside. */
async function judgeSctp(mode: ModeName): Promise<void> {
  const [, , sctp = ""] = process.argv;
  const target = 9000;
  const server = inNetns(world.two.netns, () => {
    return spawn(sctp, ["serve", String(target), "two"], { stdio: ["ignore", "pipe", "inherit"] });
  });
  await once(server.stdout, "data");
  const ip = "10.96.5.3";
  const endpoint = { address: ADDRESSES.two, port: target };
  const served: ServicePort = {
    ...port(ip), key: "default/sctp:p/SCTP", transport: "sctp", allEndpoints: [endpoint],
  };
  const ask = (netns: string) => inNetns(netns, () => {
    return execFileSync(sctp, ["ask", ip, "80"], { encoding: "utf8" }).trim();
  });
  await report(mode, "SCTP from a pod", () => during(mode, served, async () => {
    assert.equal(ask(world.one.netns), `two ${ADDRESSES.one}`);
  }));
  await report(mode, "SCTP from outside", () => during(mode, served, async () => {
    assert.match(ask(world.outside.netns), /^two /);
  }));
  server.kill();
}

await judgeContract("ipvs");
await judgeSchedulers();
await judgeSctp("ipvs");
await judgeSctp("iptables");
world.close();
