import { randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import type { OciProcess, OciSpec } from "@raft2kube/runtime/oci/spec.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { untilQuiet } from "../quiet.ts";
import { AS_ROOT, LabContainer, namespacesOf, sleeper, specOf } from "./bundle.ts";

check("lifecycle: create waits, start runs, the end is seen, delete removes", async () => {
  using container = new LabContainer(specOf("echo ran"));
  const { code, output } = await container.create();
  judge(code === 0, {
    when: "create",
    expected: "exit code 0",
    happened: `${code}: ${output}`,
    why: "the kubelet reports CreateContainerError",
  });
  const created = container.status();
  judge(created === "created" && !(await container.printed("")).includes("ran"), {
    when: "after create, before start",
    expected: "the status created, and no output",
    happened: `${created}, output ${JSON.stringify(await container.printed(""))}`,
    why: "between the two the runtime sets limits and hooks; the program must not run yet",
  });
  await container.start();
  const said = await container.printed("ran");
  judge(said.includes("ran"), {
    when: "after start",
    expected: "the program's output: ran",
    happened: JSON.stringify(said),
    why: "a container that was started and does nothing is Running forever",
  });
  const again = await container.start();
  judge(again.code !== 0, {
    when: "start again",
    expected: "a refusal",
    happened: "exit code 0",
    why: "the runtime spec: start on a container that is not created is an error",
  });
  await untilQuiet(
    () => container.status() === "stopped",
    () => container.status(),
  );
  judge(container.status() === "stopped", {
    when: "the program has ended",
    expected: "the status stopped",
    happened: String(container.status()),
    why: "a container that looks alive is never restarted",
  });
  await container.delete();
  judge(container.status() === undefined, {
    when: "state after delete",
    expected: "an error: there is no such container",
    happened: String(container.status()),
    why: "the id is used again, and stale state leaks",
  });
});

check("create: what cannot be made is an error, not left out", async () => {
  using other = await sleeper();
  const asks: readonly (readonly [body: string, when: string, ask: (spec: OciSpec) => void])[] = [
    [
      "enterNamespaces",
      "the network namespace has the path of a uts namespace",
      ({ linux }) => {
        const network = linux.namespaces.find(({ type }) => type === "network")!;
        network.path = `/proc/${other.pid}/ns/uts`;
      },
    ],
    [
      "protectPaths",
      "readonlyPaths has /bin/busybox/x, below a file",
      ({ linux }) => {
        linux.readonlyPaths = ["/bin/busybox/x"];
      },
    ],
  ];
  for (const [body, when, ask] of asks) {
    const spec = specOf("echo up");
    ask(spec);
    using container = new LabContainer(spec);
    const { code } = await container.create();
    judge(code !== 0, {
      when,
      expected: "create fails, with the kernel's reason",
      happened: "exit code 0",
      why: "a container that runs without what protects it looks like any other",
      body,
    });
  }
});

check("create: no namespace and no read-only copy stays open", async () => {
  using other = await sleeper();
  const spec = specOf("echo up");
  spec.linux.namespaces.find(({ type }) => type === "network")!.path = `/proc/${other.pid}/ns/net`;
  using container = new LabContainer(spec);
  await container.created();
  const open = container.openFiles().filter((name) => {
    return name === "/proc/sys" || /^(net|uts|ipc|mnt|pid|cgroup|user):/.test(name);
  });
  judge(open.length === 0, {
    when: "/proc/PID/fd of a created container whose network has a path, with /proc/sys read-only",
    expected: "no namespace, and no /proc/sys",
    happened: open.join(", "),
    why: "whatever is open when the image's program begins is a way out: close it once it is used",
  });
});

check("exec: another process enters all namespaces, and the root", async () => {
  using container = new LabContainer(specOf("echo up; sleep 30"));
  await container.up();
  await container.printed("up");
  const { pid } = container;
  const file = join(container.folder, "process.json");
  const script = "for n in pid net ipc uts mnt; do readlink /proc/self/ns/$n; done; ls /";
  const { process: described } = specOf(script);
  writeFileSync(file, JSON.stringify(described));
  const { code, output } = container.run("exec", "--process", file, container.id);
  const expected = [...namespacesOf(pid).values(), "bin", "dev", "proc", "tmp"].join(" ");
  judge(output.split(/\s+/).join(" ") === expected, {
    when: "exec reads its namespaces, and ls /",
    expected,
    happened: `${output.split(/\s+/).join(" ") || "nothing"}, exit code ${code}`,
    why: "kubectl exec, and every probe that runs a command, must see what the container sees",
  });
});

check(
  "create: an image can have no program of the machine overwritten (as root)",
  async () => {
    using container = new LabContainer(specOf("echo up"));
    await container.create();
    const open = canWrite(`/proc/${container.pid}/exe`);
    judge(!open, {
      when: "the container is created: its process still executes the runtime's program",
      expected: "/proc/PID/exe is on a read-only mount",
      happened: "it can be opened for writing when that process has ended",
      why: "an image with `#!/proc/self/exe` overwrites the machine's program (CVE-2019-5736)",
    });
  },
  AS_ROOT,
);

/** Highest number of a thread that an image's links guess. */
const THREADS_MAX = 64;

/** Makes the image lead to the machine's files by way of each thread; returns the PATH for it. */
function leadOut(container: LabContainer): string {
  const outside = join(container.folder, "outside");
  mkdirSync(outside);
  copyFileSync(join(container.folder, "rootfs/bin/busybox"), join(outside, "echo"));
  const names = Array.from({ length: THREADS_MAX }, (_, i) => `out-${i + 1}`);
  for (const [i, name] of names.entries()) {
    const link = join(container.folder, "rootfs/bin", name);
    symlinkSync(`/proc/self/task/${i + 1}/root${outside}`, link);
  }
  return `PATH=${names.map((name) => `/bin/${name}`).join(":")}`;
}

/** `echo escaped`, found by the image's links alone. */
function escape(container: LabContainer): OciProcess {
  return { ...container.spec.process, args: ["echo", "escaped"], env: [leadOut(container)] };
}

const WHY_THREADS = "Node's threads must not keep the machine's root: an image runs its programs";

check(
  "create: no thread leads an image to the machine's files (as root)",
  async () => {
    using container = new LabContainer(specOf(""));
    Object.assign(container.spec, { process: escape(container) });
    const { code, output } = await container.create();
    judge(code !== 0 && output.includes("not found in $PATH"), {
      when: "the program is a link to /proc/self/task/N/root/...",
      expected: 'a refusal: "not found in $PATH"',
      happened: `exit code ${code}: ${output}`,
      why: WHY_THREADS,
    });
    using other = new LabContainer(specOf("echo up"));
    await other.create();
    const tasks = readdirSync(`/proc/${other.pid}/task`);
    const inode = (file: string) => statSync(`${file}/.`).ino;
    const root = inode(join(other.folder, "rootfs"));
    const foreign = tasks.filter((task) => inode(`/proc/${other.pid}/task/${task}/root`) !== root);
    judge(tasks.length > 1 && foreign.length === 0, {
      when: "the container is created: its process has threads",
      expected: "each has the container's root",
      happened: `${foreign.length} of ${tasks.length} have another`,
      why: WHY_THREADS,
    });
  },
  AS_ROOT,
);

check(
  "exec: no thread leads an image to the machine's files (as root)",
  async () => {
    using container = new LabContainer(specOf("echo up; sleep 30"));
    const file = join(container.folder, "process.json");
    writeFileSync(file, JSON.stringify(escape(container)));
    await container.up();
    await container.printed("up");
    const { code, output } = container.run("exec", "--process", file, container.id);
    judge(code !== 0 && output.includes("not found in $PATH"), {
      when: "the program is a link to /proc/self/task/N/root/...",
      expected: 'a refusal: "not found in $PATH"',
      happened: `exit code ${code}: ${output}`,
      why: WHY_THREADS,
    });
  },
  AS_ROOT,
);

const JUMPS = "create: a directory that is made is not where a link of procfs jumps to (as root)";

check(
  JUMPS,
  async () => {
    const jumping = "/bin/jumping/x";
    const device = { path: jumping, type: "c" as const, major: 1, minor: 3 };
    const asks: Record<string, (spec: OciSpec) => void> = {
      "the working directory": (spec) => Object.assign(spec.process, { cwd: jumping }),
      "a mount": (spec) =>
        spec.mounts.push({
          destination: jumping,
          type: "bind",
          source: "/dev/null",
          options: ["bind"],
        }),
      "a device": (spec) =>
        Object.assign(spec.linux, { devices: [{ ...device, fileMode: 0o666, uid: 0, gid: 0 }] }),
    };
    for (const [what, ask] of Object.entries(asks)) {
      const spec = { ...specOf("echo up"), root: { path: "rootfs", readonly: false } };
      ask(spec);
      using container = new LabContainer(spec);
      symlinkSync("/proc/self/root/tmp", join(container.folder, "rootfs/bin/jumping"));
      const { code, output } = await container.create();
      judge(code !== 0 && output.includes("ELOOP"), {
        when: `${what} is below a link to /proc/self/root`,
        expected: "a refusal: ELOOP",
        happened: `exit code ${code}: ${output}`,
        why: "such a link can lead to the machine, and the path is made with all privileges",
      });
    }
  },
  AS_ROOT,
);

/** Whether a file's mount allows writing. */
function canWrite(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "EROFS")) return false;
    throw thrown;
  }
}

