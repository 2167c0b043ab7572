import { execFileSync } from "node:child_process";
import {
  chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** The release of flannel that our overlay shares clusters with. */
const VERSION = "v0.28.10";

const MODULE = "github.com/flannel-io/flannel";
/** A back end for one provider's cloud: it alone needs that provider's modules. */
const LEFT_OUT = "tencentvpc";

/** Builds flanneld into `<binDir>/flanneld` by the Go toolchain, of its module's own sources. */
export function buildFlanneld(binDir: string): void {
  const words = ["mod", "download", "-json", `${MODULE}@${VERSION}`];
  const { Dir } = JSON.parse(execFileSync("go", words, { encoding: "utf8" })) as { Dir: string };
  const dir = mkdtempSync(path.join(tmpdir(), "r2k-flannel-"));
  try {
    cpSync(Dir, dir, { recursive: true });
    makeWritable(dir); // Go's module cache is read-only
    rmSync(path.join(dir, "pkg/backend", LEFT_OUT), { recursive: true });
    const main = path.join(dir, "main.go");
    const lines = readFileSync(main, "utf8").split("\n");
    writeFileSync(main, lines.filter((line) => !line.includes(LEFT_OUT)).join("\n"));
    const output = path.resolve(binDir, "flanneld");
    execFileSync("go", ["build", "-o", output, "."], { cwd: dir, stdio: "inherit" });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function makeWritable(dir: string): void {
  for (const name of ["", ...readdirSync(dir, { recursive: true, encoding: "utf8" })]) {
    const file = path.join(dir, name);
    chmodSync(file, statSync(file).mode | 0o200);
  }
}
