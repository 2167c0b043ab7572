import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { OciSpec } from "@raft2kube/runtime/oci/spec.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { AS_ROOT, LabContainer, namespacesOf, sleeper, specOf } from "./bundle.ts";

/** Prints what a process sees of itself and its surroundings. */
const LOOK = [
  "echo host $(hostname)",
  "echo root $(ls /)",
  "echo processes $(ls /proc | grep -c '^[0-9]')",
  "echo keys $(cat /proc/keys 2>/dev/null | grep -c .)",
  "echo fs $(ls /proc/fs | grep -c .)",
  "(echo hand > /proc/sys/kernel/hostname) 2>/dev/null && echo sysctl written",
  "touch /proc/fs/x 2>/dev/null && echo masked written",
  "touch /bin/x 2>/dev/null && echo root written",
  "touch /tmp/x && echo tmp written",
  "grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status",
  "grep -c . /proc/self/mountinfo",
  "echo looked",
  "sleep 30",
].join("\n");

/** The machine's mounts, with propagation as systemd sets it up. */
const machineMounts = (): string => readFileSync("/proc/self/mountinfo", "utf8");

/** Puts bundles on a mount of their own, below the root's, which propagates as the root's. */
function bundlesOnMount(): Disposable {
  const before = process.env["TMPDIR"];
  const folder = mkdtempSync(join(tmpdir(), "r2k-mount-"));
  spawnSync("mount", ["-t", "tmpfs", "tmpfs", folder]);
  process.env["TMPDIR"] = folder;
  return {
    [Symbol.dispose]() {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
      spawnSync("umount", ["-l", folder]);
      rmdirSync(folder);
    },
  };
}

/** Leaves out mounts whose folder is gone: a program that removes one ends its mount here too. */
function lasting(mounts: string): string {
  const isLasting = (line: string) => existsSync(line.split(" ")[4] ?? "");
  return mounts.split("\n").filter(isLasting).join("\n");
}

const TITLE = "container: new namespaces, the network of another process, nothing of the machine";

check(TITLE, async () => {
  // The mounts of this process are its own: a leak into them ends with the check.
  spawnSync("mount", ["--make-rshared", "/"]);
  using _mount = bundlesOnMount();
  using other = await sleeper();
  const spec = specOf(LOOK);
  const network = spec.linux.namespaces.find(({ type }) => type === "network")!;
  network.path = `/proc/${other.pid}/ns/net`;
  const before = machineMounts();
  using container = new LabContainer(spec);
  await container.up();
  const text = await container.printed("looked");
  const has = (word: string) => new RegExp(`^${word}$`, "m").test(text);
  const own = namespacesOf("self");
  const { pid } = container;
  const its = namespacesOf(pid);
  const shared = [...own].filter(([name, id]) => its.get(name) === id).map(([name]) => name);
  judge(shared.length === 0, {
    when: "a container is asked for with five namespaces",
    expected: "none is the machine's",
    happened: `shared with the machine: ${shared.join(", ")}`,
    why: "the container sees, and can signal, unmount or configure, what is the machine's",
  });
  judge(its.get("net") === namespacesOf(other.pid).get("net"), {
    when: "the network namespace has the path of another process's",
    expected: `the container is in ${namespacesOf(other.pid).get("net")}`,
    happened: `it is in ${its.get("net")}`,
    why: "the containers of a pod share an address",
  });
  judge(has("root bin dev proc tmp") && has("host hand"), {
    when: "ls / in a root with bin, and mounts at /dev, /proc and /tmp; hostname",
    expected: "root bin dev proc tmp; host hand",
    happened: text.split("\n").slice(0, 2).join("; ") || "nothing",
    why: "a process that sees the machine's root has the machine",
  });
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n");
  const places = mounts.map((line) => line.split(" ")[4]!);
  const foreign = places.filter((place, i) => {
    return !/^\/(proc|dev|tmp)\b/.test(place) && (place !== "/" || places.indexOf("/") < i);
  });
  judge(foreign.length === 0, {
    when: "the container's mounts are read in /proc/PID/mountinfo",
    expected: "one root, and /proc, /dev, /tmp, as config.json names them",
    happened: `also ${foreign.slice(0, 3).join(", ")}: ${foreign.length} of ${places.length}`,
    why: "a mount of the machine that was left behind is a way out: detach the old root",
  });
  const after = machineMounts();
  const less = (one: string, other: string) => {
    const there = new Set(other.split("\n"));
    return one.split("\n").find((line) => !there.has(line));
  };
  const [more, gone] = [less(after, before), less(lasting(before), after)];
  judge(more === undefined && gone === undefined, {
    when: "the machine's mounts are compared with those before the container",
    expected: "the same",
    happened: more === undefined ? `without ${gone}` : `also ${more}`,
    why: "mounts propagate between namespaces unless they are private: the machine's are hidden",
  });
});

check("container: masked and read-only paths, a read-only root", async () => {
  using container = new LabContainer(specOf(LOOK));
  await container.up();
  const text = await container.printed("looked");
  const expected = [
    ["keys 0", "the kernel's keys are not the container's to see"],
    ["fs 0", "a masked directory is empty"],
    ["tmp written", "/tmp is a mount of its own, and can be written"],
  ] as const;
  for (const [line, why] of expected) {
    const word = line.split(" ")[0]!;
    const happened = text.split("\n").find((each) => each.startsWith(`${word} `)) ?? "nothing";
    judge(happened === line, { when: "the container looks around", expected: line, happened, why });
  }
  for (const what of ["sysctl written", "masked written", "root written"]) {
    judge(!text.includes(what), {
      when: "the container writes to /proc/sys (read-only), /proc/fs (masked), / (read-only)",
      expected: "three refusals",
      happened: what,
      why: "sysctls outside of a namespace are the machine's; a root is shared by an image's users",
    });
  }
});

