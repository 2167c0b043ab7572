import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ociOf } from "@raft2kube/runtime/ports.ts";
import { Command } from "commander";
import { type FindHost, requireCgroups } from "../engine/host.ts";
import { stateOf } from "../engine/state.ts";
import { eachIn } from "./each.ts";

function freezing(find: FindHost, word: "pause" | "unpause", description: string): Command {
  return new Command(word)
    .argument("<container...>")
    .description(description)
    .action((names: string[]) =>
      eachIn(find, names, async (engine, name) => {
        requireCgroups(engine.host, word);
        const found = engine.containers.running(name);
        const isPaused = stateOf(engine, found) === "paused";
        if (isPaused === (word === "pause")) {
          const state = isPaused ? "paused already" : "not paused";
          throw new RuntimeError("failed-precondition", `container ${name} is ${state}`);
        }
        const oci = ociOf(engine.runtime, found.record);
        await (isPaused ? oci.resume(found.record.id) : oci.pause(found.record.id));
      }),
    );
}

export function command(find: FindHost): Command {
  return freezing(find, "pause", "Freeze all processes of containers.");
}

export function unpauseCommand(find: FindHost): Command {
  return freezing(find, "unpause", "Let the processes of frozen containers go on.");
}
