import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const DIR = join(import.meta.dirname, "../../.cache/kubectl-1.20");

/**
 * The path of Debian's kubectl, unpacked beside the one that is installed. It speaks what newer
 * ones have given up: SPDY/3.1, and the schema as gnostic protobuf.
 */
export async function kubectl120(): Promise<string> {
  const program = join(DIR, "usr/bin/kubectl");
  if (existsSync(program)) return program;
  mkdirSync(DIR, { recursive: true });
  await execute("apt-get", ["download", "-q", "kubernetes-client"], { cwd: DIR });
  const archive = readdirSync(DIR).find((name) => name.endsWith(".deb"));
  if (!archive) throw new Error("apt-get download brought no package");
  await execute("dpkg", ["-x", archive, DIR], { cwd: DIR });
  return program;
}
