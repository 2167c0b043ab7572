import { execFileSync } from "node:child_process";
import path from "node:path";
import { withModuleCopy } from "./module-copy.ts";

/** Upstream's sidecars by their commands, of releases whose modules the public proxy has. */
const SIDECARS = {
  "csi-attacher": "github.com/kubernetes-csi/external-attacher/v4@v4.13.0",
  "csi-provisioner": "github.com/kubernetes-csi/external-provisioner/v6@v6.3.0",
  "csi-resizer": "github.com/kubernetes-csi/external-resizer/v2@v2.3.0",
};

/**
 * Builds upstream's sidecars into `binDir`, unmodified. Their modules replace dependencies, so that
 * `go install` refuses them: they are built in a copy of their sources.
 */
export function buildCsiSidecars(binDir: string): void {
  for (const [command, module] of Object.entries(SIDECARS)) {
    const output = path.resolve(binDir, command);
    withModuleCopy(module, (dir) => {
      const words = ["build", "-mod=readonly", "-o", output, `./cmd/${command}`];
      execFileSync("go", words, { cwd: dir, stdio: "inherit" });
    });
  }
}
