// Each body alone, before any container is made of all of them.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { start } from "@raft2kube/runtime/by-hand/commands.ts";
import { StateDirectory } from "@raft2kube/runtime/by-hand/state.ts";
import { identify } from "@raft2kube/runtime/process-identity.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { check, NOT_WRITTEN } from "../check.ts";
import { judge } from "../judge.ts";
import { AS_ROOT, namespacesOf, sleeper, specOf } from "./bundle.ts";
import type { StepInputs } from "./step.ts";

const STEP_MS_MAX = 20_000;
const MOUNTS = ["unshare", "--mount", "--propagation", "unchanged"];

/** Takes a step in a process of its own, after the words of `wrapper`; judges that it ends well. */
function taken<Name extends keyof StepInputs>(
  name: Name,
  input: StepInputs[Name],
  wrapper: readonly string[] = [],
): unknown {
  const program = join(import.meta.dirname, "step.ts");
  const flags = [...process.execArgv, "--disable-warning=ExperimentalWarning"];
  const words = [process.execPath, ...flags, program, name, JSON.stringify(input)];
  const [first = "", ...rest] = [...wrapper, ...words];
  const { status, stdout, stderr } = spawnSync(first, rest, {
    encoding: "utf8",
    timeout: STEP_MS_MAX,
    killSignal: "SIGKILL",
  });
  const unwritten = NOT_WRITTEN.exec(stderr)?.[0];
  if (unwritten !== undefined) throw new Error(unwritten);
  const error = /^\w*Error.*$/m.exec(stderr)?.[0] ?? stderr.trim();
  judge(status === 0, {
    when: `this step alone, in a process of its own: ${name}`,
    expected: "no error",
    happened: error || `it ended with ${status ?? "a signal"}`,
    why: "the Pod stays ContainerCreating, with this message in its events",
  });
  return JSON.parse(stdout);
}

/** A folder that ends with the check, and what is mounted in it. */
function folder(): Disposable & { readonly at: string } {
  const at = mkdtempSync(join(tmpdir(), "r2k-step-"));
  return { at, [Symbol.dispose]: () => rmSync(at, { recursive: true, force: true }) };
}

function made(at: string, ...names: string[]): void {
  for (const name of names) mkdirSync(join(at, name), { recursive: true });
}

check("step: a process with namespaces alone", async () => {
  using other = await sleeper();
  const path = `/proc/${other.pid}/ns/net`;
  const asked = [{ type: "uts" }, { type: "network", path }, { type: "ipc" }] as const;
  const own = namespacesOf("self");
  const its = taken("namespaces", asked) as string[];
  const [net, uts, ipc, mnt] = its;
  const isNew = uts !== own.get("uts") && ipc !== own.get("ipc");
  judge(net === namespacesOf(other.pid).get("net") && isNew && mnt === own.get("mnt"), {
    when: "the network has the path of another process's; uts and ipc have none; no mount",
    expected: `${namespacesOf(other.pid).get("net")}, new ones of uts and ipc, ${own.get("mnt")}`,
    happened: its.join(", "),
    why: "a container shares with its pod what has a path, and nothing else with anyone",
  });
});

check("step: another root alone", () => {
  using place = folder();
  made(place.at, "rootfs/bin", "rootfs/etc");
  const seen = taken("root", join(place.at, "rootfs"), MOUNTS) as { root: string[]; cwd: string[] };
  for (const [when, found] of [
    ["/", seen.root],
    [".", seen.cwd],
  ] as const) {
    judge(found.join(" ") === "bin etc", {
      when: `a rootfs of bin and etc has become the root: ${when} is listed`,
      expected: "bin etc",
      happened: found.join(" ") || "nothing",
      why: "the old root, or a working directory in it, is a way to every file of the machine",
    });
  }
  const left = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const propagated = left.filter((line) => line.includes(place.at));
  judge(propagated.length === 0, {
    when: "the rootfs is looked for among the machine's mounts",
    expected: "none",
    happened: propagated.join(", "),
    why: "mounts propagate to the machine unless they are private first",
  });
});

check("step: masked paths alone", () => {
  using place = folder();
  made(place.at, "fs/ext4");
  const [file, hidden, absent] = ["keys", "fs", "absent"].map((name) => join(place.at, name));
  writeFileSync(file!, "secret");
  const input = { file: file!, folder: hidden!, absent: absent! };
  const seen = JSON.stringify(taken("masks", input, MOUNTS));
  const expected = JSON.stringify({ file: "", folder: [], written: "EROFS" });
  judge(seen === expected, {
    when: "a file, a folder with a file in it, and a path that is not there are masked",
    expected,
    happened: seen,
    why: "what /proc shows of the machine's kernel is not divided by namespaces",
  });
});

