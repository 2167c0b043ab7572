import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { tarOfTree } from "@raft2kube/runtime/image/tar/tree.ts";
import { Command } from "commander";
import { isManaged } from "../build/managed.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { writeOutput } from "../files/output.ts";
import { withRoot } from "../files/place.ts";

export function command(find: FindHost): Command {
  return new Command("export")
    .argument("<container>")
    .description("A container's root as a tar, without its volumes.")
    .option("-o, --output <file>", "by default standard output")
    .action(async (name: string, { output }: { output?: string }) => {
      // The reader of the tar may be slow: other commands do not wait.
      using root = await withEngine(await find(), (engine) => {
        return withRoot(engine, engine.containers.get(name), async (at) => Directory.open(at));
      });
      await writeOutput(tarOfTree(root, { leaveOut: isManaged }), output);
    });
}
