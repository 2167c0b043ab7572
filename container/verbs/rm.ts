import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { eachIn } from "../engine/each.ts";
import { removeHand } from "../engine/settle.ts";
import { stateOf } from "../engine/state.ts";
import { verb } from "../verb.ts";

export const rm = verb(
  "rm <container...>",
  "Remove containers.",
  {
    "-f, --force": "those that run too; no error for one that is not there",
    "-v, --volumes": "with their anonymous volumes",
  },
  (host, [names], { force, volumes }) =>
    eachIn(host, names, async (engine, name) => {
      const found = force ? engine.containers.find(name) : engine.containers.get(name);
      if (found === undefined) return;
      const state = stateOf(engine, found);
      if (state !== "created" && state !== "exited" && !force) {
        throw new RuntimeError("failed-precondition", `container ${name} is ${state}`, {
          remedy: `r2k container stop ${name}, or rm -f ${name}`,
        });
      }
      await removeHand(engine, found, { volumes });
    }),
);