check("step: read-only paths alone", () => {
  using place = folder();
  made(place.at, "sys/beneath");
  writeFileSync(join(place.at, "sys/file"), "1");
  const input = { folder: join(place.at, "sys"), absent: join(place.at, "absent") };
  const mounted = ["sh", "-c", 'mount -t tmpfs tmpfs "$0/beneath" && exec "$@"', input.folder];
  const seen = JSON.stringify(taken("readonly", input, [...MOUNTS, ...mounted]));
  const expected = JSON.stringify({ file: "1", written: ["EROFS", "EROFS"] });
  judge(seen === expected, {
    when: "a folder with a mount beneath it is made read-only, and a path that is not there",
    expected,
    happened: seen,
    why: "a sysctl outside of a namespace is the machine's",
  });
});

check(
  "step: the process in its cgroup alone (as root)",
  async () => {
    const group = `/r2k-lab01-${randomUUID()}`;
    const cgroups = openCgroups();
    cgroups.create(group);
    try {
      const lines = (taken("cgroup", group) as string).trim().split("\n");
      const wanted = cgroups.version === 1 ? cgroups.controllers : [""];
      const elsewhere = lines.filter((line) => {
        const [, of = "", at] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
        return at !== group && of.split(",").some((name) => wanted.includes(name));
      });
      judge(elsewhere.length === 0, {
        when: `the process joins ${group}`,
        expected: "it is in that group, in every hierarchy",
        happened: `elsewhere in ${elsewhere.join("; ")}`,
        why: "memory limited and processes not: a fork bomb ends the machine",
      });
    } finally {
      await cgroups.remove(group, { clock: systemClock() });
    }
  },
  AS_ROOT,
);

check("step: fewer privileges alone", () => {
  const { process: described } = specOf("");
  const status = taken("privileges", described) as string;
  const words = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"];
  const valueOf = (name: string) => new RegExp(`^${name}:\\s*0*(.+)$`, "m").exec(status)?.[1];
  const happened = words.map((name) => `${name} ${valueOf(name) ?? ""}`).join(", ");
  const expected = "CapInh 0, CapPrm 4e1, CapEff 4e1, CapBnd 4e1, CapAmb 0, NoNewPrivs 1";
  judge(happened === expected, {
    when: "root keeps five capabilities, none inheritable or ambient",
    expected,
    happened,
    why: "root of the container is root of the machine: only capabilities limit it",
  });
});

/** A container's state, whose process is this one. */
function stateIn(root: string) {
  const directory = new StateDirectory(root, "hand");
  directory.create();
  const state = { id: "hand", bundle: root, cgroup: undefined, process: identify(process.pid)! };
  directory.write(state);
  return { directory, state };
}

check("step: created, running, stopped", () => {
  using place = folder();
  const { directory, state } = stateIn(place.at);
  const gone = { ...state, process: { ...state.process, startTicks: "1" } };
  const found = [directory.status(state), directory.status(gone)];
  rmSync(directory.startFifo);
  found.push(directory.status(state), directory.status(gone));
  const expected = "created, stopped, running, stopped";
  judge(found.join(", ") === expected, {
    when: "with the fifo: a process that lives, one whose pid is another's; then without the fifo",
    expected,
    happened: found.join(", "),
    why: "the kubelet restarts what is stopped, and nothing else",
  });
});

check("step: one byte starts it", () => {
  using place = folder();
  const { directory } = stateIn(place.at);
  const fifo = openSync(directory.startFifo, constants.O_RDWR | constants.O_NONBLOCK);
  start(place.at, "hand");
  const read = Buffer.alloc(8);
  const there = existsSync(directory.startFifo) ? "and the fifo is there" : "and no fifo";
  const happened = `${bytesIn(fifo, read)}, ${there}`;
  judge(happened === "1, and no fifo", {
    when: "a process waits at the fifo: the bytes that it gets, and what is left",
    expected: "1, and no fifo",
    happened,
    why: "the fifo is what tells a container that was created from one that runs",
  });
});

function bytesIn(fifo: number, read: Buffer): number | string {
  try {
    return readSync(fifo, read);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
