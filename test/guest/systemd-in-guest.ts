// Runs in a guest whose first process is systemd: `systemd-in-guest first|second AGENT...`, before
// and after a restart of the machine; AGENT is the command line of systemd-agent.ts. Prints what it
// found as lines `FOUND <subject> <JSON>`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { asError, messageOf } from "@raft2kube/std/errors.ts";
import {
  endNodeAgent,
  removeNodeAgent,
  startNodeAgent,
} from "../../cli/machine/agent/node-agent.ts";
import { hasUnit, UNIT } from "../../cli/machine/agent/systemd.ts";
import { NODE_AGENT } from "../../cli/machine/layout.ts";
import { runningPid } from "../../cli/observe/processes.ts";
import { tryCommand } from "../../cli/preflight/command.ts";
import { waitFor } from "../../testing/wait.ts";

const TIMEOUT_MS = 60_000;
const clock = machineClock();
const { signal } = new AbortController();
const [, , time, ...agent] = process.argv;
const program = [...agent, "$HOME", "100%"];

const found = (subject: string, what: unknown) =>
  process.stdout.write(`FOUND ${subject} ${JSON.stringify(what)}\n`);
const pid = () => runningPid(NODE_AGENT.runDir, "machine");
const until = (what: string, is: () => boolean) =>
  waitFor(what, is, { clock, timeout_ms: TIMEOUT_MS });
const state = async () => (await tryCommand("systemctl", "is-active", UNIT)).succeeded;

async function first(): Promise<void> {
  await startNodeAgent(signal, { program, env: {} });
  const before = pid();
  found("started", {
    isRunning: before !== undefined,
    isActive: await state(),
    isEnabled: (await tryCommand("systemctl", "is-enabled", UNIT)).output,
    hasSupervisor: existsSync(join(NODE_AGENT.runDir, "machine.supervisor")),
    verified: await tryCommand("systemd-analyze", "verify", `/etc/systemd/system/${UNIT}`),
  });
  process.kill(before!, "SIGKILL");
  await until("the agent to run again", () => ![undefined, before].includes(pid()));
  found("killed", { isActive: await state() });
  await endNodeAgent(clock);
  found("ended", { isRunning: pid() !== undefined, isInstalled: hasUnit() });
  const failing = startNodeAgent(signal, {
    program,
    env: { R2K_TEST_FAILS: 'no "address" $HOME' },
  });
  const error = await failing.then(() => undefined, asError);
  found("failed", { message: messageOf(error), cause: messageOf(error?.cause) });
  await startNodeAgent(signal, { program, env: {} });
  found("started again", { isRunning: pid() !== undefined });
}

async function second(): Promise<void> {
  await until("the agent to start with the machine", () => pid() !== undefined);
  found("started with the machine", { isActive: await state() });
  await removeNodeAgent(clock);
  const isKnown = (await tryCommand("systemctl", "cat", UNIT)).succeeded;
  found("removed", { isRunning: pid() !== undefined, isInstalled: hasUnit(), isKnown });
}

await (time === "first" ? first() : second());
