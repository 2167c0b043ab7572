import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pidsBelow, readKeyed } from "@raft2kube/linux/cgroup/cgroup-files.ts";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { waitFor } from "../../testing/wait.ts";

/** A fifth of a processor: enough for a pod in a minute where processors are slow. */
const CPU = { cpuQuota_us: 20_000, cpuPeriod_us: 100_000 };

/** Where the machine's processes get their share of the processors. */
function cpuHierarchy(): string {
  const mounts = readMountInfo();
  const found =
    mounts.find(({ type, superOptions }) => {
      return type === "cgroup" && superOptions.includes("cpu");
    }) ?? mounts.find(({ type }) => type === "cgroup2");
  if (found === undefined) throw new Error("no cgroup hierarchy has the cpu controller");
  return found.mountPoint;
}

/** A process's group in that hierarchy. */
function groupOf(pid: number): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const fields = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const [, , group] =
    fields.find(([, names = ""]) => names.split(",").includes("cpu")) ??
    fields.find(([, names]) => names === "") ??
    [];
  return group ?? "/";
}

/** A process, and all that it starts, with a fifth of a processor. */
export class SlowProcess {
  readonly #pid: number;
  readonly #before: string;
  readonly #group: string;
  readonly #hierarchy = cpuHierarchy();

  constructor(pid: number) {
    this.#pid = pid;
    this.#before = groupOf(pid);
    this.#group = `/r2k-slow-${pid}`;
    const cgroups = openCgroups();
    cgroups.create(this.#group);
    cgroups.setLimits(this.#group, CPU);
    writeFileSync(join(this.#hierarchy, this.#group, "cgroup.procs"), String(pid));
  }

  /** How often it had to wait for its next share. */
  get throttled(): number {
    const directory = join(this.#hierarchy, this.#group);
    return readKeyed(directory, "cpu.stat").get("nr_throttled") ?? 0;
  }

  /** Lifts the limit, of what it has started too. */
  async end(): Promise<void> {
    const cgroups = openCgroups();
    cgroups.setLimits(this.#group, { ...CPU, cpuQuota_us: -1 });
    const directory = join(this.#hierarchy, this.#group);
    const moveAll = () => {
      for (const pid of pidsBelow(directory)) {
        try {
          writeFileSync(join(this.#hierarchy, this.#before, "cgroup.procs"), String(pid));
        } catch (thrown) {
          if (!isErrno(thrown, "ESRCH")) throw thrown;
        }
      }
      cgroups.removeEmpty(this.#group);
      return !existsSync(directory);
    };
    await waitFor("the slow group to be empty", moveAll);
    if (groupOf(this.#pid) !== this.#before) throw new Error(`process ${this.#pid} is still slow`);
  }
}
