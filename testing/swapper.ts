import { spawn } from "node:child_process";
import { once } from "node:events";

/** Makes `target` in the folder, as the program's own text: `fs` and `name` are known to it. */
const MAKES = {
  directory: "fs.mkdirSync(name);",
  openFile: `fs.writeFileSync(name, ""); fs.chmodSync(name, 0o6777);`,
} as const;

/**
 * Swaps `target` in a folder for a link to `victim`, again and again, while `work` runs: as a
 * container that shares the folder can. The two others are named `spare` and `link`.
 */
export async function withSwapper(
  folder: string,
  victim: string,
  made: keyof typeof MAKES,
  work: () => Promise<void>,
): Promise<void> {
  const script = `
    const fs = require("node:fs");
    const [folder, victim] = process.argv.slice(1);
    const [name, spare, link] = ["target", "spare", "link"].map((one) => folder + "/" + one);
    ${MAKES[made]}
    fs.symlinkSync(victim, link);
    process.stdout.write("ready");
    for (;;) {
      fs.renameSync(name, spare);
      fs.renameSync(link, name);
      fs.renameSync(name, link);
      fs.renameSync(spare, name);
    }`;
  const swapper = spawn(process.execPath, ["-e", script, folder, victim]);
  try {
    await once(swapper.stdout, "data");
    await work();
  } finally {
    swapper.kill("SIGKILL");
    await once(swapper, "exit");
  }
}