check(
  "cgroup: the process is in its group in every hierarchy (as root)",
  async () => {
    const spec = specOf("echo up; sleep 30");
    const group = `/r2k-lab01-${randomUUID()}`;
    const devices = [
      { allow: false, access: "rwm" },
      { allow: true, type: "c" as const, major: 1, minor: 3, access: "rw" },
    ];
    const limits = { memory: { limit: 64 * 2 ** 20 }, devices };
    Object.assign(spec.linux, { cgroupsPath: group, resources: limits });
    try {
      using container = new LabContainer(spec);
      await container.up();
      await container.printed("up");
      const lines = readFileSync(`/proc/${container.pid}/cgroup`, "utf8").trim().split("\n");
      const { version, controllers } = openCgroups();
      const wanted = version === 1 ? controllers : [""];
      const elsewhere = lines
        .map((line) => /^\d+:([^:]*):(.*)$/.exec(line)!)
        .filter(([, of, at]) => {
          return at !== group && of!.split(",").some((name) => wanted.includes(name));
        });
      judge(elsewhere.length === 0, {
        when: `cgroupsPath ${group}`,
        expected: "the process is in that group, in every hierarchy",
        happened: `elsewhere in ${elsewhere.map(([, of]) => of).join("; ")}`,
        why: "memory limited and processes not: a fork bomb ends the machine",
      });
    } finally {
      await openCgroups().remove(group, { clock: systemClock() });
    }
  },
  AS_ROOT,
);
