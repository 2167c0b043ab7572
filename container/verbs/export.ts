import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { tarOfTree } from "@raft2kube/runtime/image/tar/tree.ts";
import { isManaged } from "../build/layer.ts";
import { withEngine } from "../engine/engine.ts";
import { OUTPUT, writeOutput } from "../files/output.ts";
import { withRoot } from "../files/place.ts";
import { verb } from "../verb.ts";

export const exportContainer = verb(
  "export <container>",
  "A container's root as a tar, without its volumes.",
  OUTPUT,
  async (host, [name], { output }) => {
    // The reader of the tar may be slow: other commands do not wait.
    using root = await withEngine(host, (engine) => {
      return withRoot(engine, engine.containers.get(name), async (at) => Directory.open(at));
    });
    await writeOutput(tarOfTree(root, { leaveOut: isManaged }), output);
  },
);
