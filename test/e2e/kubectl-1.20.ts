import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const CACHE = join(import.meta.dirname, "../../.cache");
const PROGRAM = join(CACHE, "kubectl-1.20/usr/bin/kubectl");
/** A mirror may be out of reach for a moment. */
const PATIENT = ["-o", "Acquire::Retries=5"];

/**
 * The path of Debian's kubectl, unpacked beside the one that is installed. It speaks what newer
 * ones have given up: SPDY/3.1, and the schema as gnostic protobuf.
 */
export async function kubectl120(): Promise<string> {
  if (existsSync(PROGRAM)) return PROGRAM;
  mkdirSync(CACHE, { recursive: true });
  // Unpacked elsewhere and renamed: it is complete or absent, also with concurrent runs.
  const dir = mkdtempSync(join(CACHE, "unpacking-"));
  try {
    await execute("apt-get", [...PATIENT, "download", "-q", "kubernetes-client"], { cwd: dir });
    const archive = readdirSync(dir).find((name) => name.endsWith(".deb"));
    if (!archive) throw new Error("apt-get download brought no package");
    await execute("dpkg", ["-x", archive, dir], { cwd: dir });
    mkdirSync(dirname(PROGRAM), { recursive: true });
    renameSync(join(dir, "usr/bin/kubectl"), PROGRAM);
  } finally {
    rmSync(dir, { recursive: true });
  }
  return PROGRAM;
}