check("container: what is mounted below the root, and beneath read-only paths", async () => {
  const spec = specOf("cat /below/file; cat /dev/beneath/file; touch /dev/beneath/x; echo looked");
  using container = new LabContainer(spec);
  const [below, beneath] = ["rootfs/below", "beneath"].map((name) => join(container.folder, name));
  for (const folder of [below!, beneath!]) {
    mkdirSync(folder);
    spawnSync("mount", ["-t", "tmpfs", "tmpfs", folder]);
    writeFileSync(join(folder, "file"), `in ${basename(folder)}\n`);
  }
  try {
    spec.mounts.push({
      destination: "/dev/beneath",
      type: "bind",
      source: beneath!,
      options: ["rbind"],
    });
    spec.linux.readonlyPaths = ["/dev"];
    await container.up();
    const text = await container.printed("looked");
    const seen = text.split("\n").filter((line) => line.startsWith("in "));
    judge(seen.join() === "in below,in beneath", {
      when: "rootfs/below and /dev/beneath are mounts with a file each; /dev is read-only",
      expected: "in below,in beneath",
      happened: seen.join() || "nothing",
      why: "a root or a read-only path without its mounts is another file system",
    });
    judge(!existsSync(join(beneath!, "x")), {
      when: "the container writes to /dev/beneath, where /dev is read-only",
      expected: "a refusal",
      happened: "it made a file",
      why: "a read-only mount is one mount: those beneath it need the attribute too",
    });
  } finally {
    for (const folder of [below!, beneath!]) spawnSync("umount", ["-l", folder]);
  }
});

/** Other ids than root's exist only where they are mapped: in a user namespace they stay. */
const MAPS_ALL = AS_ROOT.leftOut === undefined;

/** A process of an ordinary user, with one capability that it may keep. */
function asUser(spec: OciSpec): OciSpec {
  const one = ["CAP_NET_BIND_SERVICE"];
  const sets = { bounding: one, effective: one, permitted: one, inheritable: one, ambient: one };
  const user = MAPS_ALL ? { uid: 1000, gid: 1001, additionalGids: [1002] } : spec.process.user;
  return { ...spec, process: { ...spec.process, user, capabilities: sets } };
}

/** Runs a container and judges these lines of its `/proc/self/status`. */
async function judgeStatus(
  spec: OciSpec,
  expected: Readonly<Record<string, string>>,
  { when, why }: { readonly when: string; readonly why: string },
  wrapper: readonly string[] = [],
): Promise<void> {
  using container = new LabContainer(spec);
  container.wrapper = wrapper;
  await container.up();
  const text = await container.printed("looked");
  const valueOf = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(text)?.[1] ?? "";
  const found = Object.keys(expected).map((name) => {
    return `${name} ${valueOf(name).trim().replaceAll("\t", " ")}`;
  });
  const wanted = Object.entries(expected).map(([name, value]) => `${name} ${value}`);
  judge(found.join() === wanted.join(), {
    when,
    expected: wanted.join(", "),
    happened: found.join(", "),
    why,
  });
}

check("container: capabilities and no_new_privs are as asked for", async () => {
  const sets = (bits: string, ambient: string) => ({
    CapInh: ambient,
    CapPrm: bits,
    CapEff: bits,
    CapBnd: bits,
    CapAmb: ambient,
    NoNewPrivs: "1",
  });
  const why = "what the bounding set keeps comes back with any program that has it in its file";
  await judgeStatus(specOf(LOOK), sets("00000000000004e1", "0000000000000000"), {
    when: "root with five capabilities",
    why,
  });
  const one = "0000000000000400";
  await judgeStatus(asUser(specOf(LOOK)), sets(one, one), {
    when: "one capability, also ambient",
    why,
  });
  // Root: the change to another user clears the ambient set too.
  const spec = asUser(specOf(LOOK));
  spec.process.user = specOf(LOOK).process.user;
  spec.process.capabilities.ambient = [];
  const words = ["setpriv", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"];
  await judgeStatus(
    spec,
    { CapInh: one, CapAmb: "0000000000000000" },
    { when: "one capability, not ambient, from a runtime that has it as ambient", why },
    words,
  );
});

check(
  "container: user and groups are as asked for (as root)",
  async () => {
    const ids = (id: number) => Array(4).fill(id).join(" ");
    await judgeStatus(
      asUser(specOf(LOOK)),
      { Uid: ids(1000), Gid: ids(1001), Groups: "1002" },
      {
        when: "user 1000, group 1001, another group 1002",
        why: "root of the container is root of the machine: only capabilities limit it",
      },
    );
    const own = process.getgroups!();
    process.setgroups!([4]);
    try {
      await judgeStatus(
        specOf(LOOK),
        { Groups: "" },
        {
          when: "no additional groups, from a runtime that has group 4",
          why: "group 4 reads the machine's logs, and a volume may have a file of it",
        },
      );
    } finally {
      process.setgroups!(own);
    }
  },
  AS_ROOT,
);

check("container: the filter is loaded, with no_new_privs and without", async () => {
  const seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["reboot"], action: "SCMP_ACT_ERRNO" }],
  };
  for (const noNewPrivileges of [true, false]) {
    const spec = asUser(specOf(LOOK));
    Object.assign(spec.process, { noNewPrivileges });
    Object.assign(spec.linux, { seccomp });
    await judgeStatus(
      spec,
      { NoNewPrivs: noNewPrivileges ? "1" : "0", Seccomp: "2" },
      {
        when: `linux.seccomp with noNewPrivileges ${noNewPrivileges}`,
        why: "a process without its filter has all of the kernel's system calls",
      },
    );
  }
});
