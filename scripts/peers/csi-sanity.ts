import { execFileSync } from "node:child_process";
import path from "node:path";

/** The release of csi-test whose suite our drivers pass (it tests CSI 1.12). */
const VERSION = "v5.4.0";

const MODULE = "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity";

/**
 * Builds csi-sanity into `<binDir>/csi-sanity` by the Go toolchain; the test that uses it finds it
 * there.
 */
export function buildCsiSanity(binDir: string): void {
  execFileSync("go", ["install", `${MODULE}@${VERSION}`], {
    env: { ...process.env, GOBIN: path.resolve(binDir), GOFLAGS: "-mod=mod" },
    stdio: "inherit",
  });
}
