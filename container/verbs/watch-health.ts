import { existsSync } from "node:fs";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { execToEnd } from "@raft2kube/runtime/container/exec-to-end.ts";
import type { HealthCheck } from "@raft2kube/runtime/image/config.ts";
import { isAlive } from "@raft2kube/runtime/process-identity.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import { type Health, healthFile, healthTimes, readHealth } from "../engine/health.ts";
import type { Engine } from "../engine/open-engine.ts";
import { HEALTH_LOGS, HEALTH_OUTPUT_BYTES } from "../limits.ts";
import { verb } from "../verb.ts";

const NS_PER_MS = 1e6;
const RETRIES = 3;

/** The process beside a container that tests its health until it ends. */
export const watchHealth = verb("watch-health <id>", "", {}, async (host, [id]) => {
  const open = async (engine: Engine) => ({ engine, found: engine.containers.get(id) });
  const { engine, found } = await withEngine(host, open);
  const { phase } = found.record;
  const check = found.hand.health;
  if (phase.state !== "running" || check === undefined) return;
  const file = healthFile(host, id);
  const isYoung = () =>
    host.clock.now() - phase.startedAt_ms < (check.StartPeriod ?? 0) / NS_PER_MS;
  while (isAlive(phase.process)) {
    const isStarting = isYoung() && readHealth(file).Status === "starting";
    await delay(host.clock, healthTimes(check, { isStarting }).interval_ms);
    if (!isAlive(phase.process) || !existsSync(engine.runtime.paths.container(id).run)) return;
    const entry = await test(engine, found, check);
    const options = { retries: check.Retries || RETRIES, isYoung: isYoung() };
    await replaceFile(file, JSON.stringify(after(readHealth(file), entry, options)));
  }
});

async function test(
  { runtime, host }: Engine,
  { record }: HandContainer,
  check: HealthCheck,
): Promise<Health["Log"][number]> {
  const [kind, ...words] = check.Test ?? [];
  const command = kind === "CMD-SHELL" ? ["/bin/sh", "-c", ...words] : words;
  const { timeout_s } = healthTimes(check);
  const Start = new Date(host.clock.now()).toISOString();
  let [ExitCode, Output] = [-1, ""];
  try {
    const { exitCode, stdout, stderr } = await execToEnd(runtime, record.id, command, timeout_s);
    [ExitCode, Output] = [exitCode, Buffer.concat([stdout, stderr]).toString("utf8")];
  } catch (error) {
    Output = messageOf(error);
  }
  const End = new Date(host.clock.now()).toISOString();
  return { Start, End, ExitCode, Output: Output.slice(0, HEALTH_OUTPUT_BYTES) };
}

/** Health after one more test, as docker counts: failures in a row, none while it is young. */
export function after(
  before: Health,
  entry: Health["Log"][number],
  { retries, isYoung }: { retries: number; isYoung: boolean },
): Health {
  const Log = [...before.Log, entry].slice(-HEALTH_LOGS);
  if (entry.ExitCode === 0) return { Status: "healthy", FailingStreak: 0, Log };
  const FailingStreak = isYoung && before.Status === "starting" ? 0 : before.FailingStreak + 1;
  return { Status: FailingStreak >= retries ? "unhealthy" : before.Status, FailingStreak, Log };
}
