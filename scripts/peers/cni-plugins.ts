import { execFileSync } from "node:child_process";
import path from "node:path";

/** The release of containernetworking's plugins that the contract suite runs on. */
const VERSION = "v1.9.1";
const MODULE = "github.com/containernetworking/plugins/plugins";
const PLUGINS = [
  "main/bridge",
  "main/loopback",
  "main/ptp",
  "ipam/host-local",
  "ipam/static",
  "meta/bandwidth",
  "meta/portmap",
];

/** Builds the reference plugins that ours correspond to into `dir`, each by its own name. */
export function buildCniPlugins(dir: string): void {
  const commands = PLUGINS.map((plugin) => `${MODULE}/${plugin}@${VERSION}`);
  execFileSync("go", ["install", ...commands], {
    env: { ...process.env, GOBIN: path.resolve(dir), GOFLAGS: "-mod=mod" },
    stdio: "inherit",
  });
}
