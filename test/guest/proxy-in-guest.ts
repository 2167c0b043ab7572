import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Ipvs } from "@raft2kube/linux/ipvs.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ours } from "../contract/proxy/ours.ts";
import { RULES } from "../contract/proxy/suite.ts";
import { ADDRESSES, createWorld, TARGETS } from "../contract/proxy/world.ts";

// Run inside a guest, whose kernel has IPVS and SCTP: judges the modes, and prints
// `FOUND {"mode", "rule", "error"}` for each rule.

const SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq"];
const SCTP = join(import.meta.dirname, "sctp-process.ts");
const SCTP_PORT = 9_899;
const SCTP_MS = 60_000;
const world = await createWorld();

async function report(mode: string, rule: string, run: () => Promise<void>): Promise<void> {
  const error = await run().then(() => undefined, messageOf);
  process.stdout.write(`FOUND ${JSON.stringify({ mode, rule, error })}\n`);
}

/** A Service port of the second pod. */
function port(ip: string, transport: "tcp" | "sctp", number: number): ServicePort {
  return {
    key: `default/${transport}:p/${transport.toUpperCase()}`,
    transport,
    port: 80,
    clusterIps: [ip],
    externalIps: [],
    nodePort: undefined,
    affinity_s: undefined,
    allEndpoints: [{ address: ADDRESSES.two, port: number }],
    localEndpoints: [],
    internalLocal: false,
    externalLocal: false,
    apiAddresses: [],
    firewall: undefined,
  };
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

async function judgeSctp(): Promise<void> {
  const born = () => spawn(process.execPath, [SCTP, "serve", String(SCTP_PORT)]);
  const server = inNetns(world.two.netns, born);
  await once(server.stdout, "data");
  for (const mode of ["ipvs", "iptables"] as const) {
    await report(mode, "SCTP is served", () =>
      during(mode, port("10.96.5.1", "sctp", SCTP_PORT), async () => {
        const args = [SCTP, "ask", "10.96.5.1", "80"];
        const child = inNetns(world.outside.netns, () => spawn(process.execPath, args));
        child.stderr.pipe(process.stdout);
        const signal = AbortSignal.timeout(SCTP_MS);
        const [output] = (await once(child.stdout, "data", { signal })) as [Buffer];
        assert.equal(String(output), "sctp\n");
      }));
  }
  server.kill();
}

async function judgeSchedulers(): Promise<void> {
  for (const scheduler of SCHEDULERS) {
    await report("ipvs", `scheduler ${scheduler}`, () =>
      during("ipvs", port("10.96.5.2", "tcp", TARGETS.http), async () => {
        using ipvs = new Ipvs();
        assert.deepEqual(ipvs.servers().map((server) => server.scheduler), [scheduler]);
        assert.match(await world.one.ask("10.96.5.2", 80), /^two /);
      }, scheduler));
  }
}

await judgeContract("ipvs");
await judgeSchedulers();
await judgeSctp();
world.close();
