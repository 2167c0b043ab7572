import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import path from "node:path";
import { withModuleCopy } from "./module-copy.ts";

const MODULE = "github.com/kubernetes-csi/external-snapshotter";
const VERSION = "v8.7.0";

/**
 * Builds upstream's snapshot-controller and csi-snapshotter into `binDir`, unmodified, and brings
 * their definitions and roles beside it. The module replaces its client by a folder that is a
 * module of its own.
 */
export function buildCsiSnapshotter(binDir: string): void {
  const home = path.resolve(binDir, "../csi-snapshotter");
  rmSync(home, { recursive: true, force: true });
  withModuleCopy(`${MODULE}/client/v8@${VERSION}`, (client) => {
    cpSync(path.join(client, "config/crd"), path.join(home, "crd"), { recursive: true });
    withModuleCopy(`${MODULE}/v8@${VERSION}`, (dir) => {
      cpSync(client, path.join(dir, "client"), { recursive: true });
      cpSync(path.join(dir, "deploy/kubernetes"), path.join(home, "deploy"), { recursive: true });
      const commands = ["snapshot-controller", "csi-snapshotter"].map((name) => `./cmd/${name}`);
      const flags = ["-mod=readonly", "-ldflags=-s -w", "-o", `${path.resolve(binDir)}/`];
      const env = { ...process.env, CGO_ENABLED: "0" };
      execFileSync("go", ["build", ...flags, ...commands], { cwd: dir, stdio: "inherit", env });
    });
  });
}
