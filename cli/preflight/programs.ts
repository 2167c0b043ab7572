import { spawn } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { mappedFromZero, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";
import { type Check, failed, ok } from "./check.ts";

type Program = { readonly name: string; readonly debianPackage: string; readonly purpose: string };

/** Programs that a cluster needs from the system, and Debian's packages of them. */
export const PROGRAMS: readonly Program[] = [
  program("crun", "crun", "runs containers"),
  program("conmon", "conmon", "holds a container's logs and exit code"),
  program("catatonit", "catatonit", "is a pod's first process"),
  program("nft", "nftables", "applies the proxy's rules"),
  program("busybox", "busybox-static", "is what the demo images are made of"),
  program("ip", "iproute2", "shows routes and links"),
  program("nsenter", "util-linux", "starts the node in its network namespace"),
  program("mount", "mount", "mounts"),
  program("kubectl", "kubernetes-client", "talks to the cluster"),
];

/** Programs in the image of the ingress controller. */
export const INGRESS_PROGRAMS: readonly Program[] = [
  program("haproxy", "haproxy", "passes an Ingress's requests on"),
];

/** Programs that only some clusters need, in packages of another name. */
const OTHERS: readonly Program[] = [
  program("mkfs.ext4", "e2fsprogs", "formats the disk of a guest"),
  program("sh", "dash", "is the shell in the pause image"),
];

function program(name: string, debianPackage: string, purpose: string): Program {
  return { name, debianPackage, purpose };
}

/** Ids that packages' files may have: those below are the system's and its users'. */
const SYSTEM_IDS = 65_534;
const SYSTEM_DIRS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The program's path, in PATH or where systems keep administrators' programs. */
export async function findProgram(name: string): Promise<string | undefined> {
  if (isAbsolute(name)) return (await isProgram(name)) ? name : undefined;
  const path = (process.env["PATH"] ?? "").split(delimiter);
  for (const dir of [...path, ...SYSTEM_DIRS]) {
    const candidate = join(dir, name);
    if (await isProgram(candidate)) return candidate;
  }
  return undefined;
}

/** The program's path. Throws CommandError `NO_PROGRAM`, whose remedy is Debian's package of it. */
export async function requireProgram(name: string): Promise<string> {
  const path = await findProgram(name);
  if (path !== undefined) return path;
  if (isAbsolute(name)) {
    const remedy = "name a program that is there";
    throw new CommandError("NO_PROGRAM", `there is no program ${name}`, { remedy });
  }
  const debianPackage = [...PROGRAMS, ...OTHERS].find((one) => one.name === name)?.debianPackage;
  throw new CommandError("NO_PROGRAM", `${name} is not installed`, {
    remedy: `apt-get install --no-install-recommends ${debianPackage ?? name}`,
  });
}

/** The OCI runtimes of a node: crun, and those of this machine that a RuntimeClass can name. */
export async function ociRuntimes() {
  const others = (["runc", "runsc"] as const).map(async (kind) => {
    const path = await findProgram(kind);
    return path === undefined ? [] : [{ path, kind }];
  });
  return {
    ociRuntime: { path: await requireProgram("crun"), kind: "crun" },
    otherOciRuntimes: (await Promise.all(others)).flat(),
  } as const;
}

/** Whether a path leads to a file that may be run. */
export async function isProgram(path: string): Promise<boolean> {
  const found = access(path, constants.X_OK).then(() => stat(path));
  return (await tolerate(found, () => true))?.isFile() ?? false;
}

async function missing(programs: readonly Program[]): Promise<Program[]> {
  const found = await Promise.all(programs.map((item) => findProgram(item.name)));
  return programs.filter((_, index) => found[index] === undefined);
}

export const programChecks: readonly Check[] = PROGRAMS.map((item) => ({
  name: `program ${item.name}`,
  async ask() {
    const path = await findProgram(item.name);
    if (path !== undefined) return ok(path);
    return failed(`not found; it ${item.purpose}`, `apt-get install ${item.debianPackage}`);
  },
}));

/** Root of a user namespace with few ids is an ordinary user and owns no system files. */
const ownsSystemFiles = (): boolean => mappedFromZero(readMappedIds().users) >= SYSTEM_IDS;

/**
 * Installs what is missing where that is possible: as root with apt-get, after a notice, all within
 * one call of `around`. Elsewhere it does nothing, and the checks name what to install.
 */
export async function installMissing(
  notice: (line: string) => void,
  programs: readonly Program[] = PROGRAMS,
  around: (install: () => Promise<void>) => Promise<void> = (install) => install(),
): Promise<void> {
  const packages = [...new Set((await missing(programs)).map((item) => item.debianPackage))];
  if (packages.length === 0) return;
  const apt = await findProgram("apt-get");
  if (apt === undefined || process.getuid?.() !== 0 || !ownsSystemFiles()) return;
  await around(() => installPackages(apt, packages, notice));
}

/** Runs a program with its output on standard error; resolves with its exit code (1 on a signal). */
function spawnVisible(
  path: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ["ignore", 2, 2], env });
    child.on("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

async function installPackages(
  apt: string,
  packages: readonly string[],
  notice: (line: string) => void,
): Promise<void> {
  notice(`Installing Debian packages: ${packages.join(" ")}`);
  const install = ["install", "-y", "-q", "--no-install-recommends", ...packages];
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  if ((await spawnVisible(apt, install, environment)) === 0) return;
  notice("Updating Debian's package lists");
  await spawnVisible(apt, ["update", "-q"], environment);
  const code = await spawnVisible(apt, install, environment);
  if (code === 0) return;
  throw new CommandError("APT", `apt-get ${install.join(" ")} ended with ${code}`, {
    remedy: "see its messages above; install the packages by hand",
    exitCode: 2,
  });
}
