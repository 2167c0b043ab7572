import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ociOf } from "@raft2kube/runtime/ports.ts";
import { eachIn } from "../engine/each.ts";
import { requireCgroups } from "../engine/host.ts";
import { stateOf } from "../engine/state.ts";
import { type Verb, verb } from "../verb.ts";

const freezing = (word: "pause" | "unpause", about: string): Verb =>
  verb(`${word} <container...>`, about, {}, (host, [names]) =>
    eachIn(host, names, async (engine, name) => {
      requireCgroups(host, word);
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

export const pause = freezing("pause", "Freeze all processes of containers.");
export const unpause = freezing("unpause", "Let the processes of frozen containers go on.");
