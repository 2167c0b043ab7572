import { messageOf } from "@raft2kube/std/errors.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { ours } from "../contract/proxy/ours.ts";
import { RULES } from "../contract/proxy/suite.ts";
import { createWorld } from "../contract/proxy/world.ts";

// Run inside a guest, whose kernel has IPVS: judges the modes that are named, one after the other,
// and prints `FOUND {"mode", "rule", "error"}` for each rule of the contract.

const world = await createWorld();
for (const mode of process.argv.slice(2) as ModeName[]) {
  const { refuses, start } = ours(mode);
  const served = await start();
  for (const { name, run } of RULES) {
    if (refuses[name] !== undefined) continue;
    const error = await run(world, served).then(() => undefined, messageOf);
    process.stdout.write(`FOUND ${JSON.stringify({ mode, rule: name, error })}\n`);
  }
  await served.close();
}
world.close();
