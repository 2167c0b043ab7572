import { signalNumber } from "@raft2kube/runtime/container/signals.ts";
import { stopContainer } from "@raft2kube/runtime/container/stop.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ociOf } from "@raft2kube/runtime/ports.ts";
import { signal } from "@raft2kube/runtime/process-identity.ts";
import { Command, Option } from "commander";
import type { FindHost } from "../engine/host.ts";
import { release } from "../engine/settle.ts";
import { stateOf } from "../engine/state.ts";
import { integerOf } from "../run/values.ts";
import { eachIn } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("stop")
    .argument("<container...>")
    .description("Stop containers: their stop signal, then SIGKILL.")
    .option("-t, --time <seconds>", "between the two; 10 by default")
    .action((names: string[], { time }: { time?: string }) =>
      eachIn(find, names, async (engine, name) => {
        const { runtime, containers } = engine;
        const found = await containers.hold(containers.get(name));
        const grace_s = time === undefined ? found.hand.stopTimeout_s : integerOf("-t", time);
        // A frozen process gets no signal.
        if (stateOf(engine, found) === "paused") {
          await ociOf(runtime, found.record).resume(found.record.id);
        }
        await stopContainer(runtime, found.record.id, grace_s);
        await release(engine, containers.again(found));
      }),
    );
}

/** `kill`: a signal to the first process. */
export function killCommand(find: FindHost): Command {
  return new Command("kill")
    .argument("<container...>")
    .description("Send containers a signal.")
    .addOption(new Option("-s, --signal <signal>", "by name or number").default("SIGKILL"))
    .action((names: string[], { signal: word }: { signal: string }) => {
      const number = signalNumber(word);
      return eachIn(find, names, async ({ containers }, name) => {
        const found = containers.running(name);
        const { phase } = found.record;
        // As its stop signal, from which its policy does not start it either.
        if ([9, signalNumber(found.record.stopSignal)].includes(number)) {
          await containers.hold(found);
        }
        if (phase.state === "running" && signal(phase.process, number)) return;
        throw new RuntimeError("failed-precondition", `container ${name} has ended`);
      });
    });
}
