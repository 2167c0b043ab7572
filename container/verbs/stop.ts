import { signalNumber } from "@raft2kube/runtime/container/signals.ts";
import { stopContainer } from "@raft2kube/runtime/container/stop.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ociOf } from "@raft2kube/runtime/ports.ts";
import { signal } from "@raft2kube/runtime/process-identity.ts";
import { eachIn } from "../engine/each.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Engine } from "../engine/open-engine.ts";
import { release } from "../engine/settle.ts";
import { startHand } from "../engine/start.ts";
import { stateOf } from "../engine/state.ts";
import { integer } from "../run/values.ts";
import { verb } from "../verb.ts";

const TIME = {
  "-t, --time <seconds>": { about: "until SIGKILL follows; 10 by default", as: integer() },
} as const;

/** Ends a container's processes, and its policy's starts. */
async function end(engine: Engine, name: string, time_s?: number): Promise<HandContainer> {
  const { runtime, containers } = engine;
  const found = await containers.hold(containers.get(name));
  // A frozen process gets no signal.
  if (stateOf(engine, found) === "paused") {
    await ociOf(runtime, found.record).resume(found.record.id);
  }
  await stopContainer(runtime, found.record.id, time_s ?? found.hand.stopTimeout_s);
  return containers.again(found);
}

export const stop = verb(
  "stop <container...>",
  "Stop containers: their stop signal, then SIGKILL.",
  TIME,
  (host, [names], { time }) =>
    eachIn(host, names, async (engine, name) => release(engine, await end(engine, name, time))),
);

export const restart = verb(
  "restart <container...>",
  "Stop containers, and start them.",
  TIME,
  (host, [names], { time }) =>
    eachIn(host, names, async (engine, name) => {
      const ended = await end(engine, name, time);
      await release(engine, { ...ended, hand: { ...ended.hand, removesItself: false } });
      await startHand(engine, ended);
    }),
);

export const kill = verb(
  "kill <container...>",
  "Send containers a signal.",
  { "-s, --signal <signal>": { about: "by name or number", by: "SIGKILL", as: signalNumber } },
  (host, [names], { signal: number }) =>
    eachIn(host, names, async ({ containers }, name) => {
      const found = containers.running(name);
      const { phase } = found.record;
      // As its stop signal, from which its policy does not start it either.
      if ([9, signalNumber(found.record.stopSignal)].includes(number)) await containers.hold(found);
      if (phase.state === "running" && signal(phase.process, number)) return;
      throw new RuntimeError("failed-precondition", `container ${name} has ended`);
    }),
);
