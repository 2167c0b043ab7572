// `npm run build`: makes dist/package and packs it into dist/raft2kube-VERSION.tgz.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./bundle.ts";
import { buildPackage } from "./package.ts";

const dir = await buildPackage();
const packed = spawnSync("npm", ["pack", dir, "--pack-destination", join(ROOT, "dist")], {
  cwd: ROOT,
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"],
});
if (packed.status !== 0) throw new Error(`npm pack ended with ${packed.status}`);
process.stdout.write(`${join(ROOT, "dist", packed.stdout.trim())}\n`);
