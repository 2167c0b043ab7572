import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withModuleCopy } from "./module-copy.ts";

/** The release of flannel that our overlay shares clusters with. */
const MODULE = "github.com/flannel-io/flannel@v0.28.10";
/** A back end for one provider's cloud: it alone needs that provider's modules. */
const LEFT_OUT = "tencentvpc";

/** Builds flanneld into `<binDir>/flanneld` by the Go toolchain, of its module's own sources. */
export function buildFlanneld(binDir: string): void {
  withModuleCopy(MODULE, (dir) => {
    rmSync(path.join(dir, "pkg/backend", LEFT_OUT), { recursive: true });
    const main = path.join(dir, "main.go");
    const lines = readFileSync(main, "utf8").split("\n");
    writeFileSync(main, lines.filter((line) => !line.includes(LEFT_OUT)).join("\n"));
    const output = path.resolve(binDir, "flanneld");
    execFileSync("go", ["build", "-o", output, "."], { cwd: dir, stdio: "inherit" });
  });
}
